"""Scores rows of features as a night scores its own."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nightshift.errors import DataError, TerminalError
from nightshift.registry.classes import Matrix, finite_rows
from nightshift.registry.package import ModelPackage
from nightshift.serving.feature_rows import CheckedRows
from nightshift.serving.refusals import RequestRefusal, RowError
from nightshift.serving.served_version import ServedVersion

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ScoredRows:
    """What is answered for the rows of a request.

    Attributes:
        predictions: The columns of each row's score, by name, in the order of the request; None of a row with an error.
        errors: Why rows have no score, in their order.
    """

    predictions: list[dict[str, Any] | None]
    errors: tuple[RowError, ...]


def score_rows(version: ServedVersion, rows: CheckedRows, count: int, *, partial: bool) -> ScoredRows:
    """Scores rows that were checked.

    Args:
        version: The version that scores.
        rows: The rows with the version's features, and the errors of others.
        count: The number of rows that were sent.
        partial: Whether rows without error are scored though others have one.

    Raises:
        RequestRefusal: If a row has an error and not `partial`.
    """
    package = version.package
    if rows.errors and not partial:
        raise RequestRefusal(HTTPStatus.UNPROCESSABLE_ENTITY, *rows.errors)
    scores, positions, refused = _score(package, rows)
    errors = [*rows.errors, *refused]
    finite = finite_rows(scores)
    no_score = DataError("the version gives these features no finite score")
    errors += [RowError(position, no_score) for position in positions[~finite].tolist()]
    if errors and not partial:
        raise RequestRefusal(HTTPStatus.UNPROCESSABLE_ENTITY, *errors)
    predictions = _as_rows(package.scored_columns(scores))
    if not errors:
        return ScoredRows(predictions, ())
    answered: list[dict[str, Any] | None] = [None] * count
    for place in np.flatnonzero(finite):
        answered[positions[place]] = predictions[place]
    return ScoredRows(answered, tuple(sorted(errors, key=lambda error: error.row)))


def _score(package: ModelPackage, rows: CheckedRows) -> tuple[Matrix, Positions, list[RowError]]:
    """The scores of rows with their positions, and the errors of those that the estimator refuses.

    Raises:
        RequestRefusal: If it refuses rows for another reason than a missing or an infinite value.
    """
    try:
        return package.score(rows.table), rows.positions, []
    except TerminalError as error:
        matrix = package.encoder.matrix(rows.table)
        complete = np.isfinite(matrix).all(axis=1)
        if complete.all():
            raise RequestRefusal(HTTPStatus.UNPROCESSABLE_ENTITY, error) from None
    refused = [
        RowError(int(rows.positions[place]), _gap(package, matrix[place])) for place in np.flatnonzero(~complete)
    ]
    return package.score(rows.table.filter(pa.array(complete))), rows.positions[complete], refused


def _gap(package: ModelPackage, row: Matrix) -> DataError:
    """The error of a row, shape (features,), that lacks a value that the estimator needs."""
    names = [name for name, value in zip(package.encoder.types, row, strict=True) if not np.isfinite(value)]
    return DataError(
        "the version takes no missing value, and no category that it has not learned",
        where=f"column {', '.join(names)}",
        fix="send a value, or declare `training.impute` and train a new version",
    )


def _as_rows(columns: dict[str, pa.Array]) -> list[dict[str, Any] | None]:
    if len(columns) == 1:
        [(name, column)] = columns.items()
        return [{name: value} for value in column.to_pylist()]
    names, values = list(columns), [column.to_pylist() for column in columns.values()]
    return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]
