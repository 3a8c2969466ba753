"""Features that a caller sent, checked against the types of a version's features."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nightshift.errors import DataError
from nightshift.registry.encoder import FEATURE_ARROW
from nightshift.serving.refusals import RequestRefusal, RowError
from nightshift.serving.request_body import Absent, SentRows

NUMBER_OR_NULL, TEXT_OR_NULL = "a number, or null if it is missing", "a text, or null if it is missing"
# What JSON's values of a column may be, and the type of the column in a published feature table.
JSON_TYPES: Mapping[str, frozenset[type]] = {
    "number": frozenset({float, int, type(None)}),
    "category": frozenset({str, type(None)}),
}


@dataclass(frozen=True)
class FeatureRows:
    """The rows of a request that can be scored, and why others cannot.

    Attributes:
        table: The features of the rows that can be scored, in their order.
        positions: The position of each of them in the request, shape (rows,).
        errors: What is wrong with the others, in the order of the rows.
    """

    table: pa.Table
    positions: npt.NDArray[np.int64]
    errors: tuple[RowError, ...]


def check_features(sent: SentRows, types: Mapping[str, str], ignored: Collection[str]) -> FeatureRows:
    """Checks sent rows against the features of a version; no value is converted that would change.

    Args:
        sent: The rows.
        types: The version's features with their types.
        ignored: Further columns that callers may send, such as features that other versions use.

    Raises:
        RequestRefusal: If a column is unknown or missing.
    """
    _check_columns(sent, types, ignored)
    errors = [
        RowError(row, error)
        for name, kind in (types.items() if sent.count else ())
        if not _is_valid(values := sent.columns[name], kind)
        for row, value in enumerate(values)
        if (error := CHECKS[kind](name, value))
    ]
    bad = {error.row for error in errors}
    positions = np.array([row for row in range(sent.count) if row not in bad], dtype=np.int64)
    columns = {}
    for name, kind in types.items():
        values = sent.columns[name] if sent.count else ()
        columns[name] = pa.array([values[row] for row in positions] if bad else values, FEATURE_ARROW[kind])
    return FeatureRows(pa.table(columns), positions, tuple(sorted(errors, key=lambda error: error.row)))


def _check_columns(sent: SentRows, types: Mapping[str, str], ignored: Collection[str]) -> None:
    errors = []
    for name in sent.columns:
        if name not in types and name not in ignored:
            near = difflib.get_close_matches(name, types, n=1)
            fix = f"did you mean {near[0]}?" if near else "leave it out"
            errors.append(DataError("no such feature", where=f"column {name}", allowed=list(types), fix=fix))
    for name in types if sent.count else ():
        if name not in sent.columns:
            fix = "send it, with null where it is missing"
            errors.append(DataError("the feature is absent", where=f"column {name}", fix=fix))
    if errors:
        raise RequestRefusal(HTTPStatus.UNPROCESSABLE_ENTITY, *errors)


def _is_valid(values: Sequence[Any], kind: str) -> bool:
    """Whether no value of a column needs a second look: that of each row takes as long as its score."""
    if not JSON_TYPES[kind].issuperset(map(type, values)):
        return False
    if kind != "number":
        return True
    try:
        numbers = pa.array(values, pa.float64())
    except (pa.ArrowException, OverflowError):
        return False
    return all(map(math.isfinite, numbers.drop_null().to_numpy()))


def _number_error(name: str, value: Any) -> DataError | None:
    if isinstance(value, bool) or not isinstance(value, float | int | None):
        return _value_error("no number", name, value, NUMBER_OR_NULL)
    if isinstance(value, int) and not _is_exact(value):
        return _value_error("the number has more digits than a double", name, value, "-2^53 to 2^53, or a float")
    if isinstance(value, float) and not math.isfinite(value):
        return _value_error("the number is out of range", name, value, "a finite double")
    return None


def _is_exact(value: int) -> bool:
    return abs(value) <= 2**53


def _text_error(name: str, value: Any) -> DataError | None:
    return None if isinstance(value, str | None) else _value_error("no text", name, value, TEXT_OR_NULL)


def _value_error(problem: str, name: str, value: Any, allowed: str) -> DataError:
    if isinstance(value, Absent):
        return DataError("the feature is absent", where=f"column {name}", received=None, allowed=allowed, fix="send it")
    return DataError(problem, where=f"column {name}", received=value, allowed=allowed, fix="correct the row")


CHECKS: Mapping[str, Callable[[str, Any], DataError | None]] = {"number": _number_error, "category": _text_error}
