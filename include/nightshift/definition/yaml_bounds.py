"""Reads YAML that anybody may have written: within bounds that no definition needs to exceed.

A text of a few hundred characters can stand for billions of values, if each list repeats the one before it by an alias,
and one of some kilobytes can nest deeper than the stack of the process, which ends it. Both are refused while the text
is read, before anything is built of it. An alias that repeats a list within the bounds is as good as the list itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.constructor import DuplicateKeyError, RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, StringMark
from ruamel.yaml.events import AliasEvent, CollectionStartEvent
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node

from nightshift.definition.yaml_nodes import DEEPEST
from nightshift.errors import TerminalError, first_line, shown

UNDECIDED = "!decide"  # the tag of a proposed value that a person has to confirm or replace
LARGEST_FILE = 2**19  # bytes
MOST_VALUES = 50_000  # a few seconds of a tree with line numbers


class RefusedYAMLError(MarkedYAMLError):
    """YAML that a definition may not have.

    Args:
        problem: What is refused.
        fix: What to write instead.
        mark: Its place.
    """

    def __init__(self, problem: str, fix: str, mark: StringMark) -> None:
        super().__init__(problem=problem, problem_mark=mark)
        self.fix = fix


class Extent(NamedTuple):
    """What a node stands for.

    Attributes:
        values: The number of keys and values, with the node itself and those within.
        height: The number of levels, from the node itself to the deepest within.
    """

    values: int = 1
    height: int = 1


class BoundedComposer(Composer):
    """Composes the nodes of a text, unless one of them is tagged or exceeds a bound.

    An alias counts as much as it stands for: what is built of the text has it in full.
    """

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader=loader)
        self._values = 0
        self._deepest = 0  # level within the current value
        self._extents: dict[Node, Extent] = {}  # of nodes with an anchor that are complete

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Composes the next value; called for each, also for those within others."""
        event = self.parser.peek_event()
        target = self.anchors.get(event.anchor) if isinstance(event, AliasEvent) else None
        extent = self._extents.get(target, Extent()) if target else Extent()
        before, deepest = self._values, self._deepest
        self._values += extent.values
        self._deepest = self.depth + extent.height
        is_key = isinstance(parent, MappingNode) and index is None
        if refusal := self._refusal(event, target, is_key=is_key):
            raise RefusedYAMLError(*refusal, event.start_mark)
        node = super().compose_node(parent, index)
        if event.anchor and not target:
            self._extents[node] = Extent(self._values - before, self._deepest - self.depth)
        self._deepest = max(self._deepest, deepest)
        return node

    def _refusal(self, event: Any, target: Node | None, *, is_key: bool) -> tuple[str, str] | None:
        """What is refused about a value, and the repair; the target is the node that an alias stands for."""
        if target and target not in self._extents:
            return f"the alias *{shown(event.anchor)} contains itself", "write the value itself in its place"
        if not target and event.anchor in self.anchors:  # which not every reader of YAML allows
            return f"the anchor &{shown(event.anchor)} stands twice", "give each anchor a name of its own"
        if self._deepest > DEEPEST:
            return f"nested deeper than {DEEPEST} levels", "nest it less"
        if self._values > MOST_VALUES:
            return f"more than {MOST_VALUES:,} keys and values", "divide what it declares among several files"
        if is_key and isinstance(target or event, CollectionNode | CollectionStartEvent):
            return "a list or a mapping as key", "write a word as key"
        if (tag := getattr(event, "tag", None)) and tag != UNDECIDED:
            return f"the tag {shown(tag)} is not allowed", "remove it; text that looks like a number is put in quotes"
        return None


class LocatingConstructor(RoundTripConstructor):
    """Constructs the values of nodes, and says of which line a value is none, such as the 30th of February."""

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """Constructs the value of a node."""
        try:
            return super().construct_object(node, deep)
        except MarkedYAMLError:
            raise
        except Exception as error:  # of Python's own types, and on some texts of ruamel.yaml
            raise RefusedYAMLError(first_line(error), "correct the value", node.start_mark) from None


def read_text(file: Path) -> str:
    """The text of a file of a definition.

    Raises:
        TerminalError: If it is larger than `LARGEST_FILE`, or not UTF-8.
        OSError: If it cannot be read.
    """
    with file.open("rb") as stream:
        content = stream.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise TerminalError(
            "the file is too large",
            where=str(file),
            allowed=f"at most {LARGEST_FILE:,} bytes",
            fix="divide what it declares among several files",
        )
    try:
        return content.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        where = f"{file} byte {error.start}"
        raise TerminalError("not UTF-8 text", where=where, fix="save it as UTF-8") from None


def load_tree(text: str, where: str) -> Any:
    """A text of YAML as a tree that keeps line numbers.

    Args:
        text: The text.
        where: Its file.

    Raises:
        TerminalError: If it is not valid, or exceeds a bound.
    """
    reader = YAML()
    reader.Composer, reader.Constructor = BoundedComposer, LocatingConstructor
    try:
        return reader.load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line if error.problem_mark else 0
        problem = f"not valid YAML: {shown(str(error.problem))}"
        raise TerminalError(problem, where=f"{where}:{line + 1}", fix=_fix(error, text, line)) from None
    except Exception as error:  # on some texts ruamel.yaml raises errors that are not its own
        raise TerminalError(f"not valid YAML: {first_line(error)}", where=where, fix="correct the syntax") from None


def _fix(error: MarkedYAMLError, text: str, line: int) -> str:
    if isinstance(error, RefusedYAMLError):
        return error.fix
    if isinstance(error, DuplicateKeyError):
        return "write the key once"
    # Between { and } of a mapping in one line, the braces of `{date}` begin another mapping.
    is_date = "{date}" in "".join(text.splitlines()[line : line + 1])
    return "put the value with {date} in quotes" if is_date else "correct the syntax"
