"""A contract of a staged set: its expectations, and the columns that some of them need computed first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from typing import Any

import pyarrow as pa

from nightshift.definition.checks import Severity

# Classes of Great Expectations.
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
# A class of Nightshift, in `quality/mix.py`.
MIX = "ExpectColumnMixToBeNear"
# A check of landed files, which looks at no row.
NEW_FILE = "ExpectFileToBeNew"

# Anchors a pattern at both ends of a value, in a way that Python and Java read alike.
ANCHORS = (r"^(?:", r")(?![\s\S])")


@dataclass(frozen=True)
class ExpectationSpec:
    """An expectation of Great Expectations.

    Attributes:
        kind: Its class name.
        subject: Its subject, for people: a column, several columns, a rule, rows.
        arguments: Its arguments.
        severity: The consequence of a violation.
        note: The origin of its bounds, if the definition does not state them; the expression of a rule.
        computed: Whether its column is computed.
    """

    kind: str
    subject: str
    arguments: tuple[tuple[str, Any], ...]
    severity: Severity = "fail"
    note: str = ""
    computed: bool = False

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """The least and the most that is allowed; None without such a bound."""
        arguments = dict(self.arguments)
        return arguments.get("min_value"), arguments.get("max_value")


@dataclass(frozen=True)
class ComputedColumn:
    """A column that an expectation needs and that no file has.

    Attributes:
        expression: DuckDB SQL over the row's columns.
        columns: The columns it uses.
        reference: The rows of another source, which the expression may query as the table `reference`.
        zone: The time zone in which it reads instants.
    """

    expression: str
    columns: tuple[str, ...]
    reference: pa.Table | None = None
    zone: str = "UTC"


@dataclass(frozen=True)
class Contract:
    """The expectations over one table.

    Attributes:
        table: The table.
        expectations: The expectations.
        share: The largest share of rows that may be set aside.
        computed: The columns to compute first, by name.
        folder: The folder of the definition, for its own expectations.
    """

    table: str
    expectations: tuple[ExpectationSpec, ...]
    share: float = 0.0
    computed: Mapping[str, ComputedColumn] = field(default_factory=dict)
    folder: str = ""

    def quarantine_limit(self, rows: int) -> int:
        """The number of rows that may be set aside, of a number of rows."""
        return floor(Fraction(str(self.share)) * rows)  # exact: 0.29 of 100 rows are 29, as a float 28.999…
