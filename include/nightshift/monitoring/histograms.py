"""Histograms of the features that moved most: the reference beside the night, over the bins of the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nightshift.monitoring.night_profile import NightProfile
from nightshift.registry.bins import Bins, CategoryBins
from nightshift.registry.reference import SCORES, ModelReference

MOST_BINS = 12  # that are shown, the largest


@dataclass(frozen=True)
class Histogram:
    """The share of the rows in each bin, by its name, of the reference and of the night."""

    feature: str
    bins: Sequence[str]
    reference: Sequence[float]
    night: Sequence[float]


def histograms(subjects: Sequence[str], reference: ModelReference, profile: NightProfile) -> list[Histogram]:
    """The histograms of features, and of `scores`; of those that both the reference and the night have rows of."""
    by_subject = {**profile.features.counts, "scores": profile.scores.counts.get(SCORES)}
    drawn = []
    for subject in subjects:
        column, night = reference.column(SCORES if subject == "scores" else subject), by_subject.get(subject)
        if column is not None and night is not None and night.sum() and sum(column.counts):
            before, now = np.array(column.counts) / sum(column.counts), night / night.sum()
            largest = np.sort(np.argsort(-np.maximum(before, now), kind="stable")[:MOST_BINS])
            shown = [position for position in largest if before[position] or now[position]]
            names = _bin_names(column.bins)
            shares = (before[shown].tolist(), now[shown].tolist())
            drawn.append(Histogram(subject, [names[position] for position in shown], *shares))
    return drawn


def _bin_names(bins: Bins) -> list[str]:
    if isinstance(bins, CategoryBins):
        return [*bins.values, *(["rare"] if bins.rare else []), "new", "missing"]
    edges = [f"{edge:.4g}" for edge in bins.edges]
    ranges = [f"≤ {edge}" for edge in edges] + ([f"> {edges[-1]}"] if edges else ["any"])
    return [*ranges, "infinite", "missing"]
