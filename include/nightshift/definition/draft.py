"""A source of a definition that is not complete yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml.comments import CommentedMap

from nightshift.definition.base import NAME_FORM, is_name
from nightshift.definition.calendar import cutoff, nights
from nightshift.definition.load import FILE, definition_folders
from nightshift.definition.messages import as_error, explain
from nightshift.definition.schedule import Schedule
from nightshift.definition.shared_sources import ENDING, SHARED, SharedFile, default_sources_folder
from nightshift.definition.source import Completeness, Source
from nightshift.definition.source_rules import completeness_problems, place_problems, source_file_problems
from nightshift.definition.yaml_tree import parse, plain
from nightshift.errors import DefinitionError, TerminalError

# Values for keys that a source requires and does not have yet.
PLACEHOLDER_AFTER = "24h"
PLACEHOLDERS: Mapping[str, Any] = {"description": "", "available": {"after": PLACEHOLDER_AFTER}}
COLUMN: Mapping[str, Any] = {"type": "string"}


@dataclass(frozen=True)
class SourceUses:
    """How a model uses a source, as far as its definition says.

    Attributes:
        observed: Whether its rows are the observations.
        only_looked_up: Whether look-ups use it, and nothing else does.
        available_after: How long after the midnight of its date a file may land: at most a day, and for observations at
            most until the cutoff.
    """

    observed: bool = False
    only_looked_up: bool = False
    available_after: str = PLACEHOLDER_AFTER


@dataclass(frozen=True)
class Draft:
    """A source as far as it is declared.

    Attributes:
        given: The declared keys as they are written; empty for a source that is not declared.
        source: The same, with placeholders for missing keys.
        zone: The time zone of its dates and clock.
        shared: Whether it is declared in a file of its own.
        uses: How the model uses it.
    """

    given: Mapping[str, Any]
    source: Source
    zone: str
    shared: bool = False
    uses: SourceUses = SourceUses()

    def with_completeness(self, complete: Mapping[str, str]) -> Draft:
        """The draft with what shows that a date is complete, unless it is declared; by a guess, all dates are."""
        if not complete or "complete" in self.given:
            return self
        shown = {"settled": "0s"} if "settled" in complete else complete
        source = self.source.model_copy(update={"complete": Completeness.model_validate(shown)})
        return replace(self, given={**self.given, "complete": dict(complete)}, source=source)


def find_draft(
    models: Path, model: str, name: str, path: str | None = None, shared_folder: Path | None = None
) -> Draft:
    """Loads a source that is declared incompletely, or not at all if its path is given; so may be its model.

    Args:
        models: The folder of the definitions.
        model: The model's name.
        name: The source's name.
        path: The path of its files, in place of the declared one.
        shared_folder: The folder of the shared sources; `sources`, next to the models folder, if left out.

    Raises:
        DefinitionError: If the declaration of the source is wrong.
        TerminalError: If it has neither a declaration nor a path, or the path is not valid.
    """
    file = models / model / FILE
    tree = _parse_draft(file)
    declared = plain(tree)
    sources = _mapping(declared.get("sources"))
    if shared := sources.get(name) == SHARED:
        file = (shared_folder or default_sources_folder(models / model)) / f"{name}{ENDING}"
        tree = _parse_draft(file)
        sources = {name: plain(tree)}
    given = _mapping(sources.get(name))
    if not given.keys() & {"path", "query", "table"} and path is None:
        raise _unknown(models, model, name, sources, file)
    _check_name(name)
    given |= {"path": path} if path else {}
    parts = {name: SharedFile(file, tree)} if shared else {}
    try:
        source = Source.model_validate({**PLACEHOLDERS, **given, "columns": _columns(given.get("columns"))})
    except ValidationError as error:
        details = [_below(name, detail) for detail in error.errors()]
        raise DefinitionError([explain(file, tree, detail, shared=parts) for detail in details]) from None
    _check_files(source, name, file, tree, parts, path)
    declared_zone = _mapping(declared.get("schedule")).get("timezone")
    zone = source.timezone or (str(declared_zone) if _is_zone(declared_zone) else "UTC")
    return Draft(given, source, zone, shared, _uses(declared, name, zone))


def _check_files(
    source: Source, name: str, file: Path, tree: CommentedMap, parts: Mapping[str, SharedFile], path: str | None
) -> None:
    """Raises an error if a path is not valid, the declared one or the one given, or how files are written is not."""
    for problem in (*place_problems(source), *(completeness_problems(source) if source.complete else ())):
        raise TerminalError(
            problem.message,
            where="--path"
            if path and problem.path[:1] == ("path",)
            else f"{file}: {'.'.join(('sources', name, *map(str, problem.path)))}",
            received=problem.received,
            allowed=problem.allowed,
            fix=problem.fix,
        )
    if problems := [
        problem._replace(path=("sources", name, *problem.path)) for problem in source_file_problems(source)
    ]:
        raise DefinitionError([as_error(file, tree, problem, parts) for problem in problems])


def _uses(declared: Mapping[str, Any], name: str, zone: str) -> SourceUses:
    """How a definition, which may be incomplete, uses a source."""
    features = _mapping(declared.get("features"))
    observations, label = (_mapping(declared.get(key)).get("source") for key in ("observations", "label"))
    aggregated, looked_up = (
        {_mapping(part).get("source") for part in _mapping(features.get(key)).values()}
        for key in ("aggregates", "lookups")
    )
    daily = name in {observations, label, *aggregated}
    only_looked_up = name in looked_up and not daily
    if observations != name:
        return SourceUses(False, only_looked_up)
    return SourceUses(True, only_looked_up, _latest_landing(declared, zone))


def _latest_landing(declared: Mapping[str, Any], zone: str) -> str:
    """How long after the midnight of its date an observation's file may land, on every night of a year."""
    try:
        schedule = Schedule.model_validate(_mapping(declared.get("schedule")))
    except ValidationError:
        return PLACEHOLDER_AFTER
    local = ZoneInfo(zone)
    year = nights(schedule, schedule.start, min(schedule.start + timedelta(days=366), schedule.end or date.max))
    # By the wall clock, as `available_at` counts.
    delays = (
        cutoff(schedule, night).astimezone(local).replace(tzinfo=None) - datetime.combine(night, time())
        for night in year
    )
    least = min(delays, default=None)
    return PLACEHOLDER_AFTER if least is None else f"{min(least // timedelta(hours=1), 24)}h"


def _parse_draft(file: Path) -> CommentedMap:
    """A file of a definition that may not be written yet."""
    return parse(file) if file.exists() else CommentedMap()


def _mapping(part: Any) -> dict[str, Any]:
    """A part of a definition, or an empty mapping if it is not a mapping."""
    return part if isinstance(part, dict) else {}


def _below(name: str, detail: ErrorDetails) -> ErrorDetails:
    """An error of a source as one of its definition."""
    return {**detail, "loc": ("sources", name, *detail["loc"])}


def _is_zone(zone: Any) -> bool:
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError, TypeError):
        return False
    return True


def _columns(given: Any) -> Any:
    """The columns, each with a type; a placeholder if no column is declared."""
    if given is None or given == {}:
        return {"unknown": COLUMN}
    if not isinstance(given, dict):
        return given
    return {
        name: {**COLUMN, **column} if isinstance(column, dict) else column or COLUMN for name, column in given.items()
    }


def _check_name(name: str) -> None:
    if not is_name(name):
        raise TerminalError("not a name", where="source", received=name, allowed=NAME_FORM, fix="choose another")


def _unknown(models: Path, model: str, name: str, sources: Mapping[str, Any], file: Path) -> TerminalError:
    give_path = "give the path of its files: --path 'arrivals/{date}.csv'"
    if name in sources:
        return TerminalError("no path", where=f"{file}: sources.{name}", fix=f"write `path:`, or {give_path}")
    names = [folder.name for folder in definition_folders(models)]
    if model not in names:
        return TerminalError("unknown model", where=str(models), received=model, allowed=names, fix=f"or {give_path}")
    return TerminalError(
        "unknown source", where=str(models / model / FILE), received=name, allowed=list(sources), fix=f"or {give_path}"
    )
