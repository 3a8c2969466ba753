"""The classes of a version whose label is a class, and what its probabilities say of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.prediction import probability_column

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LabelClasses:
    """The classes of a version, in the order of its probabilities.

    Attributes:
        names: The names of the classes.
        other: The class that counts every outcome outside of the classes; None if such an outcome counts nowhere.
    """

    names: tuple[str, ...]
    other: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The column of each class's probability."""
        return tuple(map(probability_column, self.names))

    def codes(self, labels: pa.ChunkedArray | pa.Array) -> Matrix:
        """The position of each label's class, shape (rows,); NaN of an outcome that counts nowhere."""
        rest = np.nan if self.other is None else float(self.names.index(self.other))
        places = pc.index_in(labels, pa.array(self.names, pa.string())).cast(pa.float64())
        return np.asarray(pc.fill_null(places, rest).to_numpy(zero_copy_only=False), dtype=np.float64)

    def align(self, probabilities: Matrix, names: Sequence[str]) -> Matrix:
        """Another version's probabilities of these classes, shape (rows, classes): 0 of a class it does not have.

        Args:
            probabilities: Shape (rows, names).
            names: The classes of the other version.
        """
        places = {name: place for place, name in enumerate(names)}
        absent = np.zeros(len(probabilities))
        return np.column_stack([probabilities[:, places[name]] if name in places else absent for name in self.names])

    def shared_with(self, classes: LabelClasses) -> tuple[str, ...]:
        """The classes that mean the same to both versions, in the order of this one's.

        A class that counts outcomes outside of the classes means the same only if the classes are the same.
        """
        if set(self.names) == set(classes.names) and self.other == classes.other:
            return self.names
        others = {self.other, classes.other}
        return tuple(name for name in self.names if name in classes.names and name not in others)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"names": list(self.names), "other": self.other}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> LabelClasses:
        """The inverse of `to_json`."""
        return cls(tuple(document["names"]), document["other"])


def label_values(rows: pa.Table, classes: LabelClasses | None) -> Matrix:
    """The labels of rows as numbers, shape (rows,): 1 and 0 of a condition, of a class its position."""
    return np.asarray(rows["label"].to_numpy()) if classes is None else classes.codes(rows["label"])


def scored_columns(scores: Matrix, classes: LabelClasses | None) -> dict[str, pa.Array]:
    """The columns of scored rows, by name.

    Of classes: the prediction, its probability as the score, and the probability of every class. The first of equally
    probable classes is predicted.

    Args:
        scores: Shape (rows,), of classes (rows, classes).
        classes: The classes of the version that scored; None if it predicts a condition or a number.
    """
    if classes is None:
        return {"score": pa.array(scores)}
    predicted = pa.array(classes.names, pa.string()).take(pa.array(scores.argmax(axis=1)))
    each = {column: pa.array(scores[:, place]) for place, column in enumerate(classes.columns)}
    return {"prediction": predicted, "score": pa.array(scores.max(axis=1)), **each}


def read_scores(rows: pa.Table, classes: LabelClasses | None, prefix: str = "") -> Matrix:
    """The scores of scored rows: shape (rows,), of classes the probability of each, shape (rows, classes).

    Args:
        rows: The columns of a score.
        classes: The classes of the version that scored them; None if it predicts a condition or a number.
        prefix: How the names of the columns begin.
    """
    if classes is None:
        return np.asarray(rows[f"{prefix}score"].to_numpy())
    return np.column_stack([rows[prefix + column].to_numpy() for column in classes.columns])


def finite_rows(scores: Matrix) -> npt.NDArray[np.bool_]:
    """Which rows have finite scores alone; of scores of shape (rows,), of classes (rows, classes)."""
    return np.asarray(np.isfinite(scores).reshape(len(scores), -1).all(axis=1)) if len(scores) else np.zeros(0, bool)


def settle_classes(rows: pa.Table, classes: LabelClasses | None) -> pa.Table:
    """The rows whose label counts, by the name of the class that it counts for; all rows of another kind of label."""
    if classes is None:
        return rows
    codes = classes.codes(rows["label"])
    counted = np.isfinite(codes)
    names = pa.array(classes.names, pa.string()).take(pa.array(codes[counted].astype(np.int64)))
    return rows.filter(pa.array(counted)).set_column(rows.schema.get_field_index("label"), "label", names)
