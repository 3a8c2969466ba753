"""What is stored of a version's drift thresholds and of the correlations of its features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

SMALLEST = 1e-7  # of a threshold: below, values differ by rounding alone


@dataclass(frozen=True)
class DriftThresholds:
    """The threshold of every statistic of every column, by the number of rows of a night.

    Attributes:
        sizes: Rows of a night, ascending.
        bounds: By column and statistic, one a size.
        levels: The probability that a single column exceeds its threshold by chance, one a size.
    """

    sizes: tuple[int, ...]
    bounds: Mapping[str, Mapping[str, tuple[float, ...]]]
    levels: tuple[float, ...]

    def bound(self, column: str, statistic: str, rows: int) -> float:
        """The threshold of a night of so many rows; between two sizes it follows a power of them."""
        bounds = np.array(self.bounds[column][statistic])
        position = np.log(min(max(rows, self.sizes[0]), self.sizes[-1]))
        sizes = np.log(self.sizes)
        if (bounds <= 0).any():
            return max(float(np.interp(position, sizes, bounds)), SMALLEST)
        return max(float(np.exp(np.interp(position, sizes, np.log(bounds)))), SMALLEST)

    def level(self, rows: int) -> float:
        """The probability that a single column of so many rows exceeds its threshold by chance."""
        return float(np.interp(np.log(max(rows, 1)), np.log(self.sizes), self.levels))

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "sizes": list(self.sizes),
            "levels": list(self.levels),
            "bounds": {
                column: {statistic: list(bounds) for statistic, bounds in by_statistic.items()}
                for column, by_statistic in self.bounds.items()
            },
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> DriftThresholds:
        """The inverse of `to_json`."""
        bounds = {
            column: {statistic: tuple(bounds) for statistic, bounds in by_statistic.items()}
            for column, by_statistic in document["bounds"].items()
        }
        return cls(tuple(document["sizes"]), bounds, tuple(document["levels"]))


@dataclass(frozen=True)
class StoredThresholds:
    """Thresholds with the declarations that they were calibrated for.

    Attributes:
        false_alarms: The declared rate, such as `1 per 90 nights`.
        watched: The monitored features, sorted.
        thresholds: The thresholds.
    """

    false_alarms: str
    watched: tuple[str, ...]
    thresholds: DriftThresholds

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "false_alarms": self.false_alarms,
            "watched": list(self.watched),
            "thresholds": self.thresholds.to_json(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> StoredThresholds:
        """The inverse of `to_json`."""
        thresholds = DriftThresholds.from_json(document["thresholds"])
        return cls(document["false_alarms"], tuple(document["watched"]), thresholds)


@dataclass(frozen=True)
class Correlations:
    """The correlations of every two features within a day, as Fisher's z, and how much they vary.

    Attributes:
        names: Of the features, in the order of a profile's.
        pairs: The positions of both features of a pair.
        mean: Over days, one a pair.
        between: The variance between days beyond sampling, one a pair.
        within: The sampling variance of a single row, one a pair.
        days: Over how many days.
        rows: Of a day, the harmonic mean.
        largest: The largest change, as a standard normal value, on any of the days themselves.
    """

    names: tuple[str, ...]
    pairs: tuple[tuple[int, int], ...]
    mean: tuple[float, ...]
    between: tuple[float, ...]
    within: tuple[float, ...]
    days: int
    rows: float
    largest: float

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "names": list(self.names),
            "pairs": [list(pair) for pair in self.pairs],
            "mean": list(self.mean),
            "between": list(self.between),
            "within": list(self.within),
            "days": self.days,
            "rows": self.rows,
            "largest": self.largest,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Correlations:
        """The inverse of `to_json`."""
        return cls(
            tuple(document["names"]),
            tuple((first, second) for first, second in document["pairs"]),
            tuple(document["mean"]),
            tuple(document["between"]),
            tuple(document["within"]),
            document["days"],
            document["rows"],
            document["largest"],
        )
