"""The Jensen-Shannon distance."""

from __future__ import annotations

import numpy as np
from scipy.special import xlogy

from nightshift.monitoring.statistics.shares import Vector, shares


def jensen_shannon(reference: Vector, night: Vector) -> Vector:
    """The Jensen-Shannon distance of two histograms over the same bins, from 0 to 1.

    The square root of the mean Kullback-Leibler divergence, in bits, of both from their mean.

    Source: D. Endres, J. Schindelin, A new metric for probability distributions, IEEE Transactions on Information
    Theory 49 (2003).

    Args:
        reference: Counts, shape (…, bins).
        night: Counts, shape (…, bins).

    Returns:
        Shape (…).
    """
    p, q = shares(reference), shares(night)
    mean = (p + q) / 2
    # The entropy of the mean less the mean of the entropies.
    bits = (xlogy(p, p) + xlogy(q, q) - 2 * xlogy(mean, mean)).sum(axis=-1) / (2 * np.log(2))
    return np.asarray(np.sqrt(np.clip(bits, 0.0, 1.0)))
