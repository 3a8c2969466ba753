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

from nightshift.errors import DataError, shown
from nightshift.registry.encoder import FEATURE_ARROW
from nightshift.serving.refusals import MOST_ERRORS, RequestRefusal, RowError
from nightshift.serving.request_body import Absent, SentRows, Values

NUMBER_OR_NULL, TEXT_OR_NULL = "a number, or null if it is missing", "a text, or null if it is missing"
# What JSON's values of a column may be, and the type of the column in a published feature table.
JSON_TYPES: Mapping[str, frozenset[type]] = {
    "number": frozenset({float, int, type(None)}),
    "category": frozenset({str, type(None)}),
}


@dataclass(frozen=True)
class CheckedRows:
    """The rows of a request that can be used, and why others cannot.

    Attributes:
        table: The columns of the rows that can be used, in their order.
        positions: The position of each of them in the request, shape (rows,).
        errors: What is wrong with the others, in the order of the rows.
    """

    table: pa.Table
    positions: npt.NDArray[np.int64]
    errors: tuple[RowError, ...]


def check_features(
    sent: SentRows, types: Mapping[str, str], ignored: Collection[str], fixes: Mapping[str, str] | None = None
) -> CheckedRows:
    """Checks sent rows against the features of a version; no value is converted that would change.

    Args:
        sent: The rows.
        types: The version's features with their types.
        ignored: Further columns that callers may send, such as features that other versions use.
        fixes: What to do about columns that callers may take for features, by name.

    Raises:
        RequestRefusal: If a column is unknown or missing.
    """
    check_columns(sent, types, ignored, fixes)
    values: dict[str, Values] = {name: sent.columns[name] if sent.count else () for name in types}
    columns = {name: _as_column(values[name], kind) for name, kind in types.items()}
    looked_at = {name: _as_list(values[name]) for name, column in columns.items() if column is None}
    errors = [
        RowError(row, error)
        for name, of_rows in looked_at.items()
        for row, value in enumerate(of_rows)
        if (error := CHECKS[types[name]](name, value))
    ]
    if not looked_at:
        return CheckedRows(pa.table(columns), np.arange(sent.count), ())
    bad = {error.row for error in errors}
    good = np.array([row for row in range(sent.count) if row not in bad], np.int64)
    for name, column in columns.items():
        kept = [looked_at[name][row] for row in good] if column is None else column.take(pa.array(good))
        columns[name] = pa.array(kept, FEATURE_ARROW[types[name]])
    return CheckedRows(pa.table(columns), good, tuple(sorted(errors, key=lambda error: error.row)))


def check_columns(
    sent: SentRows, needed: Collection[str], others: Collection[str], fixes: Mapping[str, str] | None = None
) -> None:
    """Requires that rows have the columns that are needed, and no unknown ones.

    Args:
        sent: The rows.
        needed: The columns that are needed.
        others: The columns that they may have beside those.
        fixes: What to do about certain other columns, by name.

    Raises:
        RequestRefusal: With an error for each column.
    """
    errors = []
    unknown = [name for name in sent.columns if name not in needed and name not in others]
    for name in unknown[:MOST_ERRORS]:  # to look for what each may mean takes long
        fix = (fixes or {}).get(name) or _nearest(name, needed)
        errors.append(DataError("no such column", where=f"column {shown(name)}", allowed=list(needed), fix=fix))
    for name in needed if sent.count else ():
        if name not in sent.columns:
            fix = "send it, with null where it is missing"
            errors.append(DataError("the column is absent", where=f"column {name}", fix=fix))
    if errors:
        raise RequestRefusal(HTTPStatus.UNPROCESSABLE_ENTITY, *errors)


def _nearest(name: str, needed: Collection[str]) -> str:
    near = difflib.get_close_matches(name, needed, n=1)
    return f"did you mean {near[0]}?" if near else "leave it out"


def _as_list(values: Values) -> Sequence[Any]:
    return list(values.to_pylist()) if isinstance(values, pa.Array) else values


def _as_column(values: Values, kind: str) -> pa.Array | None:
    """The values as a column of features; None if one of them is wrong, which only a look at each can tell."""
    try:
        if isinstance(values, pa.Array):
            column = _cast(values, kind)
        else:
            column = pa.array(values, FEATURE_ARROW[kind]) if JSON_TYPES[kind].issuperset(map(type, values)) else None
    except (pa.ArrowException, OverflowError):
        return None
    if column is not None and kind == "number":
        finite = np.isfinite(column.to_numpy(zero_copy_only=False)).sum()  # null is not
        return column if finite == len(column) - column.null_count else None
    return column


def _cast(values: pa.Array, kind: str) -> pa.Array | None:
    """A number as a double that equals it, or a text; None if the column is neither."""
    is_text = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    return values.cast(FEATURE_ARROW[kind]) if is_text == (kind == "category") else None


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
        return DataError("the value is absent", where=f"column {name}", received=None, allowed=allowed, fix="send it")
    return DataError(problem, where=f"column {name}", received=value, allowed=allowed, fix="correct the row")


CHECKS: Mapping[str, Callable[[str, Any], DataError | None]] = {"number": _number_error, "category": _text_error}
