"""One declaration a source: what models declare under the same name must be the same, because they share its tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from nightshift.definition.base import StrictModel
from nightshift.definition.calendar import zone_of
from nightshift.definition.model import ModelDefinition
from nightshift.definition.problem import KeyPath
from nightshift.definition.shared_sources import ENDING, MODEL_FILE, SHARED, SOURCES_FOLDER, source_files
from nightshift.definition.source import Source
from nightshift.definition.yaml_bounds import read_text
from nightshift.definition.yaml_nodes import compose, entries
from nightshift.definition.yaml_tree import line_of, parse, plain
from nightshift.errors import DefinitionError, TerminalError


@lru_cache(maxsize=256)
def _declared_sources(text: str) -> dict[str, bool]:
    """The sources that a definition names, and whether each is a shared one; none if it is not valid YAML.

    Without line numbers: every parse of a DAG file reads the definitions next to it.
    """
    try:
        root = compose(text)
    except yaml.YAMLError:
        return {}
    for key, node in entries(root):
        if key == "sources":
            return {name: getattr(source, "value", None) == SHARED for name, source in entries(node)}
    return {}


def declared_sources(file: Path) -> dict[str, bool]:
    """The sources that a definition's file names, and whether each is a shared one; none if it cannot be read."""
    try:
        return _declared_sources(read_text(file))
    except (OSError, TerminalError):
        return {}


def used_sources(files: Iterable[Path]) -> dict[str, frozenset[str]]:
    """The sources that each definition names, by model; of definitions that are not valid otherwise, too.

    Raises:
        DefinitionError: If a file is not a mapping in YAML: it may name any source.
    """
    trees = {file.parent.name: plain(parse(file)) for file in files}
    return {
        name: frozenset(map(str, sources)) if isinstance(sources := tree.get("sources"), dict) else frozenset()
        for name, tree in trees.items()
    }


def declaration_problems(definition: ModelDefinition, neighbours: list[Path], sources: Path) -> Iterator[TerminalError]:
    """The sources of a model that are declared otherwise elsewhere: in the shared file, or by another model.

    A source has one declaration, and everything in it counts, descriptions and thresholds too: what one model changed
    would be checked or not by who ingests first. A shared file owns its source, so a model that takes it from there is
    not concerned by another model's own declaration.

    Args:
        definition: The model.
        neighbours: The files of the other definitions.
        sources: The folder of the shared sources.
    """
    own = {name: source for name, source in definition.sources.items() if name not in definition.shared}
    shared = source_files(sources)
    for name, source in own.items():
        if name in shared:
            yield from _difference(definition, name, source, shared[name], ())
    for file in neighbours:
        for name, is_shared in declared_sources(file).items():
            if name in own and not is_shared and name not in shared:
                yield from _difference(definition, name, own[name], file, ("sources", name))


def _difference(
    definition: ModelDefinition, name: str, own: Source, file: Path, path: tuple[str, ...]
) -> Iterator[TerminalError]:
    """The problem of two declarations of a source that differ; the second is at a path of a file."""
    try:
        tree = parse(file)
        declared: Any = plain(tree)
        zone = declared.get("schedule", {}).get("timezone")
        for key in path:
            declared = declared[key]
        declaration = Source.model_validate(declared)
    except (DefinitionError, ValidationError, KeyError, AttributeError, TypeError):
        return  # reported where that file is read
    differing = [
        (key, *_differing_keys(getattr(own, key), getattr(declaration, key)))
        for key in Source.model_fields
        if key != "timezone" and getattr(own, key) != getattr(declaration, key)
    ]
    if zone_of(definition.schedule, own) != (declaration.timezone or zone):
        differing.append(("timezone",))
    if differing:
        here = definition.folder / MODEL_FILE
        line = line_of(parse(here), ("sources", name, *differing[0]))
        yield _problem(f"{here}:{line}", name, differing, file, line_of(tree, (*path, *differing[0])))


def _differing_keys(own: Any, declared: Any) -> KeyPath:
    """The keys that lead to the first difference of two values, as far as both are mappings."""
    left, right = (dict(value) if isinstance(value, StrictModel | dict) else {} for value in (own, declared))
    for key in left:
        if key in right and left[key] != right[key]:
            return (key, *_differing_keys(left[key], right[key]))
    return ()


def _problem(where: str, name: str, differing: list[KeyPath], there: Path, line: int) -> TerminalError:
    """The problem of a source whose keys differ from those of its declaration at a line of another file."""
    once = "" if there.stem == name else f"declare it once, in a file {SOURCES_FOLDER}/{name}{ENDING}: "
    keys = ", ".join(".".join(map(str, path)) for path in differing)
    return TerminalError(
        f"{keys}: declared otherwise in {there}:{line}; models that name a source share its tables",
        where=f"{where}: sources.{name}",
        allowed="one declaration of a source",
        fix=f"{once}write `{name}: {SHARED}`, or give one of the two another name",
    )
