"""Profiles: histograms of features whose edges are fixed by the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

BINS = 10


def reference_profile(rows: pa.Table, types: dict[str, str]) -> dict[str, Any]:
    """The profile of a training period: per feature its bins and how many rows fell into each.

    Numbers are cut at the period's deciles, categories by value. Each feature has one more bin for missing
    values, and each category one for values the period did not have.

    Returns:
        JSON-able: `{feature: {"type", "edges" or "values", "counts"}}`.
    """
    profile: dict[str, Any] = {}
    for name, kind in types.items():
        bins = _categories(rows[name]) if kind == "category" else _edges(rows[name])
        profile[name] = {"type": kind, **bins}
        profile[name]["counts"] = count_bins(rows[name], profile[name])
    return profile


def count_bins(values: pa.ChunkedArray, bins: dict[str, Any]) -> list[int]:
    """How many values fall into each of a feature's bins.

    Returns:
        The counts; the last is that of missing values. Counts over the same bins add up.
    """
    missing = values.null_count
    if bins["type"] == "category":
        known = bins["values"]
        codes = pc.fill_null(pc.index_in(pc.drop_null(values), pa.array(known, pa.string())), len(known))
        counts = np.bincount(codes.to_numpy(), minlength=len(known) + 1)
    else:
        numbers = pc.drop_null(values).to_numpy()
        finite = numbers[~np.isnan(numbers)]
        missing += len(numbers) - len(finite)
        counts = np.bincount(np.searchsorted(bins["edges"], finite, side="left"), minlength=len(bins["edges"]) + 1)
    return [*counts.tolist(), missing]


def _edges(values: pa.ChunkedArray) -> dict[str, Any]:
    numbers = pc.drop_null(values).to_numpy()
    finite = numbers[np.isfinite(numbers)]
    inner = np.unique(np.quantile(finite, np.linspace(0, 1, BINS + 1)[1:-1])) if len(finite) else np.empty(0)
    return {"edges": inner.tolist()}


def _categories(values: pa.ChunkedArray) -> dict[str, Any]:
    return {"values": sorted(pc.drop_null(pc.unique(values)).to_pylist())}
