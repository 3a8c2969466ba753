"""The population stability index."""

from __future__ import annotations

import numpy as np

from nightshift.monitoring.statistics.shares import Vector


def psi(reference: Vector, night: Vector) -> Vector:
    """The population stability index of two histograms over the same bins.

    The sum over bins of (q − p) · ln(q / p), p and q being the bins' shares. Half a row is added to every
    bin, so that an empty one is rare, not impossible (Jeffreys' prior).

    Source: N. Siddiqi, Credit Risk Scorecards (2006), section "Population stability".

    Args:
        reference: Counts, shape (…, bins).
        night: Counts, shape (…, bins).

    Returns:
        Shape (…).
    """
    p, q = reference + 0.5, night + 0.5
    p, q = p / p.sum(axis=-1, keepdims=True), q / q.sum(axis=-1, keepdims=True)
    return np.asarray(((q - p) * np.log(q / p)).sum(axis=-1))
