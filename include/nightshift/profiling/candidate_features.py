"""Candidates of features for a new model: every column of its landed files that could be one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nightshift.definition.base import LONGEST_NAME
from nightshift.profiling.proposal import ProposedSection, ProposedValue
from nightshift.profiling.roles import ProfiledSource, Roles

CATEGORIES = 100  # distinct texts that a category may have
AGGREGATED = 6  # columns of a source that get an aggregate
WINDOWS = (1, 7, 28)  # days
EVENT_WINDOWS = (7, 28, 84)  # days: of events, such as sales, a single day hardly has any of a key
HISTORY_PER_WINDOW = 2  # times a window's days must have landed

Entries = dict[str, ProposedValue | ProposedSection]


def candidate_features(sources: Mapping[str, ProfiledSource], roles: Roles) -> ProposedSection:
    """Candidates: every column that fits is a feature, for a person to remove those that make no sense."""
    observed = sources[roles.observations]
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
    further = [name for name, source in sources.items() if name not in aggregated and _has_events(source, roles)]
    aggregates: Entries = {}
    for name in aggregated:
        of_events = roles.events and name == roles.label
        aggregates |= dict((_event_aggregates if of_events else _means)(name, sources[name], roles))
    for name in further:
        aggregates |= dict(_event_aggregates(name, sources[name], roles))
    if aggregates:
        entries["aggregates"] = ProposedSection(aggregates, "of days before the night")
    return ProposedSection(entries)


def _key_features(source: ProfiledSource, roles: Roles) -> Iterator[tuple[str, ProposedValue]]:
    for name in roles.key:
        if _is_category(source, name):
            yield f"{name}_category"[:LONGEST_NAME], _row(name, "category", f"Which {_words(name)}")


def _row_features(source: ProfiledSource, prefix: str = "") -> Iterator[tuple[str, ProposedValue]]:
    for name in source.numbers:
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


def _windows(source: ProfiledSource, windows: Sequence[int]) -> list[str]:
    return [f"{window}d" for window in windows if window * HISTORY_PER_WINDOW <= len(source.dates)]


def _has_events(source: ProfiledSource, roles: Roles) -> bool:
    """Whether a source has any number of rows of a key on a date, such as campaigns that address a customer."""
    columns = set(source.profile.types)
    return source.daily and bool(roles.key) and set(roles.key) <= columns and not set(source.key) <= set(roles.key)


def _event_aggregates(name: str, source: ProfiledSource, roles: Roles) -> Iterator[tuple[str, ProposedSection]]:
    """How many rows of a source the days before had, of how many different kinds, and the sums of its numbers.

    A key without a row has 0 of each.
    """
    by, windows = list(roles.key), _windows(source, EVENT_WINDOWS)
    if not windows:
        return
    yield _aggregate(f"count_{name}", name, by, "count", None, windows, f"Number of {_words(name)}", 0)
    for column in [column for column in source.identifiers if column not in by][:AGGREGATED]:
        different = f"Number of different {_words(column)}"
        yield _aggregate(f"distinct_{column}", name, by, "approx_distinct", column, windows, different, 0)
    for column in source.numbers[:AGGREGATED]:
        yield _aggregate(f"sum_{column}", name, by, "sum", column, windows, f"Sum of {_words(column)}", 0)


def _means(name: str, source: ProfiledSource, roles: Roles) -> Iterator[tuple[str, ProposedSection]]:
    """The mean of each number of a source over the days before, by the observation's key."""
    windows, by = _windows(source, WINDOWS), [column for column in roles.key if column in source.profile.types]
    if not by or not windows:
        return
    for column in source.numbers[:AGGREGATED]:
        yield _aggregate(f"mean_{column}", name, by, "mean", column, windows, f"Mean {_words(column)}")


def _aggregate(
    name: str,
    source: str,
    by: Sequence[str],
    agg: str,
    value: str | None,
    windows: Sequence[str],
    description: str,
    default: int | None = None,
) -> tuple[str, ProposedSection]:
    entries: dict[str, Any] = {"source": source, "by": list(by), "agg": agg, "value": value, "windows": list(windows)}
    entries |= {"default": default, "description": description}
    section = {key: ProposedValue(entry) for key, entry in entries.items() if entry is not None}
    return name[: LONGEST_NAME - 4], ProposedSection(section)
