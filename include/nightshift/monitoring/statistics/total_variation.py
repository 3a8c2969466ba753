"""The total variation distance of categories."""

from __future__ import annotations

import numpy as np

from nightshift.monitoring.statistics.shares import Vector, shares


def total_variation(reference: Vector, night: Vector) -> Vector:
    """The share of rows that would need another category for both to be the same, from 0 to 1.

    Source: D. Levin, Y. Peres, E. Wilmer, Markov Chains and Mixing Times (2009), section 4.1.

    Args:
        reference: Counts, shape (…, bins).
        night: Counts, shape (…, bins).

    Returns:
        Shape (…); not a number where one of both has no row.
    """
    return np.asarray(np.abs(shares(reference) - shares(night)).sum(axis=-1) / 2)
