"""The Wasserstein distance of binned numbers."""

from __future__ import annotations

import numpy as np

from nightshift.monitoring.statistics.shares import Vector, shares


def wasserstein(reference: Vector, night: Vector, centers: Vector, spread: float) -> Vector:
    """How far, on average, values must be moved to turn one distribution into the other, in standard deviations.

    Each bin's rows are taken to lie where the reference's rows of the bin have their mean. It differs from the distance
    of the raw values by at most the mean distance of both distributions' values from those places.

    Source: S. Vallender, Calculation of the Wasserstein distance between probability distributions on the line, Theory
    of Probability and its Applications 18 (1974): the area between the distribution functions.

    Args:
        reference: Counts of the bins of finite numbers, in their order, shape (…, bins).
        night: Counts, shape (…, bins).
        centers: Where the bins lie, ascending, shape (bins,).
        spread: The standard deviation of the reference.

    Returns:
        Shape (…); not a number where there is no row.
    """
    difference = np.cumsum(shares(reference) - shares(night), axis=-1)[..., :-1]
    return np.asarray((np.abs(difference) * np.diff(centers)).sum(axis=-1) / spread)
