"""A model of how the days of a reference differ from each other, beyond what sampling their rows explains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import fdtri, gammaincinv

from nightshift.monitoring.profile import Counts, Vector

LEAST_DAYS = 5  # to estimate how days differ
LEAST_ROWS = 10  # of a day or a night, to be measured
LEAST_WEEKS = 4  # to estimate how weekdays differ
LEAST_SCALE = 0.1  # of the share of all days: the unit of a weekday's differences is at least this
CONFIDENCE = 0.999  # that weekdays differ


@dataclass(frozen=True)
class DayModel:
    """What a column's next night is expected to be like, learned from the reference's days.

    Attributes:
        rows: How many rows the days have together.
        weekdays: Of each day, Monday as 0, shape (days,).
        base: The expected share of each bin by weekday, shape (7, bins).
        scale: The unit of differences between shares, by weekday: the share itself, but not too near 0, shape
            (7, bins).
        effects: By how much each day's true shares are estimated to differ from those of its weekday, shape (days,
            bins). What sampling a day's rows explains is taken out.
        residuals: By how much each day's counted shares differ: the uncertainty of the base, shape (days, bins).
        error: The variance of the base as a share of that of a day.
        freedom: Degrees of freedom of the differences.
    """

    rows: int
    weekdays: npt.NDArray[np.int64]
    base: Vector
    scale: Vector
    effects: Vector
    residuals: Vector
    error: float
    freedom: int

    @property
    def differ(self) -> bool:
        """Whether days differ beyond sampling."""
        return bool(self.effects.any())

    def draw(self, draws: DayDraws, *, observed: bool) -> tuple[Vector, Vector]:
        """True shares of nights that are like the reference's days, and the shares they are compared with.

        Args:
            draws: Random numbers.
            observed: Whether a night's difference is that of one of the days, or a normal mixture of all days with the
                same covariances. The first keeps shapes such as nights of one value each; the second goes beyond the
                days that happened to be observed.

        Returns:
            Both of shape (draws, bins).
        """
        weekdays = self.weekdays[draws.days]
        base, scale = self.base[weekdays], self.scale[weekdays]
        if observed:
            difference = self.effects[draws.days] * np.sqrt(len(self.weekdays) / self.freedom)
        else:
            difference = draws.effects @ self.effects
        error = np.sqrt(self.error) * (draws.errors @ self.residuals)
        return _shares(base + difference * scale), _shares(base + error * scale)


@dataclass(frozen=True)
class DayDraws:
    """Random numbers shared by columns with the same days: the effect of a day on all of them stays together.

    Attributes:
        days: A day for each draw, shape (draws,).
        effects: Weights of days that make Student's t of their differences, whose variance is estimated: shape (draws,
            days).
        errors: Such weights for the error of the expectation.
    """

    days: npt.NDArray[np.int64]
    effects: Vector
    errors: Vector

    @classmethod
    def of(cls, days: int, freedom: int, count: int, seed: int) -> DayDraws:
        """Draws for a number of days and degrees of freedom; the normal numbers do not depend on the freedom."""
        random = np.random.default_rng([seed, days])
        chosen = random.integers(0, days, count)
        effects, errors = (random.normal(size=(count, days)) for _ in range(2))
        # The root of a chi-square variable.
        deviations = np.sqrt(2 * gammaincinv(freedom / 2, random.uniform(size=count)))[:, None]
        return cls(chosen, effects / deviations, errors / deviations)


def learn_day_model(counts: Counts, weekdays: npt.NDArray[np.int64], normal_scores: Vector) -> DayModel | None:
    """Learns from the counts of a reference's days.

    Days are compared in shares that are scaled to equal sampling variance. Where weekdays differ beyond doubt, each
    has an expectation, shrunk towards that of all days by how little they differ (James and Stein). The rest of the
    days' covariance beyond sampling is estimated in two steps. The most likely effect of a day is a shift of the column
    as a whole, so the variance along the bins' normal scores counts by how far it exceeds the noise's. The remainder is
    a spiked model: the eigenvalues above the edge of what noise makes are freed from their bias, those below count by
    how far their mean exceeds the noise's.

    Source: D. Donoho, M. Gavish, I. Johnstone, Optimal shrinkage of eigenvalues in the spiked covariance model, Annals
    of Statistics 46 (2018); V. Marchenko, L. Pastur, Mathematics of the USSR-Sbornik 1 (1967), for the edge.

    Args:
        counts: Shape (days, bins).
        weekdays: Of each day, Monday as 0, shape (days,).
        normal_scores: Of the bins, shape (bins,).

    Returns:
        None if fewer than `LEAST_DAYS` days have `LEAST_ROWS` rows.
    """
    enough = counts.sum(axis=1) >= LEAST_ROWS
    counts, weekdays = counts[enough], weekdays[enough]
    days, bins = counts.shape
    if days < LEAST_DAYS:
        return None
    rows = counts.sum(axis=1)
    pooled = (counts.sum(axis=0) + 0.5) / (rows.sum() + 0.5 * bins)
    noise = float((1 / rows).mean())
    # A bin of a few rows a day is left with less than unit variance: its counts are far from normal.
    unit = np.sqrt(np.maximum(pooled, 4 * noise))
    # From the counts, so that a bin without any row keeps its small share on every weekday.
    differences = (counts / rows[:, None] - counts.sum(axis=0) / rows.sum()) / unit
    direction = normal_scores * unit / (np.linalg.norm(normal_scores * unit) or 1.0)
    shifts = np.outer(differences @ direction, direction)
    rest = differences - shifts
    weekday_shifts, weekday_rest = _weekday_means(shifts, weekdays), _weekday_means(rest, weekdays)
    by_weekday = bool(weekday_shifts.any() or weekday_rest.any())
    groups = len(np.unique(weekdays)) if by_weekday else 1
    freedom = days - groups
    # Where weekdays have an expectation each, the rest of their difference is one of days.
    shifts, rest = _centred(shifts - weekday_shifts[weekdays]), _centred(rest - weekday_rest[weekdays])
    base = np.maximum(pooled + unit * (weekday_shifts + weekday_rest), 0.0)
    base = base / base.sum(axis=1, keepdims=True)
    scale = np.maximum(base, LEAST_SCALE * pooled)
    effects = _shrunk_shifts(shifts, noise, freedom) + _shrunk_rest(rest, noise, unit, pooled, freedom)
    return DayModel(
        int(rows.sum()),
        weekdays,
        base,
        scale,
        effects * unit / scale[weekdays],
        (shifts + rest) * unit / scale[weekdays],
        groups / days,
        freedom,
    )


def _shares(values: Vector) -> Vector:
    positive = np.maximum(values, 0.0)
    return np.asarray(positive / positive.sum(axis=1, keepdims=True))


def _centred(differences: Vector) -> Vector:
    return np.asarray(differences - differences.mean(axis=0))


def _weekday_means(differences: Vector, weekdays: npt.NDArray[np.int64]) -> Vector:
    """By how much each weekday differs from all days, shrunk; 0 where that is not beyond doubt, shape (7, bins).

    Only weekdays that there are any days of have a difference: a schedule may score some weekdays, or a single one.
    """
    days, counted = len(differences), np.bincount(weekdays, minlength=7)
    present, means = np.flatnonzero(counted), np.zeros((7, differences.shape[1]))
    groups = len(present)
    if groups < 2 or counted[present].min() < LEAST_WEEKS:
        return means
    means[present] = [differences[weekdays == day].mean(axis=0) for day in present]
    between = float((counted[:, None] * np.square(means - differences.mean(axis=0))).sum()) / (groups - 1)
    within = float(np.square(differences - means[weekdays]).sum()) / (days - groups)
    # As if all bins moved together: the fewest degrees of freedom there can be.
    if between <= fdtri(groups - 1, days - groups, CONFIDENCE) * within or between == 0:
        return np.zeros_like(means)
    return np.asarray(means * (1.0 - within / between))


def _shrunk_shifts(shifts: Vector, noise: float, freedom: int) -> Vector:
    """The shifts of days along the normal scores, without the part that sampling explains."""
    variance = float(np.square(shifts).sum()) / freedom
    if variance <= noise * (1 + np.sqrt(2 / freedom)):
        return np.zeros_like(shifts)
    return np.asarray(shifts * np.sqrt(1 - noise / variance))


def _shrunk_rest(rest: Vector, noise: float, unit: Vector, pooled: Vector, freedom: int) -> Vector:
    """The remaining differences of days, without the part that sampling explains."""
    values, directions = np.linalg.eigh(rest.T @ rest / freedom)
    ratio = len(values) / freedom
    spiked = values > noise * (1 + np.sqrt(ratio)) ** 2 * (1 + 2 * freedom ** (-2 / 3))
    bulk = values[~spiked]
    # Shares add up to 1 and the shifts are left out: two directions have no variance.
    expected = noise * max(float((pooled * (1 - pooled) / unit**2).sum()) - 1, 0.0) / max(len(values) - 2, 1)
    excess = float(bulk.sum()) / max(len(bulk) - 2, 1) - expected
    significant = excess > 2 * expected * np.sqrt(2 / (freedom * len(values)))
    variances = np.full(len(values), excess if significant else 0.0)
    biased = values[spiked] + noise - ratio * noise
    variances[spiked] = (biased + np.sqrt(np.maximum(biased**2 - 4 * values[spiked] * noise, 0.0))) / 2 - noise
    with np.errstate(invalid="ignore", divide="ignore"):
        gains = np.where(values > 1e-12, np.sqrt(np.clip(variances / values, 0.0, 1.0)), 0.0)
    return np.asarray((rest @ (directions * gains)) @ directions.T)
