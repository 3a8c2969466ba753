"""Candidates of features for a new model: every column of its landed files that could be one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nightshift.definition.base import LONGEST_NAME
from nightshift.profiling.column_types import NUMBERS
from nightshift.profiling.proposal import ProposedSection, ProposedValue
from nightshift.profiling.roles import ProfiledSource, Roles

CATEGORIES = 100  # distinct texts that a category may have
AGGREGATED = 6  # columns of a source that get an aggregate
WINDOWS = (1, 7, 28)  # days
HISTORY_PER_WINDOW = 3  # times a window's days must have landed

Entries = dict[str, ProposedValue | ProposedSection]


def candidate_features(sources: Mapping[str, ProfiledSource], roles: Roles) -> ProposedSection:
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
    rows = dict(_key_features(observed, roles))
    if not roles.within:  # keys that are scored have no columns of their own
        rows |= dict(_row_features(observed))
    for name, source in looked_up.items():
        rows |= dict(_row_features(source, f"{name}."))
    rows["weekday"] = _row("dayofweek(score_date)", "number", "Day of the week, 1 is Sunday")
    question = "candidates: remove what a person would not use"
    entries["rows"] = ProposedSection(rows, question)
    aggregated = dict.fromkeys([roles.observations, roles.label] if roles.within else [roles.label])
    aggregates = dict(_event_count(roles, outcome)) if roles.events else {}
    for name in aggregated:
        aggregates |= dict(_aggregates(name, sources[name], roles))
    if aggregates:
        entries["aggregates"] = ProposedSection(aggregates, "of days before the night")
    return ProposedSection(entries)


def _key_features(source: ProfiledSource, roles: Roles) -> Iterator[tuple[str, ProposedValue]]:
    for name in roles.key:
        if _is_category(source, name):
            yield f"{name}_category"[:LONGEST_NAME], _row(name, "category", f"Which {_words(name)}")


def _row_features(source: ProfiledSource, prefix: str = "") -> Iterator[tuple[str, ProposedValue]]:
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


def _event_count(roles: Roles, outcome: ProfiledSource) -> Iterator[tuple[str, ProposedSection]]:
    """The number of the label's events over the days before."""
    if windows := _windows(outcome):
        yield (
            f"count_{roles.label}"[: LONGEST_NAME - 4],
            ProposedSection(
                {
                    "source": ProposedValue(roles.label),
                    "by": ProposedValue(list(roles.key)),
                    "agg": ProposedValue("count"),
                    "windows": ProposedValue(windows),
                    "default": ProposedValue(0),
                    "description": ProposedValue(f"Number of {_words(roles.label)}"),
                }
            ),
        )


def _windows(source: ProfiledSource) -> list[str]:
    return [f"{window}d" for window in WINDOWS if window * HISTORY_PER_WINDOW <= len(source.dates)]


def _aggregates(name: str, source: ProfiledSource, roles: Roles) -> Iterator[tuple[str, ProposedSection]]:
    """The mean of each number of a source over the days before, by the observation's key."""
    windows, by = _windows(source), [column for column in roles.key if column in source.profile.types]
    if not by or not windows:
        return
    for column in source.columns(NUMBERS)[:AGGREGATED]:
        yield (
            f"mean_{column}"[: LONGEST_NAME - 4],
            ProposedSection(
                {
                    "source": ProposedValue(name),
                    "by": ProposedValue(by),
                    "agg": ProposedValue("mean"),
                    "value": ProposedValue(column),
                    "windows": ProposedValue(windows),
                    "description": ProposedValue(f"Mean {_words(column)}"),
                }
            ),
        )
