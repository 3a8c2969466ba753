"""The content of a YAML file as a tree that keeps line numbers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.scalarbool import ScalarBoolean

from nightshift.definition.problem import KeyPath
from nightshift.definition.yaml_bounds import UNDECIDED, load_tree, read_text
from nightshift.errors import DefinitionError, TerminalError

NULL = "null"


def parse(file: Path) -> CommentedMap:
    """Parses a definition's file into a tree that keeps line numbers; it is only read, for others may have the same.

    Raises:
        DefinitionError: If the file does not exist, or is not a mapping in YAML.
    """
    try:
        tree = _tree(read_text(file), str(file))
    except FileNotFoundError:
        raise DefinitionError([TerminalError("no model definition", where=str(file), fix="create it")]) from None
    except TerminalError as error:
        raise DefinitionError([error]) from None
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
def _tree(text: str, file: str) -> Any:
    """A file is read for its own model and as a neighbour of every other."""
    return load_tree(text, file)


def plain(node: Any) -> Any:
    """The tree as plain dictionaries, lists and numbers, without line numbers and comments."""
    if isinstance(node, dict):
        # Unquoted, `null` is a key of a source's `csv`, and not a missing key.
        return {NULL if key is None else plain(key): plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(value) for value in node]
    if isinstance(node, TaggedScalar) and _is_undecided(node):
        return node.value
    if isinstance(node, ScalarBoolean):  # `true` with an anchor, which is an integer in ruamel.yaml
        return bool(node)
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
                if part in (node.lc.data or {}):  # what `<<` merges has no line of its own
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
    return read_text(file).splitlines()[line - 1].partition("  # ")[2].strip()
