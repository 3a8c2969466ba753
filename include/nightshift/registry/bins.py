"""Bins of a column: fixed by the rows that a model learned from, counted every night."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class NumberBins:
    """Bins of a number, with one more for infinite numbers and one for missing values.

    Attributes:
        edges: Between the bins, ascending; a value is in the first bin whose upper edge it does not exceed.
        centers: The mean of each bin's values.
        spread: The standard deviation of all values.
        normal_scores: Of each bin, its middle rank as a standard normal value; 0 for infinite and missing. Empty for
            versions of earlier releases.
    """

    edges: tuple[float, ...]
    centers: tuple[float, ...] = ()
    spread: float = 1.0
    normal_scores: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """The number of bins, with those of infinite and missing values."""
        return len(self.edges) + 3

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        document: dict[str, Any] = {"type": "number", "edges": list(self.edges)}
        if self.normal_scores:
            document |= {"centers": list(self.centers), "spread": self.spread, "places": list(self.normal_scores)}
        return document


@dataclass(frozen=True)
class CategoryBins:
    """Bins of a category: one for each frequent value, with one more for unknown and one for missing values.

    Attributes:
        values: The values with a bin each.
        rare: The values that share a bin; there is none if this is empty.
        normal_scores: Of each bin, its middle rank as a standard normal value; 0 for unknown and missing. Empty for
            versions of earlier releases.
    """

    values: tuple[str, ...]
    rare: tuple[str, ...] = ()
    normal_scores: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """The number of bins, with those of unknown and missing values."""
        return len(self.values) + bool(self.rare) + 2

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        document: dict[str, Any] = {"type": "category", "values": list(self.values)}
        if self.normal_scores:
            document |= {"others": list(self.rare), "places": list(self.normal_scores)}
        return document


Bins = NumberBins | CategoryBins


def bins_from_json(document: Mapping[str, Any]) -> Bins:
    """The inverse of `to_json` of both kinds of bins."""
    normal_scores = tuple(document.get("places", ()))
    if document["type"] == "category":
        return CategoryBins(tuple(document["values"]), tuple(document.get("others", ())), normal_scores)
    centers, spread = tuple(document.get("centers", ())), document.get("spread", 1.0)
    return NumberBins(tuple(document["edges"]), centers, spread, normal_scores)
