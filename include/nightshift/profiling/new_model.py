"""Proposes a model's definition from landed files: what they show is written, what they cannot show is left to decide.

A value to decide carries the tag `!decide` before a proposal, and its question as a comment. `nightshift validate`
refuses each until a person removes the tag or writes another value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import quantiles
from typing import Any

from nightshift.definition.base import LONGEST_NAME
from nightshift.errors import TerminalError
from nightshift.profiling.column_types import NUMBERS
from nightshift.profiling.proposal import ProposedSection, ProposedValue, without_evidence
from nightshift.profiling.source_profile import SourceProfile

CATEGORIES = 100  # distinct texts that a category may have
AGGREGATED = 6  # columns of the label's source that get an aggregate
WINDOWS = (1, 7, 28)  # days
HISTORY_PER_WINDOW = 3  # times a window's days must have landed
HOLDOUT_SHARE, SHORTEST_HOLDOUT, LONGEST_HOLDOUT = 6, 7, 28  # of the landed days: a sixth, at least, at most
QUARTILE = 2  # of three: the upper one

Entries = dict[str, ProposedValue | ProposedSection]


@dataclass(frozen=True)
class ProfiledSource:
    """A source with its proposed declaration.

    Attributes:
        section: Its proposed section; None if it is declared in a file that models share.
        profile: The profile of its newest files.
        dates: The dates of all its files, ascending.
        daily: Whether there is a file for every date.
    """

    section: ProposedSection | None
    profile: SourceProfile
    dates: tuple[date, ...]
    daily: bool

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that identify a row; empty if none were found."""
        return self.profile.key.columns if self.profile.key else ()

    def columns(self, kinds: frozenset[str]) -> list[str]:
        """Its columns of some types, without those of the key."""
        return [name for name, kind in self.profile.types.items() if kind.name in kinds and name not in self.key]


@dataclass(frozen=True)
class Roles:
    """Which source has the observations, and which has their outcomes.

    Attributes:
        observations: The source of the observations.
        label: The source of the outcomes.
        observations_given: Whether a person chose the first.
        label_given: Whether a person chose the second.
    """

    observations: str
    label: str
    observations_given: bool
    label_given: bool


def choose_roles(
    sources: Mapping[str, ProfiledSource], observations: str | None = None, label: str | None = None
) -> Roles:
    """The source that reaches furthest has the observations: they are there first. One that shares its key, the label.

    Args:
        sources: The sources, by name.
        observations: The source that a person chose for the observations.
        label: The source that a person chose for the outcomes.

    Raises:
        TerminalError: If both would be the same.
    """
    daily = [name for name, source in sources.items() if source.daily] or list(sources)
    observed = observations or _furthest(sources, [name for name in daily if name != label] or daily)
    key = set(sources[observed].key)
    others = [name for name in daily if name != observed]
    sharing = [name for name in others if key and key <= set(sources[name].profile.types)]
    outcome = label or next(iter([*sharing, *others]), observed)
    if outcome == observed:
        raise TerminalError(
            "one source cannot be both what is scored and its outcome: what is scored must be there before the night, "
            "an outcome is final after it",
            received=observed,
            allowed="two sources, such as a plan or a list of what is scored by date, and what became of it",
            fix="land the rows to score as files of their own, or choose: --observations, --label",
        )
    return Roles(observed, outcome, observations is not None, label is not None)


def _furthest(sources: Mapping[str, ProfiledSource], names: Sequence[str]) -> str:
    return max(names, key=lambda name: sources[name].dates[-1])


def propose_model(name: str, owner: str, sources: Mapping[str, ProfiledSource], roles: Roles) -> ProposedSection:
    """The definition of a model, with what is to be decided marked.

    Args:
        name: The model.
        owner: The owner of its DAGs.
        sources: The sources, by name.
        roles: What two of them are for.
    """
    observed, outcome = sources[roles.observations], sources[roles.label]
    entries: Entries = {
        "name": ProposedValue(name),
        "description": _question("Whether something happens", "what the model predicts, as people will read it"),
        "owner": ProposedValue(owner),
        "schedule": ProposedSection(
            {
                "timezone": _question("UTC", "the time zone of the files' dates"),
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
        "features": _features(sources, roles),
        "training": _training(len(set(observed.dates) & set(outcome.dates)) or len(observed.dates)),
        "gate": _gate(),
        "monitoring": ProposedSection({"retrain": ProposedValue({"nights": 3, "of_last": 5, "cooldown": "14d"})}),
    }
    return ProposedSection(entries)


def _question(proposal: Any, question: str) -> ProposedValue:
    return ProposedValue(proposal, question, undecided=True)


def _source(name: str, source: ProfiledSource, roles: Roles) -> ProposedValue | ProposedSection:
    if source.section is None:
        return ProposedValue("shared")
    after, question = "24h", "how long after the midnight of its date a file is there, at the latest"
    if name == roles.observations:
        after, question = "6h", f"{question}; for observations before `schedule.at`"
    elif name == roles.label:
        question += "; for outcomes when they are final, at least 24h"
    # Short, for a person to read at once: profile-source proposes the rest, with its evidence.
    entries = dict(source.section.entries)
    entries |= {key: _short(entries[key]) for key in ("rows", "columns", "rules") if key in entries}
    entries["description"] = ProposedValue(f"{name.replace('_', ' ')}, a file per date")
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
    if not roles.observations_given:
        source = _question(roles.observations, f"its rows of a date are scored that night; of {', '.join(names)}")
    key = ProposedValue(list(observed.key))
    if not observed.key:
        texts = [name for name, kind in observed.profile.types.items() if kind.name in {"string", "integer"}]
        key = _question(texts[:1], "the columns that identify a row within its date: the files show none")
    return ProposedSection({"source": source, "key": key})


def _label(observed: ProfiledSource, outcome: ProfiledSource, roles: Roles, names: Sequence[str]) -> ProposedSection:
    source = ProposedValue(roles.label)
    if not roles.label_given:
        source = _question(roles.label, f"where the outcome of a date is found later; of {', '.join(names)}")
    condition = _question(_condition(observed, outcome), "the outcome, as a condition in DuckDB SQL over its columns")
    return ProposedSection({"source": source, "expression": condition})


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


def _features(sources: Mapping[str, ProfiledSource], roles: Roles) -> ProposedSection:
    """Candidates: every column that fits is a feature, for a person to remove those that make no sense."""
    observed, outcome = sources[roles.observations], sources[roles.label]
    looked_up = {
        name: source
        for name, source in sources.items()
        if name not in {roles.observations, roles.label}
        and source.key
        and set(source.key) <= set(observed.profile.types)
    }
    entries: Entries = {}
    if looked_up:
        entries["lookups"] = ProposedSection(
            {name: ProposedValue({"source": name, "key": list(source.key)}) for name, source in looked_up.items()}
        )
    rows = dict(_row_features(observed))
    for name, source in looked_up.items():
        rows |= dict(_row_features(source, f"{name}."))
    rows["weekday"] = _row("dayofweek(score_date)", "number", "Day of the week, 1 is Sunday")
    question = "candidates: remove what a person would not use"
    entries["rows"] = ProposedSection(rows, question)
    if aggregates := dict(_aggregates(observed, outcome, roles)):
        entries["aggregates"] = ProposedSection(aggregates, "of days before the night")
    return ProposedSection(entries)


def _row_features(source: ProfiledSource, prefix: str = "") -> Iterator[tuple[str, ProposedValue]]:
    keys = [] if prefix else [name for name in source.key if _is_category(source, name)]
    for name in keys:
        yield f"{name}_category"[:LONGEST_NAME], _row(name, "category", f"Which {_words(name)}")
    for name in source.columns(NUMBERS):
        yield _feature(prefix, name), _row(f"{prefix}{name}", "number", _words(name).capitalize())
    for name in source.columns(frozenset(("boolean",))):
        yield _feature(prefix, name), _row(f"cast({prefix}{name} as int)", "number", _words(name).capitalize())
    for name in source.columns(frozenset(("string",))):
        if _is_category(source, name):
            yield _feature(prefix, name), _row(f"{prefix}{name}", "category", _words(name).capitalize())


def _row(expression: str, kind: str, description: str) -> ProposedValue:
    return ProposedValue({"expression": expression, "type": kind, "description": description})


def _feature(prefix: str, name: str) -> str:
    return f"{prefix.replace('.', '_')}{name}"[:LONGEST_NAME]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _is_category(source: ProfiledSource, name: str) -> bool:
    history = source.profile.columns[name]
    return history.kind == "string" and 0 < len(history.dates_of_values) <= CATEGORIES


def _aggregates(
    observed: ProfiledSource, outcome: ProfiledSource, roles: Roles
) -> Iterator[tuple[str, ProposedSection]]:
    """The mean of each number of the label's source over the days before, by the observation's key."""
    days = len(outcome.dates)
    windows = [f"{window}d" for window in WINDOWS if window * HISTORY_PER_WINDOW <= days]
    by = [name for name in observed.key if name in outcome.profile.types]
    if not by or not windows:
        return
    for name in outcome.columns(NUMBERS)[:AGGREGATED]:
        yield (
            f"mean_{name}"[: LONGEST_NAME - 4],
            ProposedSection(
                {
                    "source": ProposedValue(roles.label),
                    "by": ProposedValue(by),
                    "agg": ProposedValue("mean"),
                    "value": ProposedValue(name),
                    "windows": ProposedValue(windows),
                    "description": ProposedValue(f"Mean {_words(name)}"),
                }
            ),
        )


def _training(days: int) -> ProposedSection:
    holdout = min(max(days // HOLDOUT_SHARE, SHORTEST_HOLDOUT), LONGEST_HOLDOUT)
    return ProposedSection(
        {
            "estimator": ProposedValue({"class": "sklearn.ensemble.HistGradientBoostingClassifier"}),
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
