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

from nightshift.quality.expectation import BETWEEN, IN_SET, MATCHES, NOT_NULL, UNIQUE, UNIQUE_TOGETHER, ExpectationSpec

Arguments = Mapping[str, Any]
INTEGER, NUMBER, BOOLEAN, TEXT = frozenset({int}), frozenset({int, float}), frozenset({bool}), frozenset({str})


def is_screened(expectation: ExpectationSpec) -> bool:
    """Whether an expectation can be decided here: a value by itself satisfies it, whatever other values there are."""
    arguments = dict(expectation.arguments)
    return expectation.kind in _TESTS and arguments.keys() <= _ARGUMENTS[expectation.kind] and _are_plain(arguments)


def distinct_columns(expectation: ExpectationSpec) -> tuple[str, ...]:
    """The columns whose values an expectation wants to be different in every row; none if it wants something else."""
    arguments = dict(expectation.arguments)
    if expectation.kind == UNIQUE and arguments.keys() == {"column"}:
        return (str(arguments["column"]),)
    if expectation.kind == UNIQUE_TOGETHER and arguments.keys() == {"column_list"}:
        return tuple(arguments["column_list"])
    return ()


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
    if _python_types(values.type) not in (INTEGER, NUMBER):
        return False
    least, most = pc.min_max(values).as_py().values()
    low, high = arguments.get("min_value"), arguments.get("max_value")
    return least is None or ((low is None or least >= low) and (high is None or most <= high))


def _are_in_set(values: pa.ChunkedArray, arguments: Arguments) -> bool:
    types = _python_types(values.type)
    if not all(type(value) in types for value in arguments["value_set"]):  # nothing is converted to be compared
        return False
    try:
        allowed = pa.array(arguments["value_set"], values.type)
    except (ValueError, OverflowError):  # such as a number or a text beyond what the column can have
        return False
    return pc.all(pc.is_in(values.drop_null(), value_set=allowed)).as_py() is not False


def _match(values: pa.ChunkedArray, arguments: Arguments) -> bool:
    if _python_types(values.type) != TEXT:
        return False
    pattern = re.compile(arguments["regex"])
    return all(pattern.search(value) for value in pc.unique(values.drop_null()).to_pylist())


def _are_plain(arguments: Arguments) -> bool:
    """Whether arguments have the values that are expected of them: what Great Expectations refuses it has to refuse."""
    low, high = arguments.get("min_value"), arguments.get("max_value")
    if not all(bound is None or type(bound) in NUMBER for bound in (low, high)):
        return False
    if low is not None and high is not None and not low <= high:
        return False
    return isinstance(arguments.get("value_set", []), list | tuple) and _is_pattern(arguments.get("regex", ""))


def _is_pattern(text: Any) -> bool:
    try:
        return isinstance(text, str) and re.compile(text) is not None
    except re.error:
        return False


def _python_types(kind: pa.DataType) -> frozenset[type]:
    """The types of Python that a column's values are compared with; none if it is not screened against values."""
    if pa.types.is_integer(kind):
        return INTEGER
    if pa.types.is_floating(kind):
        return NUMBER
    if pa.types.is_boolean(kind):
        return BOOLEAN
    return TEXT if pa.types.is_string(kind) else frozenset()


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
