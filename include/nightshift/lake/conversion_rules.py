"""The rules of the conversions of landed columns: a function from stored values to values of a declared type.

Each raises an error if it refuses any value. `conversions.py` says which rule is for which pair of types.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.lake.instants import date_of_instants, instants_of_texts, instants_of_times, to_microseconds
from nightshift.lake.zeros import plain_zeros

Values: TypeAlias = pa.ChunkedArray

# From here on a floating point number no longer has every integer as a neighbour: digits may be lost. By bits.
EXACT: dict[int, int] = {16: 2**11, 32: 2**24, 64: 2**53}
UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}  # of a second
DAYS = tuple((day - date(1970, 1, 1)).days for day in (date.min, date.max))

# What is refused, which continues "column 'x' …", and the repair.
Refusal: TypeAlias = tuple[str, str]
LOST_DIGITS: Refusal = (
    "holds a number of so many digits that a floating point number may have lost some",
    "land it as an integer, a decimal or text",
)
FINER_DIGITS: Refusal = (
    "holds a time with digits beyond the microsecond, which would be lost",
    "land it with at most six digits of a second",
)
BEYOND_CALENDAR: Refusal = ("holds a time outside the years 0001 to 9999", "land it as missing, or within these years")
BEYOND_DAY: Refusal = ("holds a time of day outside 00:00 to 24:00", "land it as missing, or as a time before midnight")
NO_MIDNIGHT: Refusal = ("holds a time of day, which a date would lose", "declare it as timestamp, or land dates")
POINT: Refusal = (
    "holds a number with a point, and its source writes a decimal comma",
    "land the file again, or correct `csv.decimal` or `csv.thousands` in the definition",
)
TOO_LARGE: Refusal = ("holds a number that is too large for a number of 64 bits", "land it as missing, or as `inf`")
LONGEST_NUMERAL = 40  # characters of an integer
INFINITE: Refusal = ("holds an infinite number, which is not converted to text", "declare it as number, or land texts")

TRUE = r"^(true|True|TRUE|\+?1(\.0*)?)$"
FALSE = r"^(false|False|FALSE|[+-]?0(\.0*)?)$"


@dataclass(frozen=True)
class Notation:
    """How a source writes its values.

    Attributes:
        zone: The time zone of times that are written without one.
        decimal: The decimal point of numbers that are written as text.
        thousands: The character between groups of three of their digits; empty if there is none.
    """

    zone: str = "UTC"
    decimal: str = "."
    thousands: str = ""


PLAIN_NOTATION = Notation()
Rule: TypeAlias = Callable[[Values, Notation], Values]


class UnconvertibleError(ValueError):
    """A value that a rule does not allow.

    Attributes:
        problem: What is wrong; it continues "column 'x' …".
        fix: The repair.
    """

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(problem)
        self.problem, self.fix = problem, fix


# What a conversion raises if it refuses a value.
CONVERSION_ERRORS = (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnconvertibleError)


# ---- from text


def unchanged(values: Values, _: Notation) -> Values:
    """The values as they are."""
    return values


def _numerals(values: Values, notation: Notation) -> Values:
    """Texts of numbers with the decimal point that Arrow reads."""
    if notation.thousands:
        group, point = re.escape(notation.thousands), re.escape(notation.decimal)
        grouped = pc.match_substring_regex(values, rf"^[+-]?[0-9]{{1,3}}(?:{group}[0-9]{{3}})+(?:{point}[0-9]*)?$")
        values = pc.if_else(grouped, pc.replace_substring(values, notation.thousands, ""), values)
    if notation.decimal == ".":
        return values
    _refuse_if(pc.match_substring(values, "."), POINT)
    return pc.replace_substring(values, notation.decimal, ".")


def text_to_integer(values: Values, notation: Notation) -> Values:
    """Whole numbers with and without a decimal point or an exponent; NaN is missing."""
    texts = _numerals(values, notation)
    texts = pc.if_else(pc.match_substring_regex(texts, r"^[+-]?nan$", ignore_case=True), pa.scalar(None), texts)
    _refuse_if(pc.greater(pc.utf8_length(texts), LONGEST_NUMERAL))  # Arrow would wrap some of them around
    integers = texts.cast(pa.decimal128(38, 9)).cast(pa.int64())  # accepts 17.0 and 2e3, and keeps every digit
    if not _within(integers, EXACT[64]):
        # Integers with a missing value among them are written so by way of floating point numbers.
        beyond = pc.or_(pc.greater_equal(integers, EXACT[64]), pc.less_equal(integers, -EXACT[64]))
        _refuse_if(pc.and_(pc.match_substring_regex(texts, "[.eE]"), beyond), LOST_DIGITS)
    return integers


def text_to_number(values: Values, notation: Notation) -> Values:
    """Numbers, -0.0 as 0.0."""
    texts = _numerals(values, notation)
    numbers = texts.cast(pa.float64())
    large = pc.greater_equal(pc.abs(numbers), float(EXACT[64]))
    if pc.any(large).as_py():
        _refuse_if(pc.and_(large, pc.match_substring_regex(texts, r"^[+-]?\d+$")), LOST_DIGITS)
        _refuse_if(pc.and_(pc.is_inf(numbers), pc.match_substring_regex(texts, r"\d")), TOO_LARGE)
    return plain_zeros(numbers)


def text_to_boolean(values: Values, notation: Notation) -> Values:
    """The words and numbers that systems write for true and false."""
    texts = _numerals(values, notation)
    true, false = pc.match_substring_regex(texts, TRUE), pc.match_substring_regex(texts, FALSE)
    _refuse_if(pc.invert(pc.or_(true, false)))
    return true


def text_to_date(values: Values, notation: Notation) -> Values:
    """Dates, and times that are midnight by the source's clock."""
    timed = pc.greater(pc.utf8_length(values), len("2024-01-02"))
    if not pc.any(timed).as_py():
        return dates(values, notation)
    null = pa.scalar(None, values.type)
    instants = instants_of_texts(pc.if_else(timed, values, null), notation.zone)
    days = dates(pc.if_else(timed, null, values), notation)
    return pc.coalesce(days, _midnights(instants, notation))


def text_to_timestamp(values: Values, notation: Notation) -> Values:
    """Instants by their own offset or by the source's clock."""
    _refuse_if(pc.match_substring_regex(values, r"\.\d{6}\d*[1-9]"), FINER_DIGITS)
    return _in_calendar(instants_of_texts(values, notation.zone))


# ---- from numbers


def integer_to_number(values: Values, _: Notation) -> Values:
    """Integers that a floating point number is equal to."""
    if not _within(values, EXACT[64]):
        raise UnconvertibleError(*LOST_DIGITS)
    return values.cast(pa.float64())


def number_to_boolean(values: Values, _: Notation) -> Values:
    """Zero and one."""
    true = pc.equal(values, pa.scalar(1, values.type))
    _refuse_if(pc.invert(pc.or_(true, pc.equal(values, pa.scalar(0, values.type)))))
    return true


def float_to_integer(values: Values, _: Notation) -> Values:
    """Whole numbers, of as many digits as their width surely keeps."""
    numbers = values.cast(pa.float64())
    if not _within(numbers, EXACT[values.type.bit_width]):
        raise UnconvertibleError(*LOST_DIGITS)
    return numbers.cast(pa.int64())


def float_to_number(values: Values, _: Notation) -> Values:
    """Numbers of 64 bits, -0.0 as 0.0."""
    return plain_zeros(values.cast(pa.float64()))


def float_to_boolean(values: Values, notation: Notation) -> Values:
    """Zero and one."""
    return number_to_boolean(values.cast(pa.float64()), notation)


def float_to_text(values: Values, _: Notation) -> Values:
    """Digits without an exponent, of whole numbers without a decimal point."""
    limit, numbers = EXACT[values.type.bit_width], values.cast(pa.float64())
    _refuse_if(pc.is_inf(numbers), INFINITE)
    integral = pc.equal(pc.trunc(numbers), numbers)
    if not _within(pc.if_else(integral, numbers, None), limit):
        raise UnconvertibleError(*LOST_DIGITS)
    digits = pc.if_else(integral, numbers, None).cast(pa.int64()).cast(pa.string())
    return pc.coalesce(digits, _positional(pc.if_else(integral, None, values).cast(pa.string())))


def decimal_to_text(values: Values, _: Notation) -> Values:
    """Digits without an exponent."""
    return _positional(values.cast(pa.string()))


def through_text(rule: Rule) -> Rule:
    """A rule for decimals: converts them as their digits in a CSV file."""
    return lambda values, notation: rule(decimal_to_text(values, notation), Notation(notation.zone))


def _positional(texts: Values) -> Values:
    """Numerals without exponents."""
    exponent = pc.match_substring_regex(texts, "[eE]")
    if not pc.any(exponent).as_py():
        return texts
    encoded = pc.if_else(exponent, texts, None).combine_chunks().dictionary_encode()
    written = pa.array([format(Decimal(text), "f") for text in encoded.dictionary.to_pylist()], pa.string())
    return pc.coalesce(pa.chunked_array([written.take(encoded.indices)]), texts)


# ---- from dates and times


def date_to_timestamp(values: Values, notation: Notation) -> Values:
    """Midnights by the source's clock."""
    return _in_calendar(instants_of_times(dates(values, notation).cast(pa.timestamp("us")), notation.zone))


def date_to_text(values: Values, notation: Notation) -> Values:
    """Dates in ISO 8601."""
    return dates(values, notation).cast(pa.string())


def dates(values: Values, _: Notation) -> Values:
    """Dates of the years 0001 to 9999."""
    days = values.cast(pa.date32()).cast(pa.int32())
    first, last = (pa.scalar(day, pa.int32()) for day in DAYS)
    _refuse_if(pc.or_(pc.less(days, first), pc.greater(days, last)), BEYOND_CALENDAR)
    return days.cast(pa.date32())


def time_to_timestamp(values: Values, notation: Notation) -> Values:
    """Instants; times without a zone by the source's clock."""
    times = _microseconds(values)
    if times.type.tz is None:
        times = instants_of_times(times, notation.zone)
    return _in_calendar(times)


def time_to_date(values: Values, notation: Notation) -> Values:
    """The dates of midnights; those of instants by the source's clock."""
    times = _microseconds(values)
    if times.type.tz is not None:
        return _midnights(times, notation)
    midnights = pc.floor_temporal(times, unit="day")
    _refuse_if(pc.not_equal(midnights, times), NO_MIDNIGHT)
    return dates(midnights, notation)


def clock_to_text(values: Values, _: Notation) -> Values:
    """Times of day in ISO 8601, without zeros at the end of their fraction."""
    since = values.cast(pa.int32() if pa.types.is_time32(values.type) else pa.int64())
    day = pa.scalar(24 * 60 * 60 * UNITS[values.type.unit], since.type)
    _refuse_if(pc.or_(pc.less(since, pa.scalar(0, since.type)), pc.greater_equal(since, day)), BEYOND_DAY)
    texts = pc.replace_substring_regex(values.cast(pa.string()), r"(\.\d*[1-9])0+$", r"\1")
    return pc.replace_substring_regex(texts, r"\.0+$", "")


def uuid_to_text(values: Values, _: Notation) -> Values:
    """UUIDs as they are usually written."""
    return pa.chunked_array([pa.array([value and str(value) for value in values.to_pylist()], pa.string())])


def _midnights(instants: Values, notation: Notation) -> Values:
    days, are_midnights = date_of_instants(instants, notation.zone)
    _refuse_if(pc.invert(are_midnights), NO_MIDNIGHT)
    return dates(days, notation)


def _microseconds(values: Values) -> Values:
    try:
        return to_microseconds(values)
    except pa.ArrowInvalid:
        raise UnconvertibleError(*(FINER_DIGITS if values.type.unit == "ns" else BEYOND_CALENDAR)) from None


def _in_calendar(instants: Values) -> Values:
    """Instants of the years that dates can have."""
    day = 24 * 60 * 60 * 10**6
    since = instants.cast(pa.int64())
    first, last = DAYS[0] * day, (DAYS[1] + 1) * day
    _refuse_if(pc.or_(pc.less(since, first), pc.greater_equal(since, last)), BEYOND_CALENDAR)
    return instants


def _refuse_if(refused: Values, refusal: Refusal | None = None) -> None:
    """Raises an error if any value is refused; without a reason, it is not of the declared type."""
    if pc.any(refused).as_py():
        raise UnconvertibleError(*refusal) if refusal else pa.ArrowInvalid("not of the declared type")


def _within(numbers: Values, limit: int) -> bool:
    """Whether all numbers are below a limit and above its negative."""
    ends = pc.min_max(numbers).as_py()
    return ends["min"] is None or (-limit < ends["min"] and ends["max"] < limit)
