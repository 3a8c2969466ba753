"""Checks of a definition's data: of values, of rows and of partitions, each with a severity."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from nightshift.definition.base import AlternativeForm, ColumnName, DuckDbSql, Name, SourceName, StrictModel, ValueType
from nightshift.definition.duration import Duration

Severity = Literal["fail", "quarantine", "warn"]
PartitionSeverity = Literal["fail", "warn"]
Statistic = Literal["mean", "spread", "missing", "distinct", "mix"]
Repeats = Literal["fail", "warn", "allow"]

# The statistics that `usual` can compare, by the type of the values.
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
    """How the values of a column are distributed, compared with [what is usual](quality.md#usual-ranges).

    `usual: warn` is short for `usual: {severity: warn}`.
    """

    of: tuple[Statistic, ...] = Field((), description="The statistics to compare. Empty: all that fit the type.")
    weeks: int = Field(8, ge=3, description="How many partitions of the same weekday to compare with.")
    deviations: float = Field(8.0, gt=0, description="How many of their deviations a partition may be away from them.")
    severity: PartitionSeverity = Field("warn", description="What follows if the partition is further away.")


class ColumnChecks(StrictModel):
    """The checks of a column's values."""

    required: bool = Field(False, description="No value may be missing.")
    min: float | None = Field(None, description="The least value; for `integer` and `number` columns.")
    max: float | None = Field(None, description="The largest value; for `integer` and `number` columns.")
    values: Annotated[tuple[str | int, ...], ValueType("list of text or integers")] | None = Field(
        None, description="The only values allowed."
    )
    pattern: Annotated[str, AfterValidator(_pattern), ValueType("regular expression")] | None = Field(
        None, description="For `string` columns: every value must match it completely, by Python's rules."
    )
    severity: Severity = Field(
        "fail",
        description="What follows if [a value breaks one of these](quality.md#severities). `fail`: the night stops. "
        "`quarantine`: the row is set aside. `warn`: the row is published all the same.",
    )
    usual: Annotated[
        UsualValues | None,
        BeforeValidator(_severity_alone),
        AlternativeForm({"enum": list(get_args(PartitionSeverity))}),
    ] = Field(
        None,
        description="How its values are distributed, compared with what is usual on the weekday; or a severity alone.",
    )

    @property
    def checks_values(self) -> bool:
        """Whether a single value can break one of them."""
        given = (self.required or None, self.min, self.max, self.values, self.pattern)
        return any(check is not None for check in given)


class RowRule(StrictModel):
    """A condition on the columns of one row. A row for which it is null satisfies it, as in SQL's `check`."""

    expression: DuckDbSql = Field(description="A boolean over the landed columns and `source_date`.")
    description: str = Field("", description="Why the condition must be true.")
    severity: Severity = Field("fail", description="What follows if it is false.")


class Reference(StrictModel):
    """Values that must exist in another source."""

    source: SourceName = Field(description="The source that has the values.")
    columns: tuple[ColumnName, ...] = Field(
        min_length=1, description="The columns to look up. They have the same names and types in both sources."
    )
    days: int = Field(
        1, ge=1, description="How many of its newest partitions, up to the row's date, the values are looked up in."
    )
    share: float = Field(1.0, gt=0, le=1, description="The least share of the rows whose values must exist there.")
    severity: Severity = Field(
        "fail", description="What follows if the share is smaller. `quarantine` only with `share: 1`."
    )


class Freshness(StrictModel):
    """How close the newest row must be to the end of its date."""

    newest: DuckDbSql = Field(
        description="When the event of a row happened, by the source's clock. Over landed columns and `source_date`."
    )
    within: Duration = Field(description="How long before the end of its date the newest row may be.")
    severity: PartitionSeverity = Field("fail", description="What follows if the newest row is older.")


class CustomExpectation(StrictModel):
    """Any Great Expectations expectation."""

    type: Annotated[str, ValueType("class name")] = Field(
        pattern=r"^[A-Za-z_][\w.]*$", description="The expectation's class name, or the dotted path of your own class."
    )
    arguments: dict[str, Any] = Field({}, description="The arguments of the class.")
    severity: PartitionSeverity = Field("fail", description="What follows if the expectation is not met.")


class UsualRowCount(StrictModel):
    """How many rows a partition has, compared with [what is usual](quality.md#usual-ranges) on its weekday.

    It is checked in addition to the fixed bounds, from the third week on.
    """

    min: float = Field(0.5, ge=0, description="The fewest rows, as a multiple of the usual number.")
    max: float = Field(2.0, gt=0, description="The most rows, as a multiple of the usual number.")
    weeks: int = Field(
        8, ge=3, description="Of how many partitions of the same weekday the usual number is the median."
    )
    severity: PartitionSeverity = Field("fail", description="What follows if the number is out of bounds.")


class RowsLike(StrictModel):
    """How many rows a partition has, compared with another source's partition of the same date."""

    source: SourceName = Field(description="A daily source. Nothing is checked while it lacks the date.")
    min: float = Field(1.0, ge=0, description="The fewest rows, as a multiple of the other source's rows.")
    max: float = Field(1.0, gt=0, description="The most rows, as a multiple of the other source's rows.")
    severity: PartitionSeverity = Field("fail", description="What follows if the number is out of bounds.")


class RowCount(StrictModel):
    """How many rows a partition has."""

    min: int = Field(1, description="The fewest rows of a partition.")
    max: int | None = Field(None, description="The most rows of a partition.")
    usual: UsualRowCount | None = Field(
        None,
        description="How many rows it has, compared with [its weekday's usual number](quality.md#usual-ranges).",
    )
    like: RowsLike | None = Field(
        None, description="How many rows it has, compared with another daily source's partition of the same date."
    )


class Quarantine(StrictModel):
    """How many rows of a partition may be set aside."""

    share: float = Field(
        0.01,
        ge=0,
        le=1,
        description="The largest share of a partition's rows that may be [set aside](quality.md#quarantine). Beyond it "
        "the night fails.",
    )


class TableChecks(StrictModel):
    """The checks of a table that Nightshift computes, in addition to [the fixed checks](quality.md#what-is-checked)."""

    columns: dict[Annotated[str, ValueType("column")], ColumnChecks] = Field(
        {},
        description="The checks of its columns, with the keys of a source's column other than `type` and "
        "`description`. The severity `quarantine` is not allowed.",
    )
    rules: dict[Name, RowRule] = Field(
        {}, description="Rules over the table's columns. The severity `quarantine` is not allowed."
    )
    expectations: tuple[CustomExpectation, ...] = Field((), description="Any other expectation, as of a source.")


class ReferenceDistance(StrictModel):
    """How far the scores of a night may be from the scores of the holdout."""

    distance: float = Field(
        0.5,
        gt=0,
        le=1,
        description="The largest share of a night's scores that may lie elsewhere than "
        "[the scores of the holdout](quality.md#scores).",
    )
    severity: PartitionSeverity = Field("warn", description="What follows if the share is larger.")


class ScoreChecks(TableChecks):
    """The checks of the scores."""

    reference: ReferenceDistance = Field(ReferenceDistance(), description="Comparison with the holdout's scores.")


class Quality(StrictModel):
    """The checks of `features.<model>` and `scores.<model>`, in addition to
    [the fixed checks](quality.md#what-is-checked).

    None of their rows can be set aside: there is exactly one per observation.
    """

    features: TableChecks = Field(TableChecks(), description="The checks of the features.")
    scores: ScoreChecks = Field(ScoreChecks(), description="The checks of the scores.")
