"""Encodes feature columns as the matrix of an estimator, and fills in values that are missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.training import Imputation
from nightshift.errors import TerminalError
from nightshift.registry.calibration import Vector

Matrix = npt.NDArray[np.float64]

# The type of a feature's column in a published table.
FEATURE_ARROW = {"number": pa.float64(), "category": pa.string()}


@dataclass(frozen=True)
class Encoder:
    """Encodes feature columns as the matrix of the estimator.

    Attributes:
        types: Each feature's name and type, in the order of the matrix's columns.
        categories: The values of each category feature in the training rows; a value's position is its code.
            Other values are encoded as missing.
        fills: The value that takes the place of a missing one, by feature; none if the estimator takes missing values.
    """

    types: dict[str, str]
    categories: dict[str, tuple[str, ...]]
    fills: dict[str, float] = field(default_factory=dict)

    @classmethod
    def fit(cls, rows: pa.Table, types: dict[str, str], impute: Imputation | None = None) -> Encoder:
        """Learns the categories from training rows, and what fills in for missing values.

        Args:
            rows: The training rows.
            types: Each feature's name and type.
            impute: The statistic of a number feature that fills in; a category is filled with the most frequent one.
        """
        names = [name for name, kind in types.items() if kind == "category"]
        categories = {name: tuple(sorted(pc.drop_null(pc.unique(rows[name])).to_pylist())) for name in names}
        encoder = cls(dict(types), categories)
        if impute is None:
            return encoder
        columns = zip(types.items(), encoder.matrix(rows).T, strict=True)
        statistics = {
            name: _statistic(column, "most_frequent" if kind == "category" else impute)
            for (name, kind), column in columns
        }
        return replace(encoder, fills={name: value for name, value in statistics.items() if value is not None})

    def matrix(self, rows: pa.Table | pa.RecordBatch) -> Matrix:
        """The rows as float64, shape (rows, features), missing values as NaN unless they are filled.

        Raises:
            TerminalError: If a feature that the model needs is missing.
        """
        if missing := self.missing(rows):
            raise TerminalError(
                f"the model needs the feature '{missing[0]}', which is no longer declared",
                fix="declare it again, or train a new model: it is judged without this one",
            )
        columns = np.empty((rows.num_rows, len(self.types)), dtype=np.float64)
        for position, (name, kind) in enumerate(self.types.items()):
            values = rows.column(name)
            if kind == "category":
                values = pc.index_in(values, pa.array(self.categories[name], pa.string()))
            columns[:, position] = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
            if name in self.fills:
                columns[np.isnan(columns[:, position]), position] = self.fills[name]
        return columns

    def missing(self, rows: pa.Table | pa.RecordBatch) -> list[str]:
        """The features that the model needs and the rows lack."""
        return [name for name in self.types if name not in rows.schema.names]

    def gaps(self, matrix: Matrix) -> str:
        """How many rows lack each feature's value, in words; empty if none does."""
        words = {"category": "missing or not in the training rows", "number": "missing"}
        return self._in_words(np.isnan(matrix), words)

    def infinities(self, matrix: Matrix) -> str:
        """How many rows have an infinite value of each feature, in words; empty if none has."""
        return self._in_words(np.isinf(matrix), {"category": "infinite", "number": "infinite"})

    def _in_words(self, cells: npt.NDArray[np.bool_], words: Mapping[str, str]) -> str:
        return ", ".join(
            f"{name} {words[kind]} in {count} of {len(cells)} rows"
            for (name, kind), count in zip(self.types.items(), cells.sum(axis=0), strict=True)
            if count
        )

    @property
    def category_positions(self) -> list[int]:
        return [position for position, kind in enumerate(self.types.values()) if kind == "category"]

    def to_json(self) -> dict[str, Any]:
        """The encoder as JSON's types; of an encoder that fills nothing, as before there were fills."""
        content: dict[str, Any] = {"types": self.types, "categories": self.categories}
        return content | ({"fills": self.fills} if self.fills else {})

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Encoder:
        """The encoder that `to_json` describes."""
        categories = {name: tuple(values) for name, values in content["categories"].items()}
        return cls(content["types"], categories, content.get("fills", {}))


def _statistic(column: Vector, method: Imputation) -> float | None:
    """A statistic of a column's finite values; None if it has none. Of equally frequent values the least."""
    values = column[np.isfinite(column)]
    if not len(values):
        return None
    if method == "most_frequent":
        distinct, counts = np.unique(values, return_counts=True)
        return float(distinct[np.argmax(counts)])
    return float(np.median(values) if method == "median" else np.mean(values))
