"""The Kolmogorov-Smirnov statistic of binned numbers."""

from __future__ import annotations

import numpy as np

from nightshift.monitoring.statistics.shares import Vector, shares


def kolmogorov_smirnov(reference: Vector, night: Vector) -> Vector:
    """The largest difference of two distribution functions, at the edges of their bins.

    It is at most the statistic of the raw values. It is smaller by at most the largest share that either of both has
    in one bin, since a distribution function rises by no more than that between two edges.

    Source: J. Pratt, J. Gibbons, Concepts of Nonparametric Theory (1981), chapter 7.

    Args:
        reference: Counts of the bins of finite numbers, in their order, shape (…, bins).
        night: Counts, shape (…, bins).

    Returns:
        Shape (…); not a number where there is no row.
    """
    difference = np.cumsum(shares(reference) - shares(night), axis=-1)
    return np.asarray(np.abs(difference).max(axis=-1))
