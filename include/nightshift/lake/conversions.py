"""The conversions of landed columns: from the type that a file stores to the type that its source declares.

`CONVERSIONS` is closed: a pair that it does not list is refused, and so is a value that a rule does not allow. CSV
files store text; what their text and a stored value of the same meaning become is the same, or both are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.source import ColumnType
from nightshift.lake import conversion_rules as rules
from nightshift.lake.conversion_rules import (
    CONVERSION_ERRORS,
    PLAIN_NOTATION,
    Notation,
    Rule,
    UnconvertibleError,
    Values,
)
from nightshift.lake.tables import ARROW

__all__ = [
    "CONVERSIONS", "CONVERSION_ERRORS", "PLAIN_NOTATION", "STORED_KINDS", "Conversion", "Notation",
    "UnconvertibleError", "conversion_of", "convert", "declarable_types", "decoded", "stored_kind",
]  # fmt: skip


class Conversion(NamedTuple):
    """A row of the table of conversions.

    Attributes:
        stored: The kind of type that a file stores, a key of `STORED_KINDS`.
        declared: The declared type of the column.
        rule: The values that are converted, and to what, in words.
        apply: Converts values; raises one of `CONVERSION_ERRORS` if it refuses any.
    """

    stored: str
    declared: ColumnType
    rule: str
    apply: Rule


def stored_kind(stored: pa.DataType) -> str:
    """The kind of a stored type, as the table of conversions names it; the type itself if the table has none."""
    return next((kind for kind, (_, is_kind) in STORED_KINDS.items() if is_kind(stored)), str(stored))


def declarable_types(stored: pa.DataType) -> list[str]:
    """The types that a stored type can be converted to."""
    return [conversion.declared for conversion in CONVERSIONS if conversion.stored == stored_kind(stored)]


def conversion_of(stored: pa.DataType, declared: str) -> Conversion | None:
    """The row of the table for a pair of types; None if the pair is refused. `stored` is not a dictionary."""
    kind = stored_kind(stored)
    return next((row for row in CONVERSIONS if (row.stored, row.declared) == (kind, declared)), None)


def convert(values: Values, declared: str, notation: Notation = PLAIN_NOTATION) -> Values:
    """Converts a column of a landed file to a declared type; empty texts and NaN become null.

    Args:
        values: The column as it is stored.
        declared: The declared type.
        notation: How the source writes its values.

    Raises:
        UnconvertibleError, pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError: If a value is refused.
    """
    values = _without_blanks(decoded(values))
    target = ARROW[declared]
    if values.null_count == len(values):  # a column without any value is stored as any type
        return pa.chunked_array([pa.nulls(len(values), target)])
    conversion = conversion_of(values.type, declared)
    if conversion is None:
        problem = f"is stored as {values.type}, which is not converted to {declared}"
        raise UnconvertibleError(problem, "declare a type that is allowed, or land the column as the declared type")
    # A second time, since the text "NAN" became NaN.
    return _without_blanks(conversion.apply(values, notation)).cast(target)


def decoded(values: Values) -> Values:
    """Replaces dictionary codes by their values, and every type of text by one. Bytes are text in UTF-8."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if stored_kind(values.type) == "text" and not pa.types.is_string(values.type):
        values = values.cast(pa.string())
    return values


def _without_blanks(values: Values) -> Values:
    """Replaces empty texts and NaN by null: a CSV file cannot distinguish them, so no format does."""
    if pa.types.is_floating(values.type):
        blank = pc.is_nan(values)
    elif pa.types.is_string(values.type):
        blank = pc.equal(values, "")
    else:
        return values
    return pc.if_else(blank, pa.scalar(None, values.type), values) if pc.any(blank).as_py() else values


# ---- the table

STORED_KINDS: dict[str, tuple[str, Callable[[pa.DataType], bool]]] = {
    "text": (
        "every column of a CSV file; STRING, ENUM, JSON and BYTE_ARRAY in UTF-8 in Parquet, also as categories",
        lambda kind: (
            isinstance(kind, pa.JsonType)
            or pa.types.is_string(kind)
            or pa.types.is_large_string(kind)
            or pa.types.is_string_view(kind)
            or pa.types.is_binary(kind)
            or pa.types.is_large_binary(kind)
            or pa.types.is_binary_view(kind)
        ),
    ),
    "integer": ("INT of 8 to 64 bits, with and without a sign", pa.types.is_integer),
    "floating point": ("DOUBLE, FLOAT, FLOAT16", pa.types.is_floating),
    "decimal": ("DECIMAL", pa.types.is_decimal),
    "boolean": ("BOOLEAN", pa.types.is_boolean),
    "date": ("DATE", pa.types.is_date),
    "local time": (
        "TIMESTAMP that is not adjusted to UTC: a clock without a zone",
        lambda kind: pa.types.is_timestamp(kind) and kind.tz is None,
    ),
    "instant": (
        "TIMESTAMP that is adjusted to UTC; INT96, which Spark writes",
        lambda kind: pa.types.is_timestamp(kind) and kind.tz is not None,
    ),
    "time of day": ("TIME", pa.types.is_time),
    "UUID": ("UUID", lambda kind: isinstance(kind, pa.UuidType)),
}

_ZERO_OR_ONE = "1 is true, 0 is false; no other number"

# (stored, declared, rule in words, rule)
_ROWS: tuple[tuple[str, ColumnType, str, Rule], ...] = (
    ("text", "string", "as it is", rules.unchanged),
    ("text", "integer", "`17`, `17.0`, `2e3`; with a decimal point or an exponent below 2^53", rules.text_to_integer),
    ("text", "number", "`17`, `17.5`, `1e-3`, `inf`; digits alone below 2^53", rules.text_to_number),
    ("text", "boolean", "`true`, `True`, `TRUE`, `1`; `false`, `False`, `FALSE`, `0`", rules.text_to_boolean),
    ("text", "date", "`2013-07-04`; with a time, if that is midnight by the source's clock", rules.text_to_date),
    (
        "text",
        "timestamp",
        "ISO 8601 with its offset, `2013-07-04T06:00:00Z`, or by the source's clock, `2013-07-04T06:00:00`; at most "
        "microseconds",
        rules.text_to_timestamp,
    ),
    ("integer", "string", "its digits", lambda values, _: values.cast(pa.string())),
    ("integer", "integer", "of at most 63 bits and a sign", lambda values, _: values.cast(pa.int64())),
    ("integer", "number", "below 2^53", rules.integer_to_number),
    ("integer", "boolean", _ZERO_OR_ONE, rules.number_to_boolean),
    (
        "floating point",
        "string",
        "its digits without an exponent; whole numbers without a decimal point, below 2^53 (FLOAT: 2^24); none that is "
        "infinite",
        rules.float_to_text,
    ),
    ("floating point", "integer", "whole, below 2^53 (FLOAT: 2^24)", rules.float_to_integer),
    ("floating point", "number", "as it is; -0.0 is 0.0", rules.float_to_number),
    ("floating point", "boolean", _ZERO_OR_ONE, rules.float_to_boolean),
    ("decimal", "string", "its digits without an exponent", rules.decimal_to_text),
    ("decimal", "integer", "whole; with decimal places below 2^53", rules.through_text(rules.text_to_integer)),
    (
        "decimal",
        "number",
        "the nearest number; without decimal places below 2^53",
        rules.through_text(rules.text_to_number),
    ),
    ("decimal", "boolean", _ZERO_OR_ONE, rules.through_text(rules.text_to_boolean)),
    ("boolean", "string", "`true`, `false`", lambda values, _: values.cast(pa.string())),
    ("boolean", "boolean", "as it is", rules.unchanged),
    ("date", "string", "`2013-07-04`", rules.date_to_text),
    ("date", "date", "as it is", rules.dates),
    ("date", "timestamp", "its midnight by the source's clock", rules.date_to_timestamp),
    ("local time", "date", "midnight", rules.time_to_date),
    ("local time", "timestamp", "by the source's clock; at most microseconds", rules.time_to_timestamp),
    ("instant", "date", "midnight by the source's clock", rules.time_to_date),
    ("instant", "timestamp", "as it is; at most microseconds", rules.time_to_timestamp),
    ("time of day", "string", "`06:30:00`, `06:30:00.5`", rules.clock_to_text),
    ("UUID", "string", "`0123abcd-0123-4567-89ab-0123456789ab`", rules.uuid_to_text),
)
CONVERSIONS = tuple(Conversion(*row) for row in _ROWS)
