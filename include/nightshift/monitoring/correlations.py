"""Joint drift: correlations that change while the histogram of every column stays the same."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import log_ndtr, ndtri, stdtr

from nightshift.monitoring.day_model import LEAST_DAYS
from nightshift.monitoring.profile import Profile, Vector
from nightshift.registry.drift_thresholds import Correlations

LEAST_VARIANCE = 1e-3  # of 1, within a day: a column with less has no correlation on that day
LEAST_SHARE = 0.9  # of days on which a pair must have a correlation
CLOSEST = 0.9999  # to 1, of correlations
LEAST_ROWS = 20


@dataclass(frozen=True)
class CorrelationChange:
    """The pair of features whose correlation changed most.

    Attributes:
        size: The change as the absolute value of a standard normal variable.
        detail: The pair with its correlation before and now, as a sentence.
    """

    size: float
    detail: str


def select_columns(correlations: Correlations, names: Collection[str]) -> Correlations | None:
    """The correlations among some of the columns; None if there is none."""
    chosen = set(names)
    selected = [
        position
        for position, (first, second) in enumerate(correlations.pairs)
        if {correlations.names[first], correlations.names[second]} <= chosen
    ]
    if not selected:
        return None
    order = {old: new for new, old in enumerate(n for n, name in enumerate(correlations.names) if name in chosen)}
    pairs = [correlations.pairs[position] for position in selected]
    return replace(
        correlations,
        names=tuple(name for name in correlations.names if name in chosen),
        pairs=tuple((order[first], order[second]) for first, second in pairs),
        mean=tuple(correlations.mean[position] for position in selected),
        between=tuple(correlations.between[position] for position in selected),
        within=tuple(correlations.within[position] for position in selected),
    )


def largest_change(correlations: Correlations, profile: Profile) -> CorrelationChange | None:
    """The largest change of a correlation on a night; None if its rows give no correlation."""
    if profile.rows < LEAST_ROWS:
        return None
    positions = [list(profile.counts).index(name) for name in correlations.names]
    z = fisher_z(profile, positions)[tuple(np.array(correlations.pairs).T)]
    if np.isnan(z).all():
        return None
    sizes = _standard_normal(correlations, z, profile.rows)
    pair = int(np.nanargmax(sizes))
    first, second = (correlations.names[position] for position in correlations.pairs[pair])
    before, now = np.tanh(correlations.mean[pair]), np.tanh(z[pair])
    return CorrelationChange(float(sizes[pair]), f"correlation of {first} and {second} {before:.2f} to {now:.2f}")


def change_threshold(correlations: Correlations, level: float) -> float:
    """The bound that the largest change exceeds with at most this probability, and on no day of the reference.

    Source: Z. Šidák, Rectangular confidence regions for the means of multivariate normal distributions, Journal of
    the American Statistical Association 62 (1967).
    """
    single = -np.expm1(np.log1p(-level) / len(correlations.pairs))
    return max(float(-ndtri(single / 2)), correlations.largest)


def fisher_z(profile: Profile, positions: Sequence[int]) -> Vector:
    """Fisher's z of the correlations of columns' normal scores; not a number for a column that does not vary.

    Returns:
        Shape (columns, columns).
    """
    means = profile.sums[positions] / profile.rows
    covariance = profile.products[np.ix_(positions, positions)] / profile.rows - np.outer(means, means)
    variance = covariance.diagonal()
    spread = np.sqrt(np.where(variance > LEAST_VARIANCE, variance, np.nan))
    correlation = covariance / np.outer(spread, spread)
    return np.asarray(np.arctanh(np.clip(correlation, -CLOSEST, CLOSEST)))


def learn_correlations(
    days: Sequence[Profile], fourth_moments: FourthMoments, names: Sequence[str]
) -> Correlations | None:
    """Learns from the profiles of a reference's days.

    Args:
        days: A profile each.
        fourth_moments: Of all days together.
        names: The monitored columns.

    Returns:
        None if there are fewer than `LEAST_DAYS` days, or no pair has a correlation.
    """
    days = [day for day in days if day.rows >= LEAST_ROWS]
    if len(days) < LEAST_DAYS or len(names) < 2:
        return None
    positions = [list(days[0].counts).index(name) for name in names]
    upper = np.triu_indices(len(names), 1)
    z = np.array([fisher_z(day, positions)[upper] for day in days])
    frequent = (~np.isnan(z)).mean(axis=0) >= LEAST_SHARE
    if not frequent.any():
        return None
    z, pairs = z[:, frequent], np.column_stack(upper)[frequent]
    rows = 1 / float(np.mean([1 / day.rows for day in days]))
    within = fourth_moments.variance(positions)[upper][frequent]
    mean, variance = np.nanmean(z, axis=0), np.nanvar(z, axis=0, ddof=1)
    between = np.maximum(variance - within / (rows - 3), 0.0)
    learned = Correlations(
        tuple(names),
        tuple((first, second) for first, second in pairs.tolist()),
        tuple(mean.tolist()),
        tuple(between.tolist()),
        tuple(within.tolist()),
        len(days),
        rows,
        0.0,
    )
    largest = max(
        float(np.nanmax(_standard_normal(learned, of_day, day.rows)))
        for of_day, day in zip(z, days, strict=True)
        if not np.isnan(of_day).all()
    )
    return replace(learned, mean=_rounded(mean), between=_rounded(between), within=_rounded(within), largest=largest)


@dataclass(frozen=True)
class FourthMoments:
    """Sums over rows of products of four standardised normal scores of at most two columns: those of days add up.

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
    def of(cls, scores: Vector) -> FourthMoments:
        """Of the rows of one day.

        Args:
            scores: Normal scores, shape (columns, rows).
        """
        spread = scores.std(axis=1, keepdims=True)
        u = (scores - scores.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
        squares = u * u
        return cls(u.shape[1], u @ u.T, squares @ squares.T, (squares * u) @ u.T)

    def __add__(self, moments: FourthMoments) -> FourthMoments:
        return FourthMoments(
            self.rows + moments.rows,
            self.products + moments.products,
            self.squares + moments.squares,
            self.cubes + moments.cubes,
        )

    def variance(self, positions: Sequence[int]) -> Vector:
        """The sampling variance of Fisher's z of a single row, for columns of any distribution.

        Source: A. van der Vaart, Asymptotic Statistics (1998), example 3.6.
        """
        grid = np.ix_(positions, positions)
        r, squares, cubes = (sums[grid] / self.rows for sums in (self.products, self.squares, self.cubes))
        r = np.clip(r, -CLOSEST, CLOSEST)
        tails = np.diagonal(squares)
        quarter = r**2 / 4 * (tails[:, None] + tails[None, :] + 2 * squares)
        return np.asarray(np.maximum((quarter - r * (cubes + cubes.T) + squares) / (1 - r**2) ** 2, 0.0))


def _standard_normal(correlations: Correlations, z: Vector, rows: float) -> Vector:
    """Changes as absolute standard normal values: where days differ, their variance is estimated."""
    between, within = np.array(correlations.between), np.array(correlations.within)
    sampling = within / (rows - 3)
    expected = (between + within / (correlations.rows - 3)) / correlations.days
    change = np.abs(z - np.array(correlations.mean)) / np.sqrt(between + sampling + expected)
    with np.errstate(divide="ignore"):  # a tail may be as small as 0
        of_days = np.log(stdtr(correlations.days - 1, -change))
    tail = np.where(between > 0, of_days, log_ndtr(-change))
    return np.asarray(-ndtri(np.exp(np.maximum(tail, -700.0))))


def _rounded(values: Vector) -> tuple[float, ...]:
    """Six significant digits, as they are stored."""
    return tuple(float(f"{value:.6g}") for value in values)
