"""Loads `model.yaml` and reports every problem of it with its line."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from nightshift.definition.base import NAME_FORM, StrictModel, is_name
from nightshift.definition.checked import CheckedDefinitions
from nightshift.definition.declarations import declaration_problems
from nightshift.definition.messages import as_error, explain, root_causes, undecided_errors
from nightshift.definition.model import ModelDefinition
from nightshift.definition.problem import Problem
from nightshift.definition.rules import RULES
from nightshift.definition.shared_sources import (
    MODEL_FILE,
    SOURCES_FOLDER,
    SharedFile,
    default_sources_folder,
    read_shared_files,
    shared_source_problems,
    with_shared_sources,
)
from nightshift.definition.source import SharedSource
from nightshift.definition.source_rules import source_problems
from nightshift.definition.yaml_tree import parse, plain
from nightshift.errors import DefinitionError, TerminalError

FILE, LANDING, EXPECTATIONS = MODEL_FILE, "landing.py", "expectations.py"  # the last two also beside shared sources
INTERNAL_KEYS = ("folder", "shared")  # fields of a definition that are not written in its file

Replay = Callable[[date, date], Iterator[tuple[str, str, bytes]]]
P = typing.TypeVar("P", bound=StrictModel)


def load_definition(folder: Path, sources: Path | None = None) -> ModelDefinition:
    """Loads and validates one model definition, with the shared sources that it names.

    Args:
        folder: The definition's folder; its name is the model's name.
        sources: The folder of the shared sources; `sources`, next to the models folder, if left out.

    Raises:
        DefinitionError: With one line a problem: file, line, key, value received, values allowed, fix.
    """
    return _load(folder, sources or default_sources_folder(folder))[0]


def _load(folder: Path, sources: Path) -> tuple[ModelDefinition, dict[str, typing.Any]]:
    """A definition, and what it was validated from: its file, with the declarations of its shared sources."""
    file = folder / FILE
    tree = parse(file)
    declared = plain(tree)
    shared = read_shared_files(declared, sources)
    if errors := undecided_errors(file, tree, shared):
        raise DefinitionError(errors)
    problems = [Problem((key,), "unknown key", key, None, "remove it") for key in INTERNAL_KEYS if key in declared]
    if problems := problems or list(shared_source_problems(declared, shared, sources)):
        raise DefinitionError([as_error(file, tree, problem, shared) for problem in problems])
    internal = {"folder": folder, "shared": {name: part.file for name, part in shared.items()}}
    merged = with_shared_sources(declared, shared)
    try:
        definition = ModelDefinition.model_validate(merged | internal)
    except ValidationError as error:
        details = root_causes(error.errors())
        raise DefinitionError([explain(file, tree, detail, shared=shared) for detail in details]) from None
    if problems := [problem for rule in RULES for problem in rule(definition)]:
        raise DefinitionError([as_error(file, tree, problem, shared) for problem in problems])
    return definition, merged


def located(definition: ModelDefinition, problems: Iterable[Problem]) -> list[TerminalError]:
    """Problems of a loaded definition, as lines that name the file, the line and the key."""
    if not (problems := list(problems)):
        return []
    file = definition.folder / FILE
    tree = parse(file)
    shared = {name: SharedFile(path, parse(path)) for name, path in definition.shared.items()}
    return [as_error(file, tree, problem, shared) for problem in problems]


def find_definition(
    models: Path, name: str, sources: Path | None = None, checked: Path | None = None
) -> ModelDefinition:
    """Loads the definition of a model by its name, and compares its sources with those declared elsewhere.

    Args:
        models: The folder of the definitions.
        name: The model's name.
        sources: The folder of the shared sources; `sources`, next to the models folder, if left out.
        checked: A folder that remembers definitions that were checked: one that has not changed is not checked again.

    Raises:
        TerminalError: If there is no such model.
        DefinitionError: If its definition is broken, or a source of it is declared otherwise elsewhere.
    """
    if not is_name(name) or not (models / name / FILE).exists():
        names = [folder.name for folder in definition_folders(models)]
        near = difflib.get_close_matches(name, names, n=1)
        new = f"nightshift new {name} writes {models / name / FILE}" if is_name(name) else f"a name is {NAME_FORM}"
        raise TerminalError(
            "unknown model",
            where=str(models),
            received=name,
            allowed=names or "none is defined yet",
            fix=f"did you mean {near[0]}?" if near else new,
        )
    folder, sources = models / name, sources or default_sources_folder(models / name)

    def neighbours() -> list[Path]:
        return [neighbour / FILE for neighbour in definition_folders(models) if neighbour.name != name]

    def check() -> tuple[ModelDefinition, dict[str, typing.Any]]:
        definition, tree = _load(folder, sources)
        if errors := list(declaration_problems(definition, neighbours(), sources)):
            raise DefinitionError(errors)
        return definition, tree

    if checked is None:
        return check()[0]
    return CheckedDefinitions(checked).find(folder, sources, neighbours, check)


def check_shared_source(file: Path) -> None:
    """Validates the file of a shared source by itself, as far as that is possible without a model that uses it.

    Raises:
        DefinitionError: With one line a problem.
    """
    if not is_name(file.stem):
        problem = TerminalError("not a name", where=str(file), received=file.stem, allowed=NAME_FORM, fix="rename it")
        raise DefinitionError([problem])
    load_part(file, SharedSource, source_problems)


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
    """The files of a definition by name: those of its folder, and below `sources/` those of its shared sources."""
    files = {file.name: file for file in definition.folder.glob("*") if file.suffix in {".yaml", ".py"}}
    for file in definition.shared.values():
        code = file.parent / EXPECTATIONS
        files |= {f"{SOURCES_FOLDER}/{part.name}": part for part in (file, code) if part.exists()}
    return {name: file.read_bytes() for name, file in sorted(files.items())}


def write_definition(folder: Path, files: Mapping[str, bytes]) -> ModelDefinition:
    """Writes the files of a definition into a folder named after the model, and loads it.

    Raises:
        DefinitionError: If this version of Nightshift can no longer read it, or the name of a file leaves the folder.
    """
    for name, content in files.items():
        if not (folder / name).resolve().is_relative_to(folder.resolve()):
            fix = "remove it from where the definition is stored"
            raise DefinitionError(
                [TerminalError("not a file of a definition", where=str(folder), received=name, fix=fix)]
            )
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return load_definition(folder, folder / SOURCES_FOLDER)


def load_replay(definition: ModelDefinition) -> Replay:
    """The function `landed_files` of the definition's `landing.py`, which yields example data.

    A model without that file uses the `landing.py` beside its shared sources.

    Raises:
        TerminalError: If there is none.
    """
    folders = dict.fromkeys([definition.folder, *(file.parent for file in definition.shared.values())])
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
    if undecided := undecided_errors(file, tree):
        raise DefinitionError(undecided)
    try:
        part = kind.model_validate(plain(tree))
    except ValidationError as error:
        raise DefinitionError([explain(file, tree, detail, kind) for detail in error.errors()]) from None
    if errors := [as_error(file, tree, problem) for problem in problems(part)]:
        raise DefinitionError(errors)
    return part
