"""Which expectations every value of a batch satisfies, by Arrow where the rows are.

Of a good night that is nearly all of them, and Great Expectations has nothing left to count. An expectation that some
value breaks, or that cannot be decided here, is Great Expectations' to judge.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.quality.expectation import BETWEEN, IN_SET, MATCHES, NOT_NULL, ExpectationSpec

Arguments = Mapping[str, Any]


def is_screened(expectation: ExpectationSpec) -> bool:
    """Whether an expectation can be decided here: a value by itself satisfies it, whatever other values there are."""
    return expectation.kind in _TESTS and {name for name, _ in expectation.arguments} <= _ARGUMENTS[expectation.kind]


def is_satisfied(expectation: ExpectationSpec, rows: pa.Table) -> bool:
    """Whether every row of a batch satisfies a screened expectation, a missing value as Great Expectations takes it.

    Args:
        expectation: The expectation.
        rows: Rows, NaN as a missing value.

    Returns:
        False also where it cannot be decided here, such as a bound of another type than the column's.
    """
    arguments = dict(expectation.arguments)
    if arguments["column"] not in rows.schema.names:
        return False
    return _TESTS[expectation.kind](rows[arguments["column"]], arguments)


def _are_present(values: pa.ChunkedArray, arguments: Arguments) -> bool:
    del arguments
    return bool(values.null_count == 0)


def _are_between(values: pa.ChunkedArray, arguments: Arguments) -> bool:
    bounds = arguments.get("min_value"), arguments.get("max_value")
    if not _is_number(values.type) or not all(bound is None or type(bound) in {int, float} for bound in bounds):
        return False
    least, most = pc.min_max(values).as_py().values()
    if least is None:
        return True
    return (bounds[0] is None or least >= bounds[0]) and (bounds[1] is None or most <= bounds[1])


def _are_in_set(values: pa.ChunkedArray, arguments: Arguments) -> bool:
    try:
        allowed = pa.array(arguments["value_set"], values.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return False
    return pc.all(pc.is_in(values.drop_null(), value_set=allowed)).as_py() is not False


def _match(values: pa.ChunkedArray, arguments: Arguments) -> bool:
    if not pa.types.is_string(values.type):
        return False
    pattern = re.compile(arguments["regex"])
    return all(pattern.search(value) for value in pc.unique(values.drop_null()).to_pylist())


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


_TESTS: dict[str, Callable[[pa.ChunkedArray, Arguments], bool]] = {
    NOT_NULL: _are_present,
    BETWEEN: _are_between,
    IN_SET: _are_in_set,
    MATCHES: _match,
}
_ARGUMENTS = {
    NOT_NULL: {"column"},
    BETWEEN: {"column", "min_value", "max_value"},
    IN_SET: {"column", "value_set"},
    MATCHES: {"column", "regex"},
}
