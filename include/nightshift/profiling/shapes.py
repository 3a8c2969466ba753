"""The shape that codes have in common, as a regular expression."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import pyarrow as pa
import pyarrow.compute as pc

MOST_SHAPES = 300  # free text has more
LONGEST = 40  # characters of a code
MOST_PARTS = 8  # between separators
UNEVEN = 3  # characters by which codes differ in length; beyond, they are words
LONGEST_WORD = 5  # capitals alone, in codes of uneven length
ROOM = 1  # character beyond the lengths seen, to either side, where lengths differ

_CLASSES = (("A", "A-Z"), ("a", "a-z"), ("9", "0-9"))
_SPECIAL = frozenset(".^$*+?{}[]\\|()")
_SEPARATOR = re.compile("([^Aa9])")


@dataclass(frozen=True)
class Shapes:
    """The shapes of texts.

    Attributes:
        fine: With A, a and 9 for capitals, small letters and digits, and everything else as itself. None if they are
            too many, as of random codes.
        coarse: With 9 for all of these. None if they are too many, as of free text.
        classes: Which of A, a and 9 there are.
    """

    fine: frozenset[str] | None
    coarse: frozenset[str] | None
    classes: frozenset[str]

    def __or__(self, other: Shapes) -> Shapes:
        return Shapes(_united(self.fine, other.fine), _united(self.coarse, other.coarse), self.classes | other.classes)


NONE = Shapes(frozenset(), frozenset(), frozenset())


def shapes_of(values: pa.ChunkedArray) -> Shapes:
    """The shapes of texts."""
    found = pc.unique(values.drop_null())
    for letter, members in _CLASSES:
        found = pc.unique(pc.replace_substring_regex(found, f"[{members}]", letter))
    letters = frozenset(
        letter for letter, _ in _CLASSES if pc.any(pc.match_substring(found, letter), min_count=0).as_py()
    )
    coarse = pc.unique(pc.replace_substring_regex(found, "[Aa]", "9"))
    return Shapes(_few(found), _few(coarse), letters)


def _few(shapes: pa.Array) -> frozenset[str] | None:
    return frozenset(shapes.to_pylist()) if len(shapes) <= MOST_SHAPES else None


def _united(shapes: frozenset[str] | None, others: frozenset[str] | None) -> frozenset[str] | None:
    both = None if shapes is None or others is None else shapes | others
    return both if both is not None and len(both) <= MOST_SHAPES else None


def pattern_of(found: Shapes) -> str | None:
    """A regular expression that texts of these shapes match as a whole; None if it would say little.

    Codes consist of parts between the same separators. A part is either the same runs of letters and digits in all of
    them, or a first character and others. Where parts differ in length, one more and one fewer is allowed. What has
    blanks, is long, or differs much in length is text, and has no pattern.
    """
    coarse = found.fine is None
    shapes = found.coarse if coarse else found.fine
    if not shapes or max(map(len, shapes)) > LONGEST or "" in shapes:
        return None
    parts = [_SEPARATOR.split(shape) for shape in sorted(shapes)]
    separators = {tuple(one[1::2]) for one in parts}
    if len(separators) > 1:
        return None
    between = separators.pop()
    if len(between) >= MOST_PARTS or any(one.isspace() or one.isalnum() for one in between):
        return None
    classes = found.classes if coarse else frozenset()
    told = [_part([one[place] for one in parts], classes) for place in range(0, len(between) * 2 + 1, 2)]
    if any(one is None for one in told) or not any(told):
        return None
    return "".join(f"{one}{_literal(after)}" for one, after in zip(told, (*between, ""), strict=True))


def _literal(character: str) -> str:
    return f"\\{character}" if character in _SPECIAL else character


def _part(shapes: Sequence[str], known: Collection[str]) -> str | None:
    """A part of codes; None if it is none.

    Args:
        shapes: How it looks in each shape of the code.
        known: The classes of which any character may be, if the shapes do not tell.
    """
    lengths = [len(shape) for shape in shapes]
    least, most = min(lengths), max(lengths)
    classes = set(known or "".join(shapes))
    if classes == {"9"}:
        return _run("9", least, most if most - least <= UNEVEN else None)
    words = "9" not in classes and (classes != {"A"} or most > LONGEST_WORD)
    if most - least > UNEVEN or (least < most and (words or classes >= {"A", "a"})):
        return None
    if known:
        return _run(classes, least, most)
    runs = [[(one, len(list(run))) for one, run in groupby(shape)] for shape in shapes]
    if len({tuple(one for one, _ in shape) for shape in runs}) == 1:
        return "".join(_runs(runs))
    first = {shape[:1] for shape in shapes}
    others = set("".join(shape[1:] for shape in shapes))
    if "" in first or first == others:
        return _run(classes, least, most)
    return _run(first, 1, 1) + _run(others, least - 1, most - 1)


def _runs(shapes: Sequence[Sequence[tuple[str, int]]]) -> Iterator[str]:
    for same in zip(*shapes, strict=True):
        lengths = [length for _, length in same]
        yield _run(same[0][0], min(lengths), max(lengths))


def _run(classes: Collection[str], least: int, most: int | None) -> str:
    """So many characters of some classes; any number from the least on if there is no most."""
    members = "".join(told for letter, told in _CLASSES if letter in classes)
    if most is None:
        return f"[{members}]{'*' if least == 0 else '+'}"
    if least < most:
        least, most = max(least - ROOM, min(least, 1)), most + ROOM
    if most == 0:
        return ""
    if least == most:
        return f"[{members}]" + ("" if most == 1 else f"{{{most}}}")
    return f"[{members}]{{{least},{most}}}"
