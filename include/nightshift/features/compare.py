"""Compares two computations of the same features cell by cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from nightshift.definition.model import ModelDefinition
from nightshift.features.sketches import SKETCH_BITS

WHOLE_ROW = "the whole row"
# Sums in different orders differ in the last digits; a distinct count is an estimate.
ROUNDING, SKETCH = 1e-9, 5 * 1.04 / 2 ** (SKETCH_BITS / 2)


@dataclass(frozen=True)
class Difference:
    """A cell in which two computations differ."""

    key: tuple[Any, ...]
    feature: str
    published: Any
    recomputed: Any


@dataclass(frozen=True)
class Comparison:
    """The result of comparing two computations.

    Attributes:
        cells: The number of cells that were compared.
        differences: Every cell that differs, in the order of features and keys.
        redefined: The features that were not compared, since their definition has changed since they were published.
    """

    cells: int
    differences: tuple[Difference, ...]
    redefined: tuple[str, ...] = ()

    def __add__(self, comparison: Comparison) -> Comparison:
        return Comparison(
            self.cells + comparison.cells,
            (*self.differences, *comparison.differences),
            tuple(dict.fromkeys((*self.redefined, *comparison.redefined))),
        )


def tolerances(definition: ModelDefinition) -> dict[str, float]:
    """The relative difference allowed to a computation that sums in a different order or counts exactly."""
    allowed = {"sum": ROUNDING, "mean": ROUNDING, "stddev": ROUNDING, "rate": ROUNDING, "approx_distinct": SKETCH}
    # The definition's own code may compute from such numbers.
    computed = {name: ROUNDING for name, feature in definition.features.computed.items() if feature.type == "number"}
    return computed | {
        name: allowed.get(aggregate.agg, 0.0) for name, aggregate in definition.aggregate_features.items()
    }


def compare(
    published: pa.Table, recomputed: pa.Table, key: tuple[str, ...], tolerance: Mapping[str, float] | None = None
) -> Comparison:
    """Compares two tables of features cell by cell; null and NaN are equal to each other and to no other value.

    Args:
        published: Rows with the key and features.
        recomputed: The same rows from the second computation.
        key: The columns that identify a row.
        tolerance: The relative difference allowed, by feature; other features are compared bit by bit.
    """
    allowed = tolerance or {}
    features = [name for name in published.column_names if name not in key]
    left, right = (table.to_pandas().set_index(list(key)) for table in (published, recomputed))
    differences = []
    for label, rows in (("published", left), ("computed again", right)):
        repeated = rows.index[rows.index.duplicated()].unique()
        observed = f"more than once as {label}"
        differences += [Difference(_plain_key(row), WHOLE_ROW, observed, "once a key") for row in repeated]
    left, right = (rows[~rows.index.duplicated()].sort_index() for rows in (left, right))
    lacking, new = left.index[~left.index.isin(right.index)], right.index[~right.index.isin(left.index)]
    differences += [Difference(_plain_key(row), WHOLE_ROW, "present", "missing") for row in lacking]
    differences += [Difference(_plain_key(row), WHOLE_ROW, "missing", "present") for row in new]
    both = left.index[left.index.isin(right.index)]
    left, right = left.loc[both], right.loc[both]
    for name in features:
        first, second = left[name], right[name]
        differs = ~(_equal(first, second, allowed.get(name, 0.0)) | (first.isna() & second.isna()).to_numpy())
        for row in both[differs]:
            differences.append(Difference(_plain_key(row), name, _plain(first[row]), _plain(second[row])))
    return Comparison(len(both) * len(features), tuple(differences))


def _equal(first: pd.Series, second: pd.Series, tolerance: float) -> np.ndarray[Any, np.dtype[np.bool_]]:
    same = (first == second).to_numpy(dtype=bool)
    if not tolerance:
        return same
    a, b = first.to_numpy(dtype=float), second.to_numpy(dtype=float)
    with np.errstate(invalid="ignore"):
        near = np.abs(a - b) <= tolerance * np.maximum(np.abs(a), np.abs(b))
    close: np.ndarray[Any, np.dtype[np.bool_]] = same | (near & np.isfinite(a) & np.isfinite(b))
    return close


def _plain_key(row: Any) -> tuple[Any, ...]:
    return tuple(_plain(value) for value in (row if isinstance(row, tuple) else (row,)))


def _plain(value: Any) -> Any:
    if isinstance(value, float) and np.isnan(value):
        return None
    return value.item() if hasattr(value, "item") else value
