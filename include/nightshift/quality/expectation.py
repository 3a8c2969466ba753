"""What must hold of a staged set: named expectations, and the columns some of them need computed first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from typing import Any

import pyarrow as pa

from nightshift.definition.checks import Severity

# Great Expectations' own, by class name.
NOT_NULL = "ExpectColumnValuesToNotBeNull"
BETWEEN = "ExpectColumnValuesToBeBetween"
IN_SET = "ExpectColumnValuesToBeInSet"
MATCHES = "ExpectColumnValuesToMatchRegex"
UNIQUE = "ExpectColumnValuesToBeUnique"
UNIQUE_TOGETHER = "ExpectCompoundColumnsToBeUnique"
ROW_COUNT = "ExpectTableRowCountToBeBetween"
MEAN = "ExpectColumnMeanToBeBetween"
SPREAD = "ExpectColumnStdevToBeBetween"
PRESENT = "ExpectColumnProportionOfNonNullValuesToBeBetween"
DISTINCT = "ExpectColumnUniqueValueCountToBeBetween"
NEWEST = "ExpectColumnMaxToBeBetween"
# Nightshift's own, in `quality/mix.py`.
MIX = "ExpectColumnMixToBeNear"
# What is seen without looking at rows.
NEW_FILE = "ExpectFileToBeNew"

# Around a pattern that the whole value is to match; the end is said in a way that Python and Java read alike.
WHOLE = (r"^(?:", r")(?![\s\S])")


@dataclass(frozen=True)
class ExpectationSpec:
    """One Great Expectations expectation.

    Attributes:
        kind: Its class name.
        subject: What it is about, for people: a column, several, a rule, rows.
        arguments: Its arguments.
        severity: What follows where it does not hold.
        note: Where its bounds come from, if the definition does not name them; of a rule, the rule.
        computed: Whether it is about a computed column.
    """

    kind: str
    subject: str
    arguments: tuple[tuple[str, Any], ...]
    severity: Severity = "fail"
    note: str = ""
    computed: bool = False

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """The least and the most that is allowed, of those that have bounds."""
        given = dict(self.arguments)
        return given.get("min_value"), given.get("max_value")


@dataclass(frozen=True)
class ComputedColumn:
    """A column that an expectation needs and no file has.

    Attributes:
        expression: DuckDB SQL over the row's columns.
        columns: Those it looks at.
        known: The table `known` that it may look at.
        zone: The time zone by whose clock an instant is read.
    """

    expression: str
    columns: tuple[str, ...]
    known: pa.Table | None = None
    zone: str = "UTC"


@dataclass(frozen=True)
class Contract:
    """Every expectation over one table.

    Attributes:
        table: The table.
        expectations: What must hold.
        share: The largest share of rows that may be set aside.
        computed: The columns to compute first, by name.
        folder: Where the definition is, for expectations of its own.
    """

    table: str
    expectations: tuple[ExpectationSpec, ...]
    share: float = 0.0
    computed: Mapping[str, ComputedColumn] = field(default_factory=dict)
    folder: str = ""

    def quarantine_limit(self, rows: int) -> int:
        """How many of so many rows may be set aside."""
        return floor(Fraction(str(self.share)) * rows)  # 29 of 100 rows are 0.29 of them, which floats are not sure of
