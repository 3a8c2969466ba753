"""Messages about problems of a definition: file, line, key, value received, values allowed, fix."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic_core import ErrorDetails
from ruamel.yaml.comments import CommentedMap

from nightshift.definition.base import StrictModel
from nightshift.definition.model import ModelDefinition
from nightshift.definition.problem import KeyPath, Problem
from nightshift.definition.shared_sources import SharedFile
from nightshift.definition.yaml_bounds import UNDECIDED
from nightshift.definition.yaml_tree import comment_at, line_of, undecided_keys
from nightshift.errors import TerminalError


def as_error(
    file: Path, tree: CommentedMap, problem: Problem, shared: Mapping[str, SharedFile] = MappingProxyType({})
) -> TerminalError:
    """A problem as one line that names the file, the line and the key.

    Args:
        file: The file.
        tree: Its content.
        problem: The problem.
        shared: The files that declare sources of this one: a problem of such a source is a problem of its file.
    """
    path = problem.path
    if path[:1] == ("sources",) and len(path) > 1 and (part := shared.get(str(path[1]))):
        file, tree, path = part.file, part.tree, path[2:]
    return TerminalError(
        problem.message,
        where=f"{file}:{line_of(tree, path)}: {_dotted(path)}",
        received=problem.received,
        allowed=problem.allowed,
        fix=problem.fix,
    )


def undecided_errors(
    file: Path, tree: CommentedMap, shared: Mapping[str, SharedFile] = MappingProxyType({})
) -> list[TerminalError]:
    """A line for every value of a definition that is proposed and not decided, and of its shared sources."""
    trees = {file: tree, **{part.file: part.tree for part in shared.values()}}
    errors = []
    for path, content in trees.items():
        for keys, proposal in undecided_keys(content):
            question = comment_at(path, line_of(content, keys))
            problem = Problem(
                keys,
                f"not decided yet: {question}" if question else "not decided yet",
                f"{UNDECIDED} {proposal}",
                None,
                f"write the value, or remove `{UNDECIDED}` if the proposed one is right",
            )
            errors.append(as_error(path, content, problem))
    return errors


def root_causes(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """The errors without consequences of other errors: a misspelt key is not reported as missing as well."""
    misspelt = {
        (*detail["loc"][:-1], near)
        for detail in details
        if detail["type"] == "extra_forbidden"
        for near in difflib.get_close_matches(str(detail["loc"][-1]), _allowed_keys(detail["loc"][:-1]), n=1)
    }
    return [detail for detail in details if detail["type"] != "missing" or detail["loc"] not in misspelt]


def explain(
    file: Path,
    tree: CommentedMap,
    detail: ErrorDetails,
    root: type[StrictModel] = ModelDefinition,
    shared: Mapping[str, SharedFile] = MappingProxyType({}),
) -> TerminalError:
    """One of Pydantic's errors as one line that names the file and the line; `root` is the type of the file."""
    context: Mapping[str, Any] = detail.get("ctx", {})
    path: KeyPath = tuple(part for part in detail["loc"] if part != "[key]")
    received: Any = detail["input"]
    message, allowed, fix = detail["msg"], context.get("allowed") or context.get("expected"), context.get("fix")
    match detail["type"]:
        case "extra_forbidden":
            keys = _allowed_keys(path[:-1], root)
            near = difflib.get_close_matches(str(path[-1]), keys, n=1)
            message, received, allowed = "unknown key", path[-1], keys
            fix = f"write '{near[0]}'" if near else "remove it"
        case "missing":
            message, received, fix = "missing key", None, f"add `{path[-1]}:`"
        case "string_pattern_mismatch":
            message, allowed = "not allowed here", f"text that matches {context['pattern']}"
        case "string_type" if isinstance(received, (bool, int, float, date)):
            message, allowed, fix = "wrong type", allowed or detail["msg"], fix or "write it in quotes"
        case "model_type" | "dict_type" | "tuple_type" | "list_type" as kind:
            form = "a list" if kind in {"tuple_type", "list_type"} else "a mapping of keys and values"
            message, allowed = "wrong type", allowed or form
        case kind if kind.endswith(("_type", "_parsing")):
            message, allowed = "wrong type", allowed or detail["msg"]
    if isinstance(received, (dict, list)):
        received = None
    return as_error(file, tree, Problem(path, message, received, allowed, fix or "change the value"), shared)


def _allowed_keys(path: KeyPath, root: type[StrictModel] = ModelDefinition) -> list[str]:
    """The keys that a part of a file may have."""
    kind: Any = root
    for step in path:
        if isinstance(kind, type) and issubclass(kind, StrictModel):
            fields = {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
            kind = fields.get(str(step))
        else:  # the type of a list's items, of a mapping's values, of an optional part
            kind = typing.get_args(kind)[0 if typing.get_origin(kind) is tuple else -1]
        parts = [part for part in typing.get_args(kind) if isinstance(part, type) and issubclass(part, StrictModel)]
        if parts and typing.get_origin(kind) not in {dict, tuple}:
            kind = parts[0]
    if not (isinstance(kind, type) and issubclass(kind, StrictModel)):
        return []
    return [field.alias or name for name, field in kind.model_fields.items() if not field.exclude]


def _dotted(path: KeyPath) -> str:
    return ".".join(str(part) for part in path) or "definition"
