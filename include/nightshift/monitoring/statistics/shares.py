"""What the statistics have in common."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]


def shares(counts: Vector) -> Vector:
    """The share of each bin; not a number where there is no row.

    Args:
        counts: Shape (…, bins).
    """
    total = counts.sum(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(counts / total)
