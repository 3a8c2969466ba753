"""Loads `model.yaml` and reports every problem of it with its line."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import typing
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from nightshift.definition.base import StrictModel
from nightshift.definition.messages import as_error, explain, root_causes
from nightshift.definition.model import ModelDefinition
from nightshift.definition.problem import Problem
from nightshift.definition.rules import RULES
from nightshift.definition.shared_sources import (
    owners,
    shared_source_files,
    shared_source_problems,
    with_shared_sources,
)
from nightshift.definition.yaml_tree import parse, plain
from nightshift.errors import DefinitionError, TerminalError

FILE, LANDING = "model.yaml", "landing.py"
SHARED_FILE_PREFIX = "sources_of_"  # of the stored files that hold the sources of other models
INTERNAL_KEYS = ("folder", "shared")  # fields of a definition that are not written in its file

Replay = Callable[[date, date], Iterator[tuple[str, str, bytes]]]
P = typing.TypeVar("P", bound=StrictModel)


def load_definition(folder: Path) -> ModelDefinition:
    """Loads and validates one model definition.

    Args:
        folder: The definition's folder; its name is the model's name.

    Raises:
        DefinitionError: With one line a problem: file, line, key, value received, values allowed, fix.
    """
    file = folder / FILE
    tree = parse(file)
    declared = plain(tree)
    shared = owners(declared)
    owner_trees = _owner_trees(folder, shared)
    problems = [Problem((key,), "unknown key", key, None, "remove it") for key in INTERNAL_KEYS if key in declared]
    if problems := problems or list(shared_source_problems(declared, owner_trees)):
        raise DefinitionError([as_error(file, tree, problem) for problem in problems])
    declared = with_shared_sources(declared, owner_trees)
    try:
        definition = ModelDefinition.model_validate({**declared, "folder": folder, "shared": shared})
    except ValidationError as error:
        raise DefinitionError([explain(file, tree, detail) for detail in root_causes(error.errors())]) from None
    if problems := [problem for rule in RULES for problem in rule(definition)]:
        raise DefinitionError([as_error(file, tree, problem) for problem in problems])
    return definition


def find_definition(models: Path, name: str) -> ModelDefinition:
    """Loads the definition of a model by its name.

    Raises:
        TerminalError: If there is no such model.
        DefinitionError: If its definition is broken.
    """
    names = [folder.name for folder in definition_folders(models)]
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        raise TerminalError(
            "unknown model",
            where=str(models),
            received=name,
            allowed=names,
            fix=f"did you mean {near[0]}?" if near else f"add {models / name / FILE}",
        )
    return load_definition(models / name)


def definition_folders(models: Path) -> list[Path]:
    """Every folder that holds a definition, in the order of their names."""
    return sorted(file.parent for file in models.glob(f"*/{FILE}"))


def definition_hash(definition: ModelDefinition) -> str:
    """SHA-256 over every file of the definition: the version of what the user wrote."""
    digest = hashlib.sha256()
    for name, content in definition_files(definition).items():
        digest.update(name.encode() + b"\0" + content + b"\0")
    return digest.hexdigest()


def definition_files(definition: ModelDefinition) -> dict[str, bytes]:
    """The files of a definition by name: those of its folder, and its shared sources, one file per owner."""
    files = sorted(definition.folder.glob("*"))
    owner_files = shared_source_files(definition.shared, _owner_trees(definition.folder, definition.shared))
    return {file.name: file.read_bytes() for file in files if file.suffix in {".yaml", ".py"}} | {
        f"{SHARED_FILE_PREFIX}{owner}.yaml": content for owner, content in owner_files.items()
    }


def write_definition(folder: Path, files: Mapping[str, bytes]) -> ModelDefinition:
    """Writes the files of a definition into a folder named after the model, and loads it.

    The shared sources go into the folders of their owners, next to it.

    Raises:
        DefinitionError: If this version of Nightshift can no longer read it.
    """
    for name, content in files.items():
        owner = name.removeprefix(SHARED_FILE_PREFIX).removesuffix(".yaml")
        file = folder.parent / owner / FILE if name.startswith(SHARED_FILE_PREFIX) else folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return load_definition(folder)


def load_replay(definition: ModelDefinition) -> Replay:
    """The function `landed_files` of the definition's `landing.py`, which yields example data.

    A model with shared sources uses the `landing.py` of their owner if it has none.

    Raises:
        TerminalError: If there is none.
    """
    folders = [definition.folder, *(definition.folder.parent / model for model in sorted(definition.shared.values()))]
    file = next((folder / LANDING for folder in folders if (folder / LANDING).exists()), None)
    if file is None:
        raise TerminalError(
            "this model has no example data to land",
            where=str(definition.folder / LANDING),
            fix="land files as your systems deliver them",
        )
    spec = importlib.util.spec_from_file_location(f"nightshift_landing_{definition.name}", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast(Replay, module.landed_files)


def check_shared_sources(definitions: list[ModelDefinition]) -> Iterator[TerminalError]:
    """Models that declare a source of the same name must declare it alike, because they share its table."""
    first: dict[str, ModelDefinition] = {}
    for definition in definitions:
        for name, source in definition.sources.items():
            if name in definition.shared:
                continue
            declared_first = first.setdefault(name, definition)
            if declared_first.sources[name] != source:
                yield TerminalError(
                    f"source '{name}' is declared differently in {declared_first.name} and {definition.name}",
                    where=str(definition.folder / FILE),
                    fix="declare it the same in both, or give one of them another name",
                )


def _owner_trees(folder: Path, shared: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The trees of the definitions that declare the shared sources, by model, where they exist."""
    files = {model: folder.parent / model / FILE for model in shared.values()}
    return {model: plain(parse(file)) for model, file in files.items() if file.exists()}


def load_part(file: Path, kind: type[P], problems: Callable[[P], Iterator[Problem]]) -> P:
    """Loads and validates a file that holds one part of a definition.

    Args:
        file: The file.
        kind: The type of the part.
        problems: The problems between its keys.

    Raises:
        DefinitionError: With one line a problem.
    """
    tree = parse(file)
    try:
        part = kind.model_validate(plain(tree))
    except ValidationError as error:
        raise DefinitionError([explain(file, tree, detail, kind) for detail in error.errors()]) from None
    if errors := [as_error(file, tree, problem) for problem in problems(part)]:
        raise DefinitionError(errors)
    return part
