"""The content of a YAML file as a tree that keeps line numbers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from nightshift.definition.problem import KeyPath
from nightshift.errors import DefinitionError, TerminalError

NULL = "null"
UNDECIDED = "!decide"  # the tag of a proposed value that a person has to confirm or replace


def _line(file: Path, number: int) -> str:
    lines = file.read_text(encoding="utf-8").splitlines()
    return lines[number - 1] if number <= len(lines) else ""


def parse(file: Path) -> CommentedMap:
    """Parses a definition's file into a tree that keeps line numbers; it is only read, for others may have the same.

    Raises:
        DefinitionError: If the file does not exist, or is not a mapping in YAML.
    """
    try:
        tree = _tree(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DefinitionError([TerminalError("no model definition", where=str(file), fix="create it")]) from None
    except UnicodeDecodeError as error:
        raise DefinitionError(
            [TerminalError("not UTF-8 text", where=f"{file} byte {error.start}", fix="save it as UTF-8")]
        ) from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        message = f"not valid YAML: {error.problem}"
        # Between { and } of a mapping in one line, the braces of `{date}` begin another mapping.
        fix = "put the value with {date} in quotes" if "{date}" in _line(file, line) else "correct the syntax"
        raise DefinitionError([TerminalError(message, where=f"{file}:{line}", fix=fix)]) from None
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


@lru_cache(maxsize=64)
def _tree(text: str) -> Any:
    """A file is read for its own model and as a neighbour of every other."""
    return YAML().load(text)


def plain(node: Any) -> Any:
    """The tree as plain dictionaries, lists and numbers, without line numbers and comments."""
    if isinstance(node, dict):
        # Unquoted, `null` is a key of a source's `csv`, and not a missing key.
        return {NULL if key is None else plain(key): plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(value) for value in node]
    if isinstance(node, TaggedScalar) and _is_undecided(node):
        return node.value
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node


def line_of(tree: Any, path: KeyPath) -> int:
    """The line of a key, or of its nearest parent that exists."""
    line, node = 1, tree
    for key in path:
        part: str | int | None = key
        try:
            if isinstance(node, CommentedMap):
                part = None if part == NULL and NULL not in node else part
                line = node.lc.key(part)[0] + 1
            elif isinstance(node, CommentedSeq) and isinstance(part, int):
                line = node.lc.item(part)[0] + 1
            node = node[part]
        except (KeyError, IndexError, TypeError):
            break
    return line


def undecided_keys(tree: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Every key whose value is only proposed, with the proposal."""
    if path and _is_undecided(tree):
        yield path, plain(tree)
    elif isinstance(tree, dict):
        for key, value in tree.items():
            yield from undecided_keys(value, (*path, key))
    elif isinstance(tree, list):
        for number, value in enumerate(tree):
            yield from undecided_keys(value, (*path, number))


def _is_undecided(node: Any) -> bool:
    return isinstance(node, TaggedScalar | CommentedSeq | CommentedMap) and node.tag.value == UNDECIDED


def comment_at(file: Path, line: int) -> str:
    """The comment at the end of a line of a file; empty if there is none."""
    return file.read_text(encoding="utf-8").splitlines()[line - 1].partition("  # ")[2].strip()
