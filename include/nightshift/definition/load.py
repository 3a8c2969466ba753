"""Reads `model.yaml` and turns everything that is wrong with it into messages that name the line."""

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
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from nightshift.definition.base import StrictModel
from nightshift.definition.model import ModelDefinition
from nightshift.definition.problem import KeyPath, Problem
from nightshift.definition.rules import RULES
from nightshift.definition.shared_sources import kept_files, owners, unknown_sources, with_sources
from nightshift.errors import DefinitionError, TerminalError

FILE, LANDING = "model.yaml", "landing.py"
KEPT = "sources_of_"  # among a definition's kept files: what it uses of another model's
OURS = ("folder", "shared")  # keys of a definition that nobody writes

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
    words = plain(tree)
    shared, others = owners(words), _others(folder, owners(words))
    wrong = [Problem((key,), "unknown key", key, None, "remove it") for key in OURS if key in words]
    if wrong := wrong or list(unknown_sources(words, others)):
        raise DefinitionError([_report(file, tree, problem) for problem in wrong])
    words = with_sources(words, others)
    try:
        definition = ModelDefinition.model_validate({**words, "folder": folder, "shared": shared})
    except ValidationError as error:
        raise DefinitionError([explain(file, tree, detail) for detail in _telling(error.errors())]) from None
    problems = [_report(file, tree, problem) for rule in RULES for problem in rule(definition)]
    if problems:
        raise DefinitionError(problems)
    return definition


def find_definition(models: Path, name: str) -> ModelDefinition:
    """Loads the definition of a model by its name.

    Raises:
        TerminalError: If there is no such model.
        DefinitionError: If its definition is broken.
    """
    known = [folder.name for folder in definition_folders(models)]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise TerminalError(
            "unknown model",
            where=str(models),
            received=name,
            allowed=known,
            fix=f"did you mean {near[0]}?" if near else f"add {models / name / FILE}",
        )
    return load_definition(models / name)


def definition_folders(models: Path) -> list[Path]:
    """Every folder that holds a definition, by name."""
    return sorted(file.parent for file in models.glob(f"*/{FILE}"))


def definition_hash(definition: ModelDefinition) -> str:
    """SHA-256 over every file of the definition's folder: the version of what the user wrote."""
    digest = hashlib.sha256()
    for name, content in definition_files(definition).items():
        digest.update(name.encode() + b"\0" + content + b"\0")
    return digest.hexdigest()


def definition_files(definition: ModelDefinition) -> dict[str, bytes]:
    """What the user wrote, by name: the files of the definition's folder, and what it uses of other models'."""
    files = sorted(definition.folder.glob("*"))
    others = kept_files(definition.shared, _others(definition.folder, definition.shared))
    return {file.name: file.read_bytes() for file in files if file.suffix in {".yaml", ".py"}} | {
        f"{KEPT}{model}.yaml": content for model, content in others.items()
    }


def write_definition(folder: Path, files: Mapping[str, bytes]) -> ModelDefinition:
    """Writes a definition's files into a folder, named as the model, and loads it.

    What it uses of other models' goes into folders beside it.

    Raises:
        DefinitionError: If this version of Nightshift cannot read it any more.
    """
    for name, content in files.items():
        other = name.removeprefix(KEPT).removesuffix(".yaml") if name.startswith(KEPT) else ""
        file = folder.parent / other / FILE if other else folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return load_definition(folder)


def load_replay(definition: ModelDefinition) -> Replay:
    """The example data of a definition that carries some, as `landed_files` of its `landing.py`.

    A model whose sources are another's has that one's.

    Raises:
        TerminalError: If it carries none.
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
    """Two models that name the same source must declare it alike: they share its table."""
    first: dict[str, ModelDefinition] = {}
    for definition in definitions:
        for name, source in definition.sources.items():
            if name in definition.shared:
                continue
            other = first.setdefault(name, definition)
            if other.sources[name] != source:
                yield TerminalError(
                    f"source '{name}' is declared differently in {other.name} and {definition.name}",
                    where=str(definition.folder / FILE),
                    fix="declare it the same in both, or give one of them another name",
                )


def _others(folder: Path, shared: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The definitions of the models that others' sources are of, as they are written; those that there are."""
    files = {model: folder.parent / model / FILE for model in shared.values()}
    return {model: plain(parse(file)) for model, file in files.items() if file.exists()}


def parse(file: Path) -> CommentedMap:
    """The tree of a definition's file, which remembers lines.

    Raises:
        DefinitionError: If there is no such file, or it is not a mapping in YAML.
    """
    try:
        tree = YAML().load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DefinitionError([TerminalError("no model definition", where=str(file), fix="create it")]) from None
    except UnicodeDecodeError as error:
        raise DefinitionError(
            [TerminalError("not UTF-8 text", where=f"{file} byte {error.start}", fix="save it as UTF-8")]
        ) from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        what = f"not valid YAML: {error.problem}"
        raise DefinitionError([TerminalError(what, where=f"{file}:{line}", fix="mend the syntax")]) from None
    except (YAMLError, ValueError) as error:
        raise DefinitionError([TerminalError(f"not valid YAML: {error}", where=str(file))]) from None
    if not isinstance(tree, CommentedMap):
        raise DefinitionError(
            [
                TerminalError(
                    "not a mapping", where=f"{file}:1", allowed="keys such as `name:`", fix="see docs/definition.md"
                )
            ]
        )
    return tree


def plain(node: Any) -> Any:
    """The tree as plain dictionaries, lists and numbers, without what remembers lines and comments."""
    if isinstance(node, dict):
        return {plain(key): plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(value) for value in node]
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node


def _report(file: Path, tree: CommentedMap, problem: Problem) -> TerminalError:
    return TerminalError(
        problem.what,
        where=f"{file}:{_line(tree, problem.path)}: {_dotted(problem.path)}",
        received=problem.received,
        allowed=problem.allowed,
        fix=problem.fix,
    )


def _telling(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Errors without those that follow from others: a misspelt key is not missing as well."""
    meant = {
        (*detail["loc"][:-1], near)
        for detail in details
        if detail["type"] == "extra_forbidden"
        for near in difflib.get_close_matches(str(detail["loc"][-1]), _known_keys(detail["loc"][:-1]), n=1)
    }
    return [detail for detail in details if detail["type"] != "missing" or detail["loc"] not in meant]


def load_part(file: Path, kind: type[P], problems: Callable[[P], Iterator[Problem]]) -> P:
    """Loads and validates a file that holds one part of a definition by itself.

    Args:
        file: The file.
        kind: The part.
        problems: What may be wrong between its keys.

    Raises:
        DefinitionError: With one line a problem.
    """
    tree = parse(file)
    try:
        part = kind.model_validate(plain(tree))
    except ValidationError as error:
        raise DefinitionError([explain(file, tree, detail, kind) for detail in error.errors()]) from None
    if found := [_report(file, tree, problem) for problem in problems(part)]:
        raise DefinitionError(found)
    return part


def explain(
    file: Path, tree: CommentedMap, detail: ErrorDetails, whole: type[StrictModel] = ModelDefinition
) -> TerminalError:
    """One line for one of Pydantic's errors about a file that holds a definition, or another whole."""
    context: Mapping[str, Any] = detail.get("ctx", {})
    path: KeyPath = tuple(part for part in detail["loc"] if part != "[key]")
    received: Any = detail["input"]
    what, allowed, fix = detail["msg"], context.get("allowed") or context.get("expected"), context.get("fix")
    match detail["type"]:
        case "extra_forbidden":
            known = _known_keys(path[:-1], whole)
            near = difflib.get_close_matches(str(path[-1]), known, n=1)
            what, received, allowed = "unknown key", path[-1], known
            fix = f"write '{near[0]}'" if near else "remove it"
        case "missing":
            what, received, fix = "missing key", None, f"add `{path[-1]}:`"
        case "string_pattern_mismatch":
            what, allowed = "not allowed here", f"text that matches {context['pattern']}"
        case kind if kind.endswith(("_type", "_parsing")):
            what, allowed = "wrong type", allowed or detail["msg"]
    if isinstance(received, (dict, list)):
        received = None
    return _report(file, tree, Problem(path, what, received, allowed, fix or "change the value"))


def _known_keys(path: KeyPath, whole: type[StrictModel] = ModelDefinition) -> list[str]:
    """The keys a part of the definition may have."""
    kind: Any = whole
    for step in path:
        if isinstance(kind, type) and issubclass(kind, StrictModel):
            fields = {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
            kind = fields.get(str(step))
        else:  # a list's item; what a mapping has by name; an optional part
            kind = typing.get_args(kind)[0 if typing.get_origin(kind) is tuple else -1]
        parts = [one for one in typing.get_args(kind) if isinstance(one, type) and issubclass(one, StrictModel)]
        if parts and typing.get_origin(kind) not in {dict, tuple}:
            kind = parts[0]
    if not (isinstance(kind, type) and issubclass(kind, StrictModel)):
        return []
    return [field.alias or name for name, field in kind.model_fields.items() if not field.exclude]


def _line(tree: Any, path: KeyPath) -> int:
    """The line of a key, or of its nearest parent that is there."""
    line, node = 1, tree
    for part in path:
        try:
            if isinstance(node, CommentedMap):
                line = node.lc.key(part)[0] + 1
            elif isinstance(node, CommentedSeq) and isinstance(part, int):
                line = node.lc.item(part)[0] + 1
            node = node[part]
        except (KeyError, IndexError, TypeError):
            break
    return line


def _dotted(path: KeyPath) -> str:
    return ".".join(str(part) for part in path) or "definition"
