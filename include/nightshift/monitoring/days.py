"""How the days of a reference differ from each other, beyond what sampling their rows explains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import f

from nightshift.monitoring.profile import Counts, Vector

LEAST_DAYS = 5  # fewer do not say how days differ
LEAST_ROWS = 10  # a day or a night with fewer says nothing
WEEKS = 4  # so many, before weekdays are told apart
NEAREST = 0.1  # to 0, that a share of a weekday may be of that of all days, for differences to be told in it
SURE = 0.999  # that weekdays differ


@dataclass(frozen=True)
class Days:
    """What a column's next night is expected to be like: a model of the reference's days.

    Attributes:
        rows: How many rows they have together.
        weekdays: Of each day, Monday as 0, shape (days,).
        base: The expected share of each bin by weekday, shape (7, bins).
        reach: In what shares differences are told, by weekday: those of the base, but not too near 0, shape (7, bins).
        effects: By how much each day's true shares are estimated to differ from those of its weekday, shape (days,
            bins). What sampling a day's rows explains is taken out.
        residuals: By how much its counted shares do, shape (days, bins): what the base itself is uncertain by.
        error: The variance of the base as a share of that of a day.
        freedom: Degrees of freedom of the differences.
    """

    rows: int
    weekdays: npt.NDArray[np.int64]
    base: Vector
    reach: Vector
    effects: Vector
    residuals: Vector
    error: float
    freedom: int

    @property
    def differ(self) -> bool:
        """Whether days differ beyond sampling."""
        return bool(self.effects.any())

    def draw(self, draws: Draws, *, whole: bool) -> tuple[Vector, Vector]:
        """True shares of nights that are like the reference's days, and what they are compared with.

        Args:
            draws: Of random numbers.
            whole: Whether the difference is that of one of the days, or a normal mixture of all with the same
                covariances. The first keeps shapes such as nights of one value each; the second goes beyond what the
                days there are have happened to be like.

        Returns:
            Both of shape (draws, bins).
        """
        weekdays = self.weekdays[draws.days]
        base, reach = self.base[weekdays], self.reach[weekdays]
        if whole:
            apart = self.effects[draws.days] * np.sqrt(len(self.weekdays) / self.freedom)
        else:
            apart = draws.effects @ self.effects
        off = np.sqrt(self.error) * (draws.errors @ self.residuals)
        return _shares(base + apart * reach), _shares(base + off * reach)


@dataclass(frozen=True)
class Draws:
    """Random numbers that columns with the same days share, so that what a day does to all of them stays together.

    Attributes:
        days: One of the days, shape (draws,).
        effects: Weights of days that make Student's t of their differences, whose variance is estimated, too: shape
            (draws, days).
        errors: Such weights for what the expectation is off by.
    """

    days: npt.NDArray[np.int64]
    effects: Vector
    errors: Vector

    @classmethod
    def of(cls, days: int, freedom: int, count: int, seed: int) -> Draws:
        """So many draws for so many days and degrees of freedom; the same normal ones whatever the freedom is."""
        from scipy.stats import chi2

        random = np.random.default_rng([seed, days])
        drawn = random.integers(0, days, count)
        effects, errors = (random.normal(size=(count, days)) for _ in range(2))
        estimated = np.sqrt(chi2.ppf(random.uniform(size=count), freedom))[:, None]
        return cls(drawn, effects / estimated, errors / estimated)


def learn_days(counts: Counts, weekdays: npt.NDArray[np.int64], places: Vector) -> Days | None:
    """Learns from the counts of a reference's own days; nothing from fewer than `LEAST_DAYS`.

    Days are compared in shares that are scaled to equal sampling variance. Where weekdays differ beyond doubt, each
    has its own expectation, shrunk towards that of all days by how little they differ (James and Stein). What is
    left of the days' covariance beyond sampling is found in two steps. What days are most likely to do is to move a
    column as a whole, so the variance along its places counts by how far it exceeds the noise's. The rest is a
    spiked model: the eigenvalues above the edge of what noise makes are freed from their bias, those below count by
    how far their mean exceeds the noise's.

    Source: D. Donoho, M. Gavish, I. Johnstone, Optimal shrinkage of eigenvalues in the spiked covariance model, Annals
    of Statistics 46 (2018); V. Marchenko, L. Pastur, Mathematics of the USSR-Sbornik 1 (1967), for the edge.

    Args:
        counts: Shape (days, bins).
        weekdays: Of each day, Monday as 0, shape (days,).
        places: Of the bins, shape (bins,).
    """
    kept = counts.sum(axis=1) >= LEAST_ROWS
    counts, weekdays = counts[kept], weekdays[kept]
    days, bins = counts.shape
    if days < LEAST_DAYS:
        return None
    rows = counts.sum(axis=1)
    pooled = (counts.sum(axis=0) + 0.5) / (rows.sum() + 0.5 * bins)
    noise = float((1 / rows).mean())
    # A bin of a few rows a day is left with less than unit variance: its counts are far from normal.
    scale = np.sqrt(np.maximum(pooled, 4 * noise))
    # From what was counted, so that a bin of no row at all keeps its small share on every weekday.
    apart = (counts / rows[:, None] - counts.sum(axis=0) / rows.sum()) / scale
    # What days are most likely to do is to move a column as a whole: along its places.
    direction = places * scale / (np.linalg.norm(places * scale) or 1.0)
    steps = np.outer(apart @ direction, direction)
    of_steps, of_rest = _weekdays(steps, weekdays), _weekdays(apart - steps, weekdays)
    told = bool(of_steps.any() or of_rest.any())
    freedom = days - (7 if told else 1)
    # Where weekdays are told apart, what is left of them is a difference of days.
    steps = _centred(steps - of_steps[weekdays])
    rest = _centred(apart - np.outer(apart @ direction, direction) - of_rest[weekdays])
    base = np.maximum(pooled + scale * (of_steps + of_rest), 0.0)
    base = base / base.sum(axis=1, keepdims=True)
    reach = np.maximum(base, NEAREST * pooled)
    effects = _moved(steps, noise, freedom) + _beyond_noise(rest, noise, scale, pooled, freedom)
    return Days(
        int(rows.sum()),
        weekdays,
        base,
        reach,
        effects * scale / reach[weekdays],
        (steps + rest) * scale / reach[weekdays],
        (7 if told else 1) / days,
        freedom,
    )


def _shares(found: Vector) -> Vector:
    inside = np.maximum(found, 0.0)
    return np.asarray(inside / inside.sum(axis=1, keepdims=True))


def _centred(apart: Vector) -> Vector:
    return np.asarray(apart - apart.mean(axis=0))


def _weekdays(apart: Vector, weekdays: npt.NDArray[np.int64]) -> Vector:
    """By how much each weekday differs from all, as far as that is to be believed, shape (7, bins)."""
    days, counted = len(apart), np.bincount(weekdays, minlength=7)
    if counted.min() < WEEKS:
        return np.zeros((7, apart.shape[1]))
    means = np.array([apart[weekdays == day].mean(axis=0) for day in range(7)])
    between = float((counted[:, None] * np.square(means - apart.mean(axis=0))).sum()) / 6
    within = float(np.square(apart - means[weekdays]).sum()) / (days - 7)
    # As if all bins moved as one: the fewest degrees of freedom there can be.
    if between <= f.ppf(SURE, 6, days - 7) * within or between == 0:
        return np.zeros_like(means)
    return np.asarray(means * (1.0 - within / between))


def _moved(steps: Vector, noise: float, freedom: int) -> Vector:
    """The steps of days along the places, with what sampling makes of them taken out."""
    variance = float(np.square(steps).sum()) / freedom
    if variance <= noise * (1 + np.sqrt(2 / freedom)):
        return np.zeros_like(steps)
    return np.asarray(steps * np.sqrt(1 - noise / variance))


def _beyond_noise(rest: Vector, noise: float, scale: Vector, pooled: Vector, freedom: int) -> Vector:
    """The other differences of days, with what sampling makes of them taken out."""
    values, directions = np.linalg.eigh(rest.T @ rest / freedom)
    ratio = len(values) / freedom
    spiked = values > noise * (1 + np.sqrt(ratio)) ** 2 * (1 + 2 * freedom ** (-2 / 3))
    bulk = values[~spiked]
    # Shares add up to one and the places are left out: two directions have no variance.
    expected = noise * max(float((pooled * (1 - pooled) / scale**2).sum()) - 1, 0.0) / max(len(values) - 2, 1)
    excess = float(bulk.sum()) / max(len(bulk) - 2, 1) - expected
    found = np.full(len(values), excess if excess > 2 * expected * np.sqrt(2 / (freedom * len(values))) else 0.0)
    known = values[spiked] + noise - ratio * noise
    found[spiked] = (known + np.sqrt(np.maximum(known**2 - 4 * values[spiked] * noise, 0.0))) / 2 - noise
    with np.errstate(invalid="ignore", divide="ignore"):
        gains = np.where(values > 1e-12, np.sqrt(np.clip(found / values, 0.0, 1.0)), 0.0)
    return np.asarray((rest @ (directions * gains)) @ directions.T)
