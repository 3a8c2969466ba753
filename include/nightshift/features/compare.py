"""Two computations of the same features, cell by cell."""

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
# Sums in another order differ in the last digits; a distinct count is an estimate.
ROUNDING, SKETCH = 1e-9, 5 * 1.04 / 2 ** (SKETCH_BITS / 2)


@dataclass(frozen=True)
class Difference:
    """A cell that two computations do not agree on."""

    key: tuple[Any, ...]
    feature: str
    published: Any
    recomputed: Any


@dataclass(frozen=True)
class Comparison:
    """What comparing found.

    Attributes:
        cells: How many cells were compared.
        differences: Every cell that differs, in the order of features and keys.
    """

    cells: int
    differences: tuple[Difference, ...]

    def __add__(self, other: Comparison) -> Comparison:
        return Comparison(self.cells + other.cells, (*self.differences, *other.differences))


def tolerances(definition: ModelDefinition) -> dict[str, float]:
    """How far, relatively, a feature may be from a computation that adds up in another order or counts exactly."""
    allowed = {"sum": ROUNDING, "mean": ROUNDING, "stddev": ROUNDING, "rate": ROUNDING, "approx_distinct": SKETCH}
    # What the definition's own code makes of such numbers may differ as they do.
    computed = {name: ROUNDING for name, made in definition.features.computed.items() if made.type == "number"}
    return computed | {
        name: allowed.get(aggregate.agg, 0.0) for name, aggregate in definition.aggregate_features.items()
    }


def compare(
    published: pa.Table, recomputed: pa.Table, key: tuple[str, ...], tolerance: Mapping[str, float] | None = None
) -> Comparison:
    """Compares two tables of features cell by cell; null and NaN are equal to each other and to nothing else.

    Args:
        published: Rows with the key and features.
        recomputed: The same rows, made another way.
        key: The columns that identify a row.
        tolerance: The relative difference allowed of a feature's numbers; others are compared bit by bit.
    """
    allowed = tolerance or {}
    features = [name for name in published.column_names if name not in key]
    left, right = (table.to_pandas().set_index(list(key)) for table in (published, recomputed))
    differences = []
    for which, rows in (("published", left), ("computed again", right)):
        twice = rows.index[rows.index.duplicated()].unique()
        differences += [
            Difference(_plain_key(row), WHOLE_ROW, f"more than once as {which}", "once a key") for row in twice
        ]
    left, right = (rows[~rows.index.duplicated()].sort_index() for rows in (left, right))
    lacking, new = left.index[~left.index.isin(right.index)], right.index[~right.index.isin(left.index)]
    differences += [Difference(_plain_key(row), WHOLE_ROW, "there", "missing") for row in lacking]
    differences += [Difference(_plain_key(row), WHOLE_ROW, "missing", "there") for row in new]
    both = left.index[left.index.isin(right.index)]
    left, right = left.loc[both], right.loc[both]
    for name in features:
        one, other = left[name], right[name]
        differs = ~(_equal(one, other, allowed.get(name, 0.0)) | (one.isna() & other.isna()).to_numpy())
        for row in both[differs]:
            differences.append(Difference(_plain_key(row), name, _plain(one[row]), _plain(other[row])))
    return Comparison(len(both) * len(features), tuple(differences))


def _equal(one: pd.Series, other: pd.Series, tolerance: float) -> np.ndarray[Any, np.dtype[np.bool_]]:
    same = (one == other).to_numpy(dtype=bool)
    if not tolerance:
        return same
    a, b = one.to_numpy(dtype=float), other.to_numpy(dtype=float)
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
