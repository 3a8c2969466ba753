"""Proposes a regular expression from the shape that the codes of a column share."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import pyarrow as pa
import pyarrow.compute as pc

MAX_SHAPES = 300  # free text has more
MAX_LENGTH = 40  # characters of a code
MAX_PARTS = 8  # between separators
MAX_LENGTH_DIFFERENCE = 3  # characters between the shortest and the longest code; beyond it they are words
MAX_WORD = 5  # capitals alone, in codes that differ in length
ROOM = 1  # character on either side of the lengths, where they differ

_CLASSES = (("A", "A-Z"), ("a", "a-z"), ("9", "0-9"))
_SPECIAL = frozenset(".^$*+?{}[]\\|()")
_SEPARATOR = re.compile("([^Aa9])")


@dataclass(frozen=True)
class Shapes:
    """The shapes of texts.

    Attributes:
        fine: A, a and 9 stand for capitals, small letters and digits; other characters stand for themselves. None if
            there are too many shapes, as of random codes.
        coarse: 9 stands for letters and digits. None if there are too many shapes, as of free text.
        classes: Which of A, a and 9 occur.
    """

    fine: frozenset[str] | None
    coarse: frozenset[str] | None
    classes: frozenset[str]

    def __or__(self, right: Shapes) -> Shapes:
        return Shapes(_union(self.fine, right.fine), _union(self.coarse, right.coarse), self.classes | right.classes)


NO_SHAPES = Shapes(frozenset(), frozenset(), frozenset())


def shapes_of(values: pa.ChunkedArray) -> Shapes:
    """The shapes of texts."""
    shapes = pc.unique(values.drop_null())
    for letter, members in _CLASSES:
        shapes = pc.unique(pc.replace_substring_regex(shapes, f"[{members}]", letter))
    letters = frozenset(
        letter for letter, _ in _CLASSES if pc.any(pc.match_substring(shapes, letter), min_count=0).as_py()
    )
    coarse = pc.unique(pc.replace_substring_regex(shapes, "[Aa]", "9"))
    return Shapes(_limited(shapes), _limited(coarse), letters)


def _limited(shapes: pa.Array) -> frozenset[str] | None:
    return frozenset(shapes.to_pylist()) if len(shapes) <= MAX_SHAPES else None


def _union(left: frozenset[str] | None, right: frozenset[str] | None) -> frozenset[str] | None:
    both = None if left is None or right is None else left | right
    return both if both is not None and len(both) <= MAX_SHAPES else None


def pattern_of(shapes: Shapes) -> str | None:
    """A regular expression that texts of these shapes match as a whole; None if it would exclude little.

    Codes consist of parts between the same separators. A part is either the same runs of letters and digits in all
    codes, or a first character and further characters. Where parts differ in length, the pattern allows one character
    more and one fewer. Texts with blanks, long texts and texts of very different lengths have no pattern.
    """
    coarse = shapes.fine is None
    texts = shapes.coarse if coarse else shapes.fine
    if not texts or max(map(len, texts)) > MAX_LENGTH or "" in texts:
        return None
    codes = [_SEPARATOR.split(text) for text in sorted(texts)]
    separator_lists = {tuple(code[1::2]) for code in codes}
    if len(separator_lists) > 1:
        return None
    separators = separator_lists.pop()
    if len(separators) >= MAX_PARTS or any(char.isspace() or char.isalnum() for char in separators):
        return None
    classes = shapes.classes if coarse else frozenset()
    patterns = [_part_pattern([code[n] for code in codes], classes) for n in range(0, len(separators) * 2 + 1, 2)]
    if any(pattern is None for pattern in patterns) or not any(patterns):
        return None
    return "".join(f"{pattern}{_literal(after)}" for pattern, after in zip(patterns, (*separators, ""), strict=True))


def _literal(character: str) -> str:
    return f"\\{character}" if character in _SPECIAL else character


def _part_pattern(shapes: Sequence[str], any_of: Collection[str]) -> str | None:
    """The pattern of a part of codes; None if there is none.

    Args:
        shapes: The part in each shape of the code.
        any_of: The classes that every character may be of, if the shapes do not distinguish them.
    """
    lengths = [len(shape) for shape in shapes]
    least, most = min(lengths), max(lengths)
    classes = set(any_of or "".join(shapes))
    if classes == {"9"}:
        return _run_pattern("9", least, most if most - least <= MAX_LENGTH_DIFFERENCE else None)
    words = "9" not in classes and (classes != {"A"} or most > MAX_WORD)
    if most - least > MAX_LENGTH_DIFFERENCE or (least < most and (words or classes >= {"A", "a"})):
        return None
    if any_of:
        return _run_pattern(classes, least, most)
    runs = [[(letter, len(list(run))) for letter, run in groupby(shape)] for shape in shapes]
    if len({tuple(letter for letter, _ in shape) for shape in runs}) == 1:
        return "".join(_run_patterns(runs))
    first = {shape[:1] for shape in shapes}
    further = set("".join(shape[1:] for shape in shapes))
    if "" in first or first == further:
        return _run_pattern(classes, least, most)
    return _run_pattern(first, 1, 1) + _run_pattern(further, least - 1, most - 1)


def _run_patterns(shapes: Sequence[Sequence[tuple[str, int]]]) -> Iterator[str]:
    for runs in zip(*shapes, strict=True):
        lengths = [length for _, length in runs]
        yield _run_pattern(runs[0][0], min(lengths), max(lengths))


def _run_pattern(classes: Collection[str], least: int, most: int | None) -> str:
    """A run of characters of some classes; its length is unlimited if `most` is None."""
    members = "".join(members for letter, members in _CLASSES if letter in classes)
    if most is None:
        return f"[{members}]{'*' if least == 0 else '+'}"
    if least < most:
        least, most = max(least - ROOM, min(least, 1)), most + ROOM
    if most == 0:
        return ""
    if least == most:
        return f"[{members}]" + ("" if most == 1 else f"{{{most}}}")
    return f"[{members}]{{{least},{most}}}"
