"""Sources that models share: `<source>: shared` stands for the declaration in `include/sources/<source>.yaml`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedMap

from nightshift.definition.problem import Problem
from nightshift.definition.yaml_tree import parse, plain

MODEL_FILE = "model.yaml"
SHARED = "shared"
SOURCES_FOLDER = "sources"  # the default, next to the models folder
ENDING = ".yaml"

Tree = Mapping[str, Any]


@dataclass(frozen=True)
class SharedFile:
    """The file that declares a shared source.

    Attributes:
        file: The file.
        tree: Its content, with line numbers.
    """

    file: Path
    tree: CommentedMap


def default_sources_folder(model_folder: Path) -> Path:
    """The folder of the shared sources of a model: `sources`, next to the folder of all models."""
    return model_folder.parent.parent / SOURCES_FOLDER


def source_files(folder: Path) -> dict[str, Path]:
    """The files of a folder of shared sources, by the name of their source."""
    return {file.stem: file for file in sorted(folder.glob(f"*{ENDING}"))}


def shared_names(tree: Tree) -> tuple[str, ...]:
    """The sources that a definition takes from the shared ones."""
    sources = tree.get("sources")
    return tuple(name for name, source in sources.items() if source == SHARED) if isinstance(sources, dict) else ()


def read_shared_files(tree: Tree, folder: Path) -> dict[str, SharedFile]:
    """The files of the shared sources that a definition names, as far as they exist.

    Raises:
        DefinitionError: If one of them is not a mapping in YAML.
    """
    files = source_files(folder)
    return {name: SharedFile(files[name], parse(files[name])) for name in shared_names(tree) if name in files}


def with_shared_sources(tree: dict[str, Any], shared: Mapping[str, SharedFile]) -> dict[str, Any]:
    """A definition's tree with the declarations of its shared sources in place of `shared`."""
    declarations = {name: plain(part.tree) for name, part in shared.items()}
    return tree | {"sources": tree["sources"] | declarations} if declarations else tree


def shared_source_problems(tree: Tree, shared: Mapping[str, SharedFile], folder: Path) -> Iterator[Problem]:
    """Problems of the shared sources that a definition names."""
    sources = tree.get("sources")
    for name, source in sources.items() if isinstance(sources, dict) else ():
        path = ("sources", name)
        if source == SHARED and name not in shared:
            names, fix = list(source_files(folder)), f"create {folder / f'{name}{ENDING}'}, or declare it here"
            yield Problem(path, f"no shared source of this name in {folder}", name, names or "none", fix)
        elif source == SHARED and "timezone" not in shared[name].tree:
            yield zone_problem(path)
        elif isinstance(source, str) and source != SHARED:
            fix = f"write `{name}: {SHARED}`, or declare it here"
            yield Problem(path, "not the declaration of a source", source, f"`{SHARED}`, or a mapping", fix)


def zone_problem(path: tuple[str, ...] = ()) -> Problem:
    """The problem of a shared source without a time zone."""
    fix = "add `timezone:`: the schedules of the models that share it may have different ones"
    return Problem((*path, "timezone"), "missing key", None, None, fix)
