"""Proposes a model's definition from landed files: what they show is written, what they cannot show is left to decide.

A value to decide carries the tag `!decide` before a proposal, and its question as a comment. `nightshift validate`
refuses each until a person removes the tag or writes another value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import quantiles
from typing import Any

from nightshift.profiling.candidate_features import Entries, candidate_features
from nightshift.profiling.column_types import NUMBERS
from nightshift.profiling.proposal import ProposedSection, ProposedValue, plain_values, without_evidence
from nightshift.profiling.roles import ProfiledSource, Roles
from nightshift.profiling.zones import DEFAULT_ZONE

HOLDOUT_SHARE, SHORTEST_HOLDOUT, LONGEST_HOLDOUT = 6, 7, 28  # of the landed days: a sixth, at least, at most
FURTHER_CHECKS = frozenset(("freshness", "rules"))
ESTIMATOR = "sklearn.ensemble.HistGradientBoostingClassifier"
QUARTILE = 2  # of three: the upper one
WITHIN = (7, 28, 84)  # days before a night of which something is scored
WINDOWS_AHEAD = (7, 28)  # days after a night whose events are the outcome
LANDED_PER_DAY = 2  # days that must have landed for each of these
LISTED = 5  # columns to choose from


def propose_model(
    name: str, owner: str, sources: Mapping[str, ProfiledSource], roles: Roles, zone: str = DEFAULT_ZONE
) -> ProposedSection:
    """The definition of a model, with what is to be decided marked.

    Args:
        name: The model.
        owner: The owner of its DAGs.
        sources: The sources, by name.
        roles: What two of them are for.
        zone: The time zone by whose clock the events of the files are of their dates.
    """
    observed, outcome = sources[roles.observations], sources[roles.label]
    entries: Entries = {
        "name": ProposedValue(name),
        "description": _question("Whether something happens", "what the model predicts, as people will read it"),
        "owner": ProposedValue(owner),
        "schedule": ProposedSection(
            {
                "timezone": _question(zone, _zone_question(zone)),
                "at": _question("06:00", "when a night is scored: only what has landed by then is used"),
                "start": ProposedValue(min(source.dates[0] for source in (observed, outcome))),
            }
        ),
        "wait": ProposedValue({"timeout": "4h", "poll": "1m"}),
        "sources": ProposedSection(
            {source: _source(source, part, roles) for source, part in sources.items()},
        ),
        "observations": _observations(observed, roles, list(sources)),
        "label": _label(observed, outcome, roles, list(sources)),
        "features": candidate_features(sources, roles),
        "training": _training(len(set(observed.dates) & set(outcome.dates)) or len(observed.dates)),
        "gate": _gate(),
        "monitoring": ProposedSection({"retrain": ProposedValue({"nights": 3, "of_last": 5, "cooldown": "14d"})}),
    }
    return ProposedSection(entries)


def _zone_question(zone: str) -> str:
    question = "the time zone of the files' dates"
    return question if zone == DEFAULT_ZONE else f"{question}: by this clock all their times lie within them"


def _question(proposal: Any, question: str) -> ProposedValue:
    return ProposedValue(proposal, question, undecided=True)


def _source(name: str, source: ProfiledSource, roles: Roles) -> ProposedValue | ProposedSection:
    if source.section is None:
        return ProposedValue("shared")
    after, question = "24h", "how long after the midnight of its date a file is there, at the latest"
    if name == roles.observations and not roles.within:
        after, question = "6h", f"{question}; for observations before `schedule.at`"
    elif name == roles.label:
        question += "; for outcomes when they are final, at least 24h"
    # Short, for a person to read at once: profile-source proposes the rest, with its evidence.
    entries = {key: entry for key, entry in source.section.entries.items() if key not in FURTHER_CHECKS}
    entries |= {key: _short(entries[key]) for key in ("rows", "columns") if key in entries}
    if (complete := plain_values(source.section).get("complete")) and "settled" in complete:
        guess = _question(complete["settled"], "how long no part of a date is written when all of them are there")
        entries["complete"] = ProposedSection({"settled": guess})
    has_parts, single = complete is not None, "a file per date" if source.daily else "each file a full version"
    files = "parts of each date" if has_parts else single
    entries["description"] = ProposedValue(f"{name.replace('_', ' ')}, {files}")
    entries["available"] = ProposedSection({"after": _question(after, question)})
    return ProposedSection(entries)


def _short(section: ProposedValue | ProposedSection) -> ProposedValue | ProposedSection:
    """A section without comments and without usual ranges."""
    if isinstance(section, ProposedValue):
        return section
    return without_evidence(_without_usual(section))


def _without_usual(section: ProposedSection) -> ProposedSection:
    entries = {
        key: _without_usual(entry) if isinstance(entry, ProposedSection) else entry
        for key, entry in section.entries.items()
        if key != "usual"
    }
    return ProposedSection(entries)


def _observations(observed: ProfiledSource, roles: Roles, names: Sequence[str]) -> ProposedSection:
    source = ProposedValue(roles.observations)
    if not roles.observations_given and len(names) > 1:
        scored = "its keys are scored" if roles.within else "its rows of a date are scored that night"
        source = _question(roles.observations, f"{scored}; of {', '.join(names)}")
    key = ProposedValue(list(roles.key))
    if not roles.key:
        texts = [name for name, kind in observed.profile.types.items() if kind.name in {"string", "integer"}]
        key = _question(texts[:1], "the columns that identify a row within its date: the files show none")
    elif len(roles.entities) > 1:
        key = _question(
            list(roles.key), f"what is scored; of {', '.join(roles.entities[:LISTED])}; `by` below is the same"
        )
    entries: Entries = {"source": source, "key": key}
    if roles.within:
        within = _longest(WITHIN, observed) if roles.events and roles.observations == roles.label else WITHIN[0]
        entries["within"] = _question(f"{within}d", "a key is scored if it was there in so many days before the night")
    return ProposedSection(entries)


def _label(observed: ProfiledSource, outcome: ProfiledSource, roles: Roles, names: Sequence[str]) -> ProposedSection:
    source = ProposedValue(roles.label)
    if not roles.label_given and len(names) > 1:
        source = _question(roles.label, f"where the outcome of a date is found later; of {', '.join(names)}")
    if roles.events:
        days = _longest(WINDOWS_AHEAD, outcome)
        window = _question(f"{days}d", "the days after the night whose events make the outcome")
        entries: Entries = {"source": source, "window": window}
        if roles.observations == roles.label:  # everything that is scored has events, so the news is that there is none
            counted = _question("none", "whether there is no event in them; or any, count, sum, mean, max, min, last")
            return ProposedSection(entries | {"agg": counted})
        counted = _question("any", "whether there is any event in them; or none, count, sum, mean, max, min, last")
        return ProposedSection(entries | {"by": ProposedValue(list(roles.key)), "agg": counted})
    condition = _question(_condition(observed, outcome), "the outcome, as a condition in DuckDB SQL over its columns")
    return ProposedSection({"source": source, "expression": condition})


def _longest(choices: Sequence[int], source: ProfiledSource) -> int:
    """The most days of some of which several times as many have landed."""
    fitting = [days for days in choices if days * LANDED_PER_DAY <= len(source.dates)]
    return max(fitting, default=choices[0])


def _condition(observed: ProfiledSource, outcome: ProfiledSource) -> str:
    """A condition that may be the outcome: a boolean column, or a number above its upper quartile."""
    own = [name for name in outcome.columns(frozenset(("boolean",))) if name not in observed.profile.types]
    if own:
        return own[0]
    numbers = outcome.columns(NUMBERS)
    new = [name for name in numbers if name not in observed.profile.types] or numbers
    for name in new:
        history = outcome.profile.columns[name]
        medians = [profile.median for profile in history.profiles.values() if profile.median is not None]
        if len(medians) > 1:
            return f"{name} > {quantiles(medians, n=4)[QUARTILE]:.3g}"
    return "true"


def _training(days: int) -> ProposedSection:
    holdout = min(max(days // HOLDOUT_SHARE, SHORTEST_HOLDOUT), LONGEST_HOLDOUT)
    return ProposedSection(
        {
            "estimator": ProposedValue({"class": ESTIMATOR}, "or lightgbm.LGBMClassifier, xgboost.XGBClassifier, …"),
            "period": ProposedValue("365d", "how far back it learns; fewer days if there are not so many"),
            "holdout": ProposedValue(f"{holdout}d", "the newest labelled days, which only the gate sees"),
            "cadence": ProposedValue("0 8 * * 1", "without a request, on Mondays"),
        }
    )


def _gate() -> ProposedSection:
    least = _question(0.6, "the least a model must reach; 0.5 is guessing, 1 perfect")
    return ProposedSection(
        {
            "minimum": ProposedSection({"roc_auc": least}),
            "against_champion": ProposedValue({"metric": "roc_auc", "margin": 0.02}),
        }
    )
