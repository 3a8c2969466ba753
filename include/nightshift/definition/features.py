"""Features: how each is computed from the sources."""

from __future__ import annotations

from datetime import date
from math import isfinite
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from nightshift.definition.base import ColumnName, Name, SourceName, SparkSql, StrictModel, ValueType
from nightshift.definition.duration import Days

COMPUTED = "features.py"  # the file whose `transform` adds the computed features

FeatureType = Literal["number", "category"]
Aggregation = Literal["count", "sum", "mean", "rate", "min", "max", "stddev", "approx_distinct", "last"]


def _check_default(value: object) -> object:
    """Raises one message for a value that is neither a number nor a text, instead of one for each type."""
    if isinstance(value, bool | dict | list | date) or (isinstance(value, float) and not isfinite(value)):
        raise PydanticCustomError("default", "not a number or a text", {"allowed": "a number; a text of a category"})
    return value


class RowFeature(StrictModel):
    """A feature computed from the observation's own row; one expression is one feature.

    Spark runs in ANSI mode: division by zero or a cast that fails is an error of the night, not a null. Use
    `try_divide` and `try_cast` where that may happen.
    """

    expression: SparkSql = Field(
        description="Over the observation's columns, landed and derived, `score_date` and the look-ups by name."
    )
    type: FeatureType = Field(description="A double, or text that is treated as a category.")
    description: str = Field(description="What it means.")


class Lookup(StrictModel):
    """A dimension joined by its key: the newest version that was published and available at the cutoff.

    A look-up is not a feature. Its columns are written `<look-up>.<column>` in row features.
    """

    source: SourceName = Field(description="Daily or irregular.")
    key: tuple[ColumnName, ...] = Field(
        min_length=1,
        description="Exactly the source's `key`. The observations must have these columns as well, landed or derived.",
    )


class Aggregate(StrictModel):
    """A trailing aggregate over the newest available days of a source.

    Each window is a feature of its own, named `<name>_<days>d`. A window of *n* days ends with the newest partition
    that was available at the cutoff. With `available: {after: 30h}` and a cutoff at midnight, `7d` on 4 July is 26 June
    to 2 July.
    """

    source: SourceName = Field(description="A daily source.")
    by: tuple[ColumnName, ...] = Field(
        description="The columns to group by. Both the source and the observations have them, landed or derived, with "
        "the same type. `[]` aggregates all rows."
    )
    agg: Aggregation = Field(
        description="[What each computes](features.md#aggregates). `last` needs the source's `event_time`."
    )
    value: SparkSql | None = Field(
        None,
        description="The value that is aggregated, over the source's columns and `source_date`. Required by all but "
        "`count` and `rate`, which do not take it.",
    )
    where: SparkSql | None = Field(
        None,
        description="A condition. Required by `rate`, the share of rows that satisfy it; others use only such rows.",
    )
    type: FeatureType = Field("number", description="`category`: the `last` value of a text column.")
    windows: tuple[Days, ...] = Field(min_length=1, description="At least one window, none twice.")
    default: Annotated[
        float | str | None, BeforeValidator(_check_default), ValueType("number; text for a `category`")
    ] = Field(
        None,
        description="The value if the window has no row. Without it the feature is missing, also a `count`, unless "
        "`default: 0` is given.",
    )
    description: str = Field(description="What it means.")

    def features(self, name: str) -> list[str]:
        """The names of its features, one per window."""
        return [feature_name(name, window.days) for window in self.windows]

    @model_validator(mode="after")
    def _operand(self) -> Aggregate:
        needed = {"rate": "where", "count": None}.get(self.agg, "value")
        if needed and getattr(self, needed) is None:
            raise PydanticCustomError(
                "operand",
                "aggregation without operand",
                {"allowed": f"agg: {self.agg} with `{needed}: …`", "fix": f"add `{needed}:`"},
            )
        if needed != "value" and self.value is not None:
            raise PydanticCustomError(
                "operand",
                "aggregation with an operand it does not use",
                {"allowed": f"agg: {self.agg} with `where:`", "fix": "remove `value:`"},
            )
        if self.type == "category" and self.agg != "last":
            raise PydanticCustomError(
                "operand",
                "an aggregation that is a number",
                {"allowed": "type: category with agg: last", "fix": "remove `type:`"},
            )
        if self.default is not None and isinstance(self.default, str) != (self.type == "category"):
            raise PydanticCustomError(
                "operand",
                f"a default that is not a {self.type}",
                {"allowed": f"a {self.type}", "fix": "change `default:`"},
            )
        return self


def feature_name(aggregate: str, days: int) -> str:
    """The feature of an aggregate over a window: `carrier_late_rate_7d` of `carrier_late_rate` and 7 days."""
    return f"{aggregate}_{days}d"


class ComputedFeature(StrictModel):
    """A feature that `transform(frame, cutoff)` in the definition's `features.py` adds.

    A definition with `computed` must have a `features.py`, and a definition with a `features.py` must have `computed`.
    """

    type: FeatureType = Field(description="A double, or text that is treated as a category.")
    description: str = Field(description="What it means.")
    sources: tuple[SourceName, ...] = Field(
        min_length=1, description="The sources it is computed from, at least one; for the data dictionary."
    )


class Features(StrictModel):
    """The features, by the way they are computed. At least one under `rows`, `aggregates` or `computed`."""

    lookups: dict[Name, Lookup] = Field({}, description="Dimensions whose columns row features may use.")
    rows: dict[Name, RowFeature] = Field({}, description="Expressions over the observation's own row.")
    aggregates: dict[Name, Aggregate] = Field({}, description="Trailing aggregates over a source.")
    computed: dict[Name, ComputedFeature] = Field(
        {}, description="What `transform(frame, cutoff)` in [`features.py`](features.md#featurespy) adds."
    )
