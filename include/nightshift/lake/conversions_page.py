"""The documentation of the conversions, `docs/conversions.md`, from their table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from nightshift.definition.source import ColumnType
from nightshift.lake.conversions import CONVERSIONS, STORED_KINDS

INTRODUCTION = """\
# Conversions

<!-- Made from the table in include/nightshift/lake/conversions.py by `make docs`. -->

A column of a landed file is converted from the type that the file stores to the type that its source
[declares](definition.md#columns-of-a-source). Nothing is converted silently: a pair of types that is not listed here is
refused, and so is a value that the rule of its pair does not allow. The night then stops at `ingest`, with the file,
the row, the column and the value.

What one format refuses, the others refuse too: a value in a CSV file and the same value in a Parquet file become the
same, or both are refused.

- An empty text and a NaN are missing. A column without any value can be declared as any type.
- **Numbers of 2^53 or more**: a floating point number has about 16 digits. From 9007199254740992 on, two identifiers
  may have become the same number on their way, which happens where pandas stores integers with a missing value among
  them. Such numbers are refused unless they are stored as integers, decimals or digits without a point. Store
  identifiers as integers or as text.
- **-0.0** is 0.0.
- **Integers are neither dates nor instants**: they have no unit.
- **Dates and instants**: an instant is a date only if it is the midnight with which that date begins by the source's
  clock, its `timezone` or the schedule's. Times have at most microseconds, and years from 0001 to 9999.
- **INT96**, the format of Spark's timestamps by default, holds instants in UTC.

## Stored types

| stored type | in files |
|---|---|
"""

TABLE = """
## The table

A CSV file stores text. [`csv`](definition.md#csv-files) declares how it is written, with its null words and its decimal
point.

| stored type | declared type | what is converted, and to what |
|---|---|---|
"""


def conversions_page() -> str:
    """The page as Markdown."""
    kinds = "".join(f"| {kind} | {description} |\n" for kind, (description, _) in STORED_KINDS.items())
    return INTRODUCTION + kinds + TABLE + "".join(_rows()) + "\n" + "".join(_refused_types())


def _rows() -> Iterator[str]:
    for conversion in CONVERSIONS:
        yield f"| {conversion.stored} | `{conversion.declared}` | {conversion.rule} |\n"


def _refused_types() -> Iterator[str]:
    """For each stored type, the declared types to which it is not converted."""
    yield "Refused are all other pairs, among them:\n\n| stored type | not converted to |\n|---|---|\n"
    for kind in STORED_KINDS:
        converted = {conversion.declared for conversion in CONVERSIONS if conversion.stored == kind}
        refused = [f"`{declared}`" for declared in get_args(ColumnType) if declared not in converted]
        if refused:
            yield f"| {kind} | {', '.join(refused)} |\n"
    yield "| any other type, such as lists, structs, durations and bytes of fixed length | any type |\n"
