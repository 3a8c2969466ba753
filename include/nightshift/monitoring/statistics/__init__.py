"""How far a night's histogram is from the reference's, by every statistic that suits the type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nightshift.monitoring.statistics.chi_square import chi_square
from nightshift.monitoring.statistics.jensen_shannon import jensen_shannon
from nightshift.monitoring.statistics.kolmogorov_smirnov import kolmogorov_smirnov
from nightshift.monitoring.statistics.psi import psi
from nightshift.monitoring.statistics.shares import Vector, shares
from nightshift.monitoring.statistics.total_variation import total_variation
from nightshift.monitoring.statistics.wasserstein import wasserstein


def statistics(bins: Mapping[str, Any], reference: Vector, night: Vector) -> dict[str, Vector]:
    """Every statistic that suits a column's type.

    Args:
        bins: The column's bins.
        reference: Counts over all bins, with those of the unknown and the missing, shape (…, bins).
        night: Counts, shape (…, bins).

    Returns:
        By name, shape (…); not a number where a statistic says nothing, such as of a night without any finite value.
    """
    found = {"psi": psi(reference, night), "jensen_shannon": jensen_shannon(reference, night)}
    known = np.asarray(reference)[..., :-2], np.asarray(night)[..., :-2]
    if bins["type"] == "category":
        found["chi_square"] = chi_square(reference, night)
        found["total_variation"] = total_variation(reference, night)
    else:
        found["kolmogorov_smirnov"] = kolmogorov_smirnov(*known)
        found["wasserstein"] = wasserstein(*known, np.asarray(bins["centers"]), bins["spread"])
    odd = shares(night)
    found["unknown_share" if bins["type"] == "category" else "infinite_share"] = odd[..., -2]
    found["missing_share"] = odd[..., -1]
    return found
