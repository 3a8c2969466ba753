"""Input drift by the population stability index."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from nightshift.monitoring.profile import count_bins
from nightshift.types import Measurement


def population_stability_index(reference: list[int], night: list[int]) -> float:
    """The population stability index of two histograms over the same bins.

    The sum over bins of (q − p) · ln(q / p), p and q being the bins' shares. Half a row is added to every
    bin, so that an empty one is rare, not impossible (Jeffreys' prior).

    Source: N. Siddiqi, Credit Risk Scorecards (2006), section "Population stability".
    """
    p, q = np.asarray(reference, dtype=float) + 0.5, np.asarray(night, dtype=float) + 0.5
    p, q = p / p.sum(), q / q.sum()
    return float(np.sum((q - p) * np.log(q / p)))


def measure_drift(
    reference: dict[str, Any], rows: pa.Table, threshold: float, share: float, version: int
) -> list[Measurement]:
    """The drift of one night against the champion's reference, feature by feature and altogether.

    Args:
        reference: The reference profile kept with the model.
        rows: The night's features.
        threshold: A feature whose index is above this has drifted.
        share: The night has drifted if more than this share of its features has.
        version: The champion's version.

    Returns:
        One measurement a feature, and one of the night: the share of features that drifted.
    """
    measured = []
    for name, bins in reference.items():
        index = population_stability_index(bins["counts"], count_bins(rows[name], bins))
        verdict = "warn" if index > threshold else "pass"
        measured.append(Measurement(name, "psi", index, threshold, rows.num_rows, verdict, model_version=version))
    drifted = [m for m in measured if m.verdict != "pass"]
    worst = sorted(drifted, key=lambda m: -(m.value or 0))[:3]
    detail = f"{len(drifted)} of {len(measured)} features drifted"
    detail += f", most {', '.join(f'{m.subject} {m.value:.2f}' for m in worst)}" if worst else ""
    value = len(drifted) / max(len(measured), 1)
    verdict = "warn" if value > share else "pass"
    night = Measurement("night", "drifted_share", value, share, rows.num_rows, verdict, detail, version)
    return [*measured, night]
