"""Joint drift: correlations that change while every column by itself stays as it was."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, t

from nightshift.monitoring.days import LEAST_DAYS
from nightshift.monitoring.profile import Profile, Vector

STILL = 1e-3  # a column with less variance within a day than this, of 1, has no correlation there
OFTEN = 0.9  # a pair must have a correlation on so many days
CLOSEST = 0.9999  # to 1, of correlations
LEAST_ROWS = 20


@dataclass(frozen=True)
class Correlations:
    """The correlations of every two columns within days, as Fisher's z, and how much they vary.

    All of shape (pairs,) but the names.

    Attributes:
        names: Of the columns, in the order of a profile's.
        pairs: Their positions, shape (pairs, 2).
        mean: Over days.
        between: The variance between days beyond sampling.
        within: The sampling variance of a single row.
        days: Over how many days.
        rows: Of a day, the harmonic mean.
        largest: The largest change, as a standard normal value, on any of the days themselves.
    """

    names: tuple[str, ...]
    pairs: npt.NDArray[np.int64]
    mean: Vector
    between: Vector
    within: Vector
    days: int
    rows: float
    largest: float

    def of(self, names: Collection[str]) -> Correlations | None:
        """Those among some of the columns; None if there is none."""
        kept = np.array([{self.names[one], self.names[other]} <= set(names) for one, other in self.pairs], dtype=bool)
        if not kept.any():
            return None
        order = [position for position, name in enumerate(self.names) if name in names]
        pairs = np.searchsorted(order, self.pairs[kept])
        arrays = {name: getattr(self, name)[kept] for name in ("mean", "between", "within")}
        return replace(self, names=tuple(self.names[position] for position in order), pairs=pairs, **arrays)

    def change(self, profile: Profile) -> tuple[float, str] | None:
        """The largest change of a correlation, as the absolute value of a standard normal variable, and of which pair.

        Returns:
            None if the rows tell no correlation.
        """
        if profile.rows < LEAST_ROWS:
            return None
        positions = [list(profile.counts).index(name) for name in self.names]
        found = fisher(profile, positions)[tuple(self.pairs.T)]
        if np.isnan(found).all():
            return None
        values = self._normal(found, profile.rows)
        most = int(np.nanargmax(values))
        one, other = (self.names[position] for position in self.pairs[most])
        told = f"correlation of {one} and {other} {np.tanh(self.mean[most]):.2f} to {np.tanh(found[most]):.2f}"
        return float(values[most]), told

    def threshold(self, level: float) -> float:
        """What the largest change exceeds with a chance of at most a level, and none of the reference's days did.

        Source: Z. Šidák, Rectangular confidence regions for the means of multivariate normal distributions, Journal of
        the American Statistical Association 62 (1967).
        """
        return max(float(norm.isf(-np.expm1(np.log1p(-level) / len(self.pairs)) / 2)), self.largest)

    def _normal(self, found: Vector, rows: float) -> Vector:
        """Changes as absolute standard normal values: where days differ, their variance is estimated."""
        own = self.within / (rows - 3)
        expected = (self.between + self.within / (self.rows - 3)) / self.days
        apart = np.abs(found - self.mean) / np.sqrt(self.between + own + expected)
        tail = np.where(self.between > 0, t.logsf(apart, self.days - 1), norm.logsf(apart))
        return np.asarray(norm.isf(np.exp(np.maximum(tail, -700.0))))

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        found = {name: _listed(getattr(self, name)) for name in ("mean", "between", "within")}
        held = {"days": self.days, "rows": self.rows, "largest": self.largest}
        return {"names": list(self.names), "pairs": self.pairs.tolist(), **found, **held}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Correlations:
        """The inverse of `to_json`."""
        arrays: dict[str, Any] = {
            name: np.array(told[name], dtype=np.float64) for name in ("mean", "between", "within")
        }
        pairs = np.array(told["pairs"], dtype=np.int64).reshape(-1, 2)
        held = {name: told[name] for name in ("days", "rows", "largest")}
        return cls(tuple(told["names"]), pairs, **{**arrays, **held})


def fisher(profile: Profile, positions: Sequence[int]) -> Vector:
    """Fisher's z of the correlations of the places of columns; not a number for a column that stands still.

    Returns:
        Shape (columns, columns).
    """
    means = profile.sums[positions] / profile.rows
    covariance = profile.products[np.ix_(positions, positions)] / profile.rows - np.outer(means, means)
    spread = np.sqrt(np.where(covariance.diagonal() > STILL, covariance.diagonal(), np.nan))
    correlation = covariance / np.outer(spread, spread)
    return np.asarray(np.arctanh(np.clip(correlation, -CLOSEST, CLOSEST)))


def learn_correlations(days: Sequence[Profile], fourth: Fourth, names: Sequence[str]) -> Correlations | None:
    """Learns from the profiles of a reference's days; nothing from fewer than `LEAST_DAYS`, or without any pair.

    Args:
        days: A day each.
        fourth: Their fourth moments together.
        names: The columns that are watched.
    """
    days = [day for day in days if day.rows >= LEAST_ROWS]
    if len(days) < LEAST_DAYS or len(names) < 2:
        return None
    positions = [list(days[0].counts).index(name) for name in names]
    upper = np.triu_indices(len(names), 1)
    found = np.array([fisher(day, positions)[upper] for day in days])
    known = ~np.isnan(found)
    kept = known.mean(axis=0) >= OFTEN
    if not kept.any():
        return None
    found, pairs = found[:, kept], np.column_stack(upper)[kept]
    rows = 1 / float(np.mean([1 / day.rows for day in days]))
    within = fourth.variance(positions)[upper][kept]
    mean, variance = np.nanmean(found, axis=0), np.nanvar(found, axis=0, ddof=1)
    between = np.maximum(variance - within / (rows - 3), 0.0)
    learned = Correlations(tuple(names), pairs, mean, between, within, len(days), rows, 0.0)
    largest = [
        float(np.nanmax(learned._normal(one, day.rows)))
        for one, day in zip(found, days, strict=True)
        if not np.isnan(one).all()
    ]
    return replace(learned, largest=max(largest))


@dataclass(frozen=True)
class Fourth:
    """Sums over rows of products of four standardised places of at most two columns: those of days add up.

    Attributes:
        rows: How many rows.
        products: Σ uᵢuⱼ, shape (columns, columns).
        squares: Σ uᵢ²uⱼ².
        cubes: Σ uᵢ³uⱼ.
    """

    rows: int
    products: Vector
    squares: Vector
    cubes: Vector

    @classmethod
    def of(cls, places: Vector) -> Fourth:
        """Of the rows of one day.

        Args:
            places: Shape (columns, rows).
        """
        spread = places.std(axis=1, keepdims=True)
        told = (places - places.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
        squares = told * told
        return cls(told.shape[1], told @ told.T, squares @ squares.T, (squares * told) @ told.T)

    def __add__(self, other: Fourth) -> Fourth:
        return Fourth(
            self.rows + other.rows,
            self.products + other.products,
            self.squares + other.squares,
            self.cubes + other.cubes,
        )

    def variance(self, positions: Sequence[int]) -> Vector:
        """The sampling variance of Fisher's z of a single row, whatever the columns' distribution.

        Source: A. van der Vaart, Asymptotic Statistics (1998), example 3.6.
        """
        among = np.ix_(positions, positions)
        r, squares, cubes = (one[among] / self.rows for one in (self.products, self.squares, self.cubes))
        r = np.clip(r, -CLOSEST, CLOSEST)
        tails = np.diagonal(squares)
        quarter = r**2 / 4 * (tails[:, None] + tails[None, :] + 2 * squares)
        return np.asarray(np.maximum((quarter - r * (cubes + cubes.T) + squares) / (1 - r**2) ** 2, 0.0))


def _listed(values: Vector) -> list[float]:
    return [float(f"{value:.6g}") for value in values]
