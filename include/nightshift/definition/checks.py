"""What a definition says of its data's quality: rules of values, rows and partitions, each with a severity."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from nightshift.definition.base import Name, StrictModel
from nightshift.definition.duration import Duration

Severity = Literal["fail", "quarantine", "warn"]
PartitionSeverity = Literal["fail", "warn"]
Statistic = Literal["mean", "spread", "missing", "distinct", "mix"]
Repeats = Literal["fail", "warn", "allow"]

# What can be usual of the values of a type.
STATISTICS: dict[str, tuple[Statistic, ...]] = {
    "number": ("mean", "spread", "missing"),
    "integer": ("mean", "spread", "missing"),
    "string": ("missing", "distinct", "mix"),
    "category": ("missing", "distinct", "mix"),
    "boolean": ("missing", "mix"),
    "date": ("missing",),
    "timestamp": ("missing",),
}


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise PydanticCustomError(
            "pattern", f"not a regular expression: {error}", {"allowed": "Python's regular expressions"}
        ) from None
    return text


def _severity_alone(value: object) -> object:
    """`usual: warn` is short for `usual: {severity: warn}`."""
    return {"severity": value} if isinstance(value, str) else value


class UsualValues(StrictModel):
    """How the values of a column are distributed, against what is usual on the weekday."""

    of: tuple[Statistic, ...] = Field(
        (), description="What is held against it: mean, spread, missing, distinct, mix; all that fit the type if empty."
    )
    weeks: int = Field(
        8, ge=3, description="How many partitions of the same weekday the usual number is the median of."
    )
    deviations: float = Field(
        8.0, gt=0, description="How many of those partitions' deviations from it a partition may be away."
    )
    severity: PartitionSeverity = "warn"


class ColumnChecks(StrictModel):
    """What every value of a column must satisfy, and all of them together."""

    required: bool = Field(False, description="No nulls.")
    min: float | None = None
    max: float | None = None
    values: tuple[str | int, ...] | None = Field(None, description="The only values allowed.")
    pattern: Annotated[str, AfterValidator(_pattern)] | None = Field(
        None, description="A regular expression that every value matches as a whole."
    )
    severity: Severity = Field(
        "fail",
        description="Where a value breaks one of these: fail: the night stops; quarantine: the row is set aside; "
        "warn: it is published all the same.",
    )
    usual: Annotated[UsualValues | None, BeforeValidator(_severity_alone)] = None

    @property
    def checks_values(self) -> bool:
        """Whether a single value can break one of them."""
        given = (self.required or None, self.min, self.max, self.values, self.pattern)
        return any(rule is not None for rule in given)


class RowRule(StrictModel):
    """What must hold between the columns of a row. Where it is neither true nor false, it holds, as in SQL's CHECK."""

    expression: str = Field(description="DuckDB SQL over the row's columns.")
    description: str = ""
    severity: Severity = "fail"


class Reference(StrictModel):
    """Values that another source knows."""

    source: str
    columns: tuple[str, ...] = Field(min_length=1, description="Named alike in both sources.")
    days: int = Field(1, ge=1, description="So many newest partitions of the other source are looked at.")
    share: float = Field(1.0, gt=0, le=1, description="The least share of the rows that the other source knows.")
    severity: Severity = "fail"


class Freshness(StrictModel):
    """How near the newest row is to the end of its date."""

    newest: str = Field(description="DuckDB SQL over the row's columns: when that happened, by the source's clock.")
    within: Duration
    severity: PartitionSeverity = "fail"


class CustomExpectation(StrictModel):
    """Any Great Expectations expectation, by its class name or the dotted path of a class of one's own."""

    type: str = Field(pattern=r"^[A-Za-z_][\w.]*$")
    arguments: dict[str, Any] = {}
    severity: PartitionSeverity = "fail"


class UsualRowCount(StrictModel):
    """How many rows a partition holds, as multiples of what is usual on its weekday."""

    min: float = Field(0.5, ge=0)
    max: float = Field(2.0, gt=0)
    weeks: int = Field(
        8, ge=3, description="How many partitions of the same weekday the usual number is the median of."
    )
    severity: PartitionSeverity = "fail"


class RowsLike(StrictModel):
    """How many rows a partition holds, as multiples of another source's rows of the same date."""

    source: str
    min: float = Field(1.0, ge=0)
    max: float = Field(1.0, gt=0)
    severity: PartitionSeverity = "fail"


class RowCount(StrictModel):
    """How many rows a partition holds."""

    min: int = 1
    max: int | None = None
    usual: UsualRowCount | None = Field(None, description="Beside the fixed bounds; from the third week on.")
    like: RowsLike | None = None


class Quarantine(StrictModel):
    """How many rows of a date may be set aside."""

    share: float = Field(0.01, ge=0, le=1, description="Beyond this share of its rows the night fails.")


class TableChecks(StrictModel):
    """What must hold of a table that Nightshift makes, beside what always must."""

    columns: dict[str, ColumnChecks] = {}
    rules: dict[Name, RowRule] = {}
    expectations: tuple[CustomExpectation, ...] = ()


class ReferenceDistance(StrictModel):
    """How far a night's scores may be from those the model gave to its holdout."""

    distance: float = Field(
        0.5, gt=0, le=1, description="The largest share of the scores that may lie elsewhere than on the holdout."
    )
    severity: PartitionSeverity = "warn"


class ScoreChecks(TableChecks):
    """What must hold of scores."""

    reference: ReferenceDistance = ReferenceDistance()


class Quality(StrictModel):
    """What must hold of features and scores before they are published."""

    features: TableChecks = TableChecks()
    scores: ScoreChecks = ScoreChecks()
