"""What landed files show to be wrong with a definition, before a night reads them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from nightshift.definition.calendar import zone_of
from nightshift.definition.duration import format_duration
from nightshift.definition.model import ModelDefinition
from nightshift.definition.problem import Problem
from nightshift.definition.source import Source
from nightshift.errors import NotConfiguredError, TerminalError, TransientError
from nightshift.lake.landed_files import LandedTables
from nightshift.lake.source_partitions import landed_dates, source_partition, why_incomplete
from nightshift.lake.tables import raw_table
from nightshift.profiling.bounds import MIN_DATES


def landed_problems(definition: ModelDefinition, landing: str) -> Iterator[Problem]:
    """The problems that what has landed for a definition's sources shows.

    A source without files shows none, nor does a database or a table that this environment does not reach.

    Args:
        definition: The definition.
        landing: The address of the landing folder.
    """
    landed = dict[str, list[date]]()
    for name, source in definition.sources.items():
        try:
            landed[name] = landed_dates(landing, source)
        except (TransientError, NotConfiguredError):
            continue
        except TerminalError as error:
            yield _as_problem(name, source.place, error)
    newest = max((dates[-1] for dates in landed.values() if dates), default=date.min)
    for name, dates in landed.items():
        if not dates:
            yield from _never_complete(definition.sources[name], landing, name)
        if dates:
            yield from _unreadable(definition, landing, name, dates[-1])
            if definition.sources[name].cadence == "daily":
                yield from _windows_beyond(definition, name, dates)
                yield from _waited_for(name, definition.sources[name], dates, newest)


def _never_complete(source: Source, landing: str, name: str) -> Iterator[Problem]:
    """Parts of dates that have landed while no date is complete, such as of a misspelt marker."""
    parts = landed_dates(landing, source.model_copy(update={"complete": None})) if source.complete else []
    if parts and source.complete and source.complete.settled is None:
        yield Problem(
            ("sources", name, "complete"),
            f"parts of {len(parts)} dates have landed, {parts[0]} to {parts[-1]}, and none is complete",
            why_incomplete(source_partition(landing, name, source, parts[-1])),
            "a file that lands after the parts of each date",
            "correct the path, or land it",
        )


def _waited_for(name: str, source: Source, dates: list[date], newest: date) -> Iterator[Problem]:
    """A single file of a daily source, of long before those of other sources: nights would wait for another."""
    if len(dates) == 1 and (newest - dates[0]).days >= MIN_DATES:
        yield Problem(
            ("sources", name, source.place),
            f"a daily source with a single file, while others have landed to {newest}: nights would wait for its file",
            str(dates[0]),
            "a file for every date, or `cadence: irregular`",
            "write `cadence: irregular` if a file is a full version to look up, or land the other dates",
        )


def _unreadable(definition: ModelDefinition, landing: str, name: str, day: date) -> Iterator[Problem]:
    """Why the newest file of a source cannot be read as it is declared, such as a text column declared a number."""
    source = definition.sources[name]
    file = source_partition(landing, name, source, day)
    try:
        for _ in LandedTables(file, source, raw_table(definition, name), zone_of(definition.schedule, source)):
            pass
    except TerminalError as error:
        column = next((column for column, landed in source.file_columns.items() if f"'{landed}'" in error.problem), "")
        problem = _as_problem(name, source.place, error)
        yield problem._replace(path=("sources", name, "columns", column, "type")) if column else problem


def _as_problem(name: str, place: str, error: TerminalError) -> Problem:
    problem = f"{error.where}: {error.problem}"
    return Problem(("sources", name, place), problem, error.received, error.allowed, error.fix)


def _windows_beyond(definition: ModelDefinition, name: str, dates: list[date]) -> Iterator[Problem]:
    """The windows of aggregates that reach further back than the landed files of their source."""
    days = (dates[-1] - dates[0]).days + 1
    for aggregate, declared in definition.features.aggregates.items():
        longest = max(declared.windows)
        if declared.source == name and longest.days > days:
            yield Problem(
                ("features", "aggregates", aggregate, "windows"),
                f"a window is longer than the history of '{name}' that has landed, {dates[0]} to {dates[-1]}",
                format_duration(longest),
                f"at most {days}d",
                "land more history, or shorten the window",
            )
