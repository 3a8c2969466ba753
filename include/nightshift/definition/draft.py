"""A source of a definition that is not complete yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml.comments import CommentedMap

from nightshift.definition.base import Name
from nightshift.definition.load import FILE, definition_folders
from nightshift.definition.messages import as_error, explain
from nightshift.definition.shared_sources import ENDING, SHARED, SharedFile, default_sources_folder
from nightshift.definition.source import Source
from nightshift.definition.source_rules import path_problems, source_file_problems
from nightshift.definition.yaml_tree import parse, plain
from nightshift.errors import DefinitionError, TerminalError

# Values for keys that a source requires and does not have yet.
PLACEHOLDERS: Mapping[str, Any] = {"description": "", "available": {"after": "24h"}}
COLUMN: Mapping[str, Any] = {"type": "string"}


@dataclass(frozen=True)
class Draft:
    """A source as far as it is declared.

    Attributes:
        given: The declared keys as they are written; empty for a source that is not declared.
        source: The same, with placeholders for missing keys.
        zone: The time zone of its dates and clock.
        shared: Whether it is declared in a file of its own.
    """

    given: Mapping[str, Any]
    source: Source
    zone: str
    shared: bool = False


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
    if "path" not in given and path is None:
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
    zone = _mapping(declared.get("schedule")).get("timezone")
    return Draft(given, source, source.timezone or (str(zone) if _is_zone(zone) else "UTC"), shared)


def _check_files(
    source: Source, name: str, file: Path, tree: CommentedMap, parts: Mapping[str, SharedFile], path: str | None
) -> None:
    """Raises an error if a path is not valid, the declared one or the one given, or how files are written is not."""
    for problem in path_problems(source.path):
        raise TerminalError(
            problem.message,
            where="--path" if path else f"{file}: sources.{name}.path",
            received=source.path,
            allowed=problem.allowed,
            fix=problem.fix,
        )
    if problems := [
        problem._replace(path=("sources", name, *problem.path)) for problem in source_file_problems(source)
    ]:
        raise DefinitionError([as_error(file, tree, problem, parts) for problem in problems])


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
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError:
        raise TerminalError(
            "not a name",
            where="source",
            received=name,
            allowed="a lower-case letter, then lower-case letters, digits and _",
            fix="choose another",
        ) from None


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
