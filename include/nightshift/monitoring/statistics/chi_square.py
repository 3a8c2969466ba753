"""The chi-square statistic of categories."""

from __future__ import annotations

import numpy as np

from nightshift.monitoring.statistics.shares import Vector


def chi_square(reference: Vector, night: Vector) -> Vector:
    """Pearson's chi-square statistic of homogeneity of two samples of categories.

    Source: K. Pearson, On the probability that two independent distributions of frequency are really samples from the
    same population, Biometrika 8 (1911).

    Args:
        reference: Counts, shape (…, bins); they need not be whole.
        night: Counts, shape (…, bins).

    Returns:
        Shape (…); not a number where one of both has no row.
    """
    n, m = reference.sum(axis=-1, keepdims=True), night.sum(axis=-1, keepdims=True)
    both = reference + night
    with np.errstate(invalid="ignore", divide="ignore"):
        difference = reference * np.sqrt(m / n) - night * np.sqrt(n / m)
        return np.asarray(np.where(both > 0, difference * difference / np.where(both > 0, both, 1.0), 0.0).sum(axis=-1))
