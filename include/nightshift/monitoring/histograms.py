"""Histograms of what moved, for people: the reference beside the night, over the bins that the reference fixed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nightshift.monitoring.night import NightProfile
from nightshift.monitoring.profile import Bins
from nightshift.registry.package import SCORES

MOST = 12  # bins that are shown, the largest


@dataclass(frozen=True)
class Histogram:
    """A feature's values, of the reference and of the night: the share of the rows in each bin, by its name."""

    feature: str
    bins: Sequence[str]
    reference: Sequence[float]
    night: Sequence[float]


def histograms(subjects: Sequence[str], reference: Mapping[str, Any], profile: NightProfile) -> list[Histogram]:
    """The histograms of features, and of the scores under the name that drift has for them; those that are known."""
    counted = {**profile.features.counts, "scores": profile.scores.counts.get(SCORES)}
    found = []
    for subject in subjects:
        bins, night = reference.get(SCORES if subject == "scores" else subject), counted.get(subject)
        if bins is not None and night is not None and night.sum() and sum(bins["counts"]):
            before, now = np.array(bins["counts"]) / sum(bins["counts"]), night / night.sum()
            largest = np.sort(np.argsort(-np.maximum(before, now), kind="stable")[:MOST])
            shown = [place for place in largest if before[place] or now[place]]
            names = _names(bins)
            shares = (before[shown].tolist(), now[shown].tolist())
            found.append(Histogram(subject, [names[place] for place in shown], *shares))
    return found


def _names(bins: Bins) -> list[str]:
    if bins["type"] == "category":
        return [*bins["values"], *(["rare"] if bins["others"] else []), "new", "missing"]
    edges = [f"{edge:.4g}" for edge in bins["edges"]]
    ranges = [f"≤ {edge}" for edge in edges] + ([f"> {edges[-1]}"] if edges else ["any"])
    return [*ranges, "infinite", "missing"]
