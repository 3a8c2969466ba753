"""A source of a definition that is still being written."""

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
from nightshift.definition.load import FILE, definition_folders, explain, parse, plain
from nightshift.definition.model import Source
from nightshift.definition.rules import path_problems
from nightshift.errors import DefinitionError, TerminalError

# What stands in for what a source needs and does not say yet.
STAND_IN: Mapping[str, Any] = {"description": "", "available": {"after": "24h"}}
COLUMN: Mapping[str, Any] = {"type": "string"}


@dataclass(frozen=True)
class Draft:
    """A source as far as it is declared.

    Attributes:
        given: What is declared, as it is written; nothing of a source that is not.
        source: The same, with something in place of what is missing.
        zone: The time zone of its dates and clock.
    """

    given: Mapping[str, Any]
    source: Source
    zone: str


def find_draft(models: Path, model: str, name: str, path: str | None = None) -> Draft:
    """A source of a model, of which neither needs to be declared completely, or at all if the path is told.

    Args:
        models: The folder of the definitions.
        model: The model's name.
        name: The source's name.
        path: Where its files land, instead of what is declared.

    Raises:
        DefinitionError: If what is declared of the source is wrong.
        TerminalError: If it is not declared and no path is told, or the path is none.
    """
    file = models / model / FILE
    tree = parse(file) if file.exists() else CommentedMap()
    told = plain(tree)
    sources = _mapping(told.get("sources"))
    given = _mapping(sources.get(name))
    if "path" not in given and path is None:
        raise _unknown(models, model, name, sources)
    _check_name(name)
    given |= {"path": path} if path else {}
    try:
        source = Source.model_validate({**STAND_IN, **given, "columns": _columns(given.get("columns"))})
    except ValidationError as error:
        raise DefinitionError([explain(file, tree, _below(name, one)) for one in error.errors()]) from None
    for problem in path_problems(source.path):
        raise TerminalError(
            problem.what,
            where="--path" if path else f"{file}: sources.{name}.path",
            received=source.path,
            allowed=problem.allowed,
            fix=problem.fix,
        )
    zone = _mapping(told.get("schedule")).get("timezone")
    return Draft(given, source, source.timezone or (str(zone) if _is_zone(zone) else "UTC"))


def _mapping(part: Any) -> dict[str, Any]:
    """A part of a definition, as far as it is one."""
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
    """The columns, each with a type; one if none is declared."""
    if given is None or given == {}:
        return {"unknown": COLUMN}
    if not isinstance(given, dict):
        return given
    return {name: {**COLUMN, **one} if isinstance(one, dict) else one or COLUMN for name, one in given.items()}


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


def _unknown(models: Path, model: str, name: str, sources: Mapping[str, Any]) -> TerminalError:
    tell = "tell where its files land: --path 'arrivals/{date}.csv'"
    if name in sources:
        return TerminalError("no path", where=f"{models / model / FILE}: sources.{name}", fix=f"write it, or {tell}")
    known = [folder.name for folder in definition_folders(models)]
    if model not in known:
        return TerminalError("unknown model", where=str(models), received=model, allowed=known, fix=f"or {tell}")
    return TerminalError(
        "unknown source", where=str(models / model / FILE), received=name, allowed=list(sources), fix=f"or {tell}"
    )
