"""How far a night's histogram is from the reference's, by every statistic that suits the type."""

from __future__ import annotations

import numpy as np

from nightshift.monitoring.statistics.chi_square import chi_square
from nightshift.monitoring.statistics.jensen_shannon import jensen_shannon
from nightshift.monitoring.statistics.kolmogorov_smirnov import kolmogorov_smirnov
from nightshift.monitoring.statistics.psi import psi
from nightshift.monitoring.statistics.shares import Vector, shares
from nightshift.monitoring.statistics.total_variation import total_variation
from nightshift.monitoring.statistics.wasserstein import wasserstein
from nightshift.registry.bins import Bins, NumberBins

# Shares of the night alone: where much is missing on every night, they are near their thresholds without any change.
LEVELS = frozenset({"missing_share", "unknown_share", "infinite_share"})


def statistics(bins: Bins, reference: Vector, night: Vector) -> dict[str, Vector]:
    """Every statistic that suits a column's type.

    Args:
        bins: The column's bins.
        reference: Counts of all bins, with those of unknown and missing values, shape (…, bins).
        night: Counts, shape (…, bins).

    Returns:
        By name, shape (…); not a number where a statistic is not defined, such as of a night without any finite value.
    """
    values = {"psi": psi(reference, night), "jensen_shannon": jensen_shannon(reference, night)}
    night_shares = shares(night)
    unknown, missing = night_shares[..., -2], night_shares[..., -1]
    if isinstance(bins, NumberBins):
        finite = np.asarray(reference)[..., :-2], np.asarray(night)[..., :-2]
        values["kolmogorov_smirnov"] = kolmogorov_smirnov(*finite)
        values["wasserstein"] = wasserstein(*finite, np.asarray(bins.centers), bins.spread)
        values["infinite_share"] = unknown
    else:
        values["chi_square"] = chi_square(reference, night)
        values["total_variation"] = total_variation(reference, night)
        values["unknown_share"] = unknown
    values["missing_share"] = missing
    return values


def times_threshold(statistic: str, value: float, threshold: float) -> float:
    """How far a value is from no change, in units of its threshold; a level within its threshold is no change.

    Args:
        statistic: Its name.
        value: The value of a night.
        threshold: Its bound; a value beyond it is a breach.
    """
    if value <= threshold and statistic in LEVELS:
        return 0.0
    return value / threshold if threshold else 0.0
