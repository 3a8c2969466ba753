"""Sums the trees of an ensemble for many rows at once, with a bit for each row.

A tree is not walked row by row. Each condition of the ensemble is answered for a block of rows at once, as a vector of
bits, once for all trees that share it. The rows that reach a node are its parent's AND the answers; each bit of the
number of the leaf that a row reaches is an OR of such vectors. All of it is NumPy's arithmetic on whole vectors: no
compiler is needed. Values are added in the order of the trees, so the sums are those of a walk, bit by bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nightshift.registry.estimators.adapter import Matrix

BLOCK = 65_536  # rows: the bits of thousands of conditions stay in the processor's cache
MAX_LEAVES = 256  # of a tree: a leaf's number is a byte
MISSING = -1  # the category of a value that is missing or unknown

Bits = npt.NDArray[np.uint8]
Column = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BranchCondition:
    """A condition on a feature; rows that meet it go to the left.

    Attributes:
        feature: The position of the feature.
        threshold: The largest number that meets it; of a category it means nothing.
        missing: Whether a missing number meets it.
        categories: The categories that meet it, maybe with `MISSING`; None if the feature is a number.
    """

    feature: int
    threshold: float = 0.0
    missing: bool = False
    categories: frozenset[int] | None = None


@dataclass(frozen=True)
class Leaf:
    """A leaf with the value that it adds."""

    value: float

    @property
    def leaf_values(self) -> tuple[float, ...]:
        return (self.value,)


@dataclass(frozen=True)
class Branch:
    """A node with a condition, and the values of the leaves below it from left to right."""

    condition: BranchCondition
    left: Leaf | Branch
    right: Leaf | Branch
    leaf_values: tuple[float, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "leaf_values", self.left.leaf_values + self.right.leaf_values)


Tree = Leaf | Branch


class TreeSums:
    """The sums of the trees of an ensemble.

    Args:
        trees: The trees in the order in which their values are added, each with the position of its sum.
        categories: The categories that each category feature knows, by the feature's position.

    Raises:
        ValueError: If a tree has more than `MAX_LEAVES` leaves.
    """

    def __init__(self, trees: Sequence[tuple[int, Tree]], categories: Mapping[int, frozenset[int]]) -> None:
        numbers: dict[BranchCondition, int] = {}
        self.categories = categories
        self.programs = [(position, _Program.of(tree, numbers)) for position, tree in trees]
        self.conditions = tuple(numbers)

    def add_to(self, sums: Matrix, rows: Matrix) -> None:
        """Adds the value of each row's leaf, tree by tree.

        Args:
            sums: Shape (rows, sums), changed in place.
            rows: The features, shape (rows, features); missing values are NaN.
        """
        for start in range(0, len(rows), BLOCK):
            block, part = rows[start : start + BLOCK], sums[start : start + BLOCK]
            answers = self._answers(block)
            vectors = self._vectors(len(block))
            for position, program in self.programs:
                part[:, position] += program.values(answers, vectors, len(block))

    def _answers(self, block: Matrix) -> list[Bits]:
        """The rows that meet each condition."""
        features: dict[int, _Numbers | _Categories] = {}
        for feature in {condition.feature for condition in self.conditions}:
            column = np.ascontiguousarray(block[:, feature])
            known = self.categories.get(feature)
            features[feature] = _Numbers(column) if known is None else _Categories(column, known)
        return [features[condition.feature].meeting(condition) for condition in self.conditions]

    def _vectors(self, rows: int) -> list[Bits]:
        """Vectors for the rows that reach the nodes of a tree; the first has all rows."""
        count = 1 + max((step.vector for _, program in self.programs for step in program.steps), default=0)
        vectors = list(np.empty((count, -(-rows // 8)), dtype=np.uint8))
        vectors[0][:] = 0xFF
        return vectors


class _Numbers:
    """A number feature of a block of rows."""

    def __init__(self, column: Column) -> None:
        self.column, self.missing = column, _pack(np.isnan(column))

    def meeting(self, condition: BranchCondition) -> Bits:
        rows = _pack(self.column <= condition.threshold)
        return rows | self.missing if condition.missing else rows


class _Categories:
    """A category feature of a block of rows, each of which has one of the known categories or `MISSING`."""

    def __init__(self, column: Column, known: frozenset[int]) -> None:
        codes = np.where(column >= 0, column, MISSING).astype(np.int64)
        self.rows = {category: _pack(codes == category) for category in known}
        self.rows[MISSING] = ~_union(list(self.rows.values()), len(column))

    def meeting(self, condition: BranchCondition) -> Bits:
        sides: dict[bool, list[Bits]] = {True: [], False: []}
        for category, rows in self.rows.items():
            sides[category in (condition.categories or ())].append(rows)
        is_smaller = len(sides[True]) <= len(sides[False])
        rows = _union(sides[is_smaller], 8 * len(self.rows[MISSING]))
        return rows if is_smaller else ~rows


class _Step(NamedTuple):
    """The rows of a node: of a left one, its parent's that meet the condition; of a right one, its parent's others.

    Attributes:
        vector: The vector of the node's rows.
        parent: That of its parent's rows.
        condition: The condition of a left node; None of a right one.
        left: The vector of the left node beside a right one.
    """

    vector: int
    parent: int
    condition: int | None
    left: int


class _Program(NamedTuple):
    """How the leaves that rows reach are computed.

    Attributes:
        steps: Each needs no vectors but those of the steps before it.
        number: For each bit of a leaf's number, the vectors whose rows together are those that have it.
        leaf_values: By the leaf's number.
    """

    steps: tuple[_Step, ...]
    number: tuple[tuple[int, ...], ...]
    leaf_values: Column

    @classmethod
    def of(cls, tree: Tree, conditions: dict[BranchCondition, int]) -> _Program:
        """The program of a tree; its conditions are numbered by those of the trees before it, and added to them."""
        count = len(tree.leaf_values)
        if count > MAX_LEAVES:
            raise ValueError(f"a tree has {count} leaves")
        steps: list[_Step] = []
        number: list[list[int]] = [[] for _ in range((count - 1).bit_length())]
        ahead = [(tree, 0, 0, len(number))]
        while ahead:
            node, vector, first, differing_above = ahead.pop()
            # From this bit on, the numbers of all its leaves are the same.
            differing = (first ^ (first + len(node.leaf_values) - 1)).bit_length()
            for bit in range(differing, differing_above):
                if first >> bit & 1:
                    number[bit].append(vector)
            if isinstance(node, Branch):
                left, right = len(steps) + 1, len(steps) + 2
                steps.append(_Step(left, vector, conditions.setdefault(node.condition, len(conditions)), left))
                steps.append(_Step(right, vector, None, left))
                ahead.append((node.left, left, first, differing))
                ahead.append((node.right, right, first + len(node.left.leaf_values), differing))
        return cls(_needed(steps, number), tuple(map(tuple, number)), np.array(tree.leaf_values))

    def values(self, answers: Sequence[Bits], vectors: Sequence[Bits], rows: int) -> Column:
        """The value of each row's leaf, shape (rows,).

        Args:
            answers: The rows that meet each condition.
            vectors: The first has all rows; the others are overwritten.
            rows: The number of rows.
        """
        for vector, parent, condition, left in self.steps:
            if condition is None:
                np.bitwise_xor(vectors[parent], vectors[left], out=vectors[vector])
            else:
                np.bitwise_and(vectors[parent], answers[condition], out=vectors[vector])
        leaves = np.zeros(rows, dtype=np.uint8)
        for parts in reversed(self.number):
            np.left_shift(leaves, 1, out=leaves)
            np.bitwise_or(leaves, _unpack(_union([vectors[part] for part in parts], rows), rows), out=leaves)
        return self.leaf_values.take(leaves)


def _needed(steps: Sequence[_Step], number: Sequence[Sequence[int]]) -> tuple[_Step, ...]:
    """The steps that a leaf's number depends on."""
    needed, kept = {vector for parts in number for vector in parts}, []
    for step in reversed(steps):
        if step.vector in needed:
            needed |= {step.parent, step.left}
            kept.append(step)
    return tuple(reversed(kept))


def _union(parts: Sequence[Bits], rows: int) -> Bits:
    """The rows of all parts."""
    if len(parts) < 2:
        return parts[0] if parts else np.zeros(-(-rows // 8), dtype=np.uint8)
    union = parts[0] | parts[1]
    for part in parts[2:]:
        np.bitwise_or(union, part, out=union)
    return union


def _pack(rows: npt.NDArray[np.bool_]) -> Bits:
    return np.packbits(rows, bitorder="little")


def _unpack(bits: Bits, rows: int) -> npt.NDArray[np.uint8]:
    return np.unpackbits(bits, count=rows, bitorder="little")
