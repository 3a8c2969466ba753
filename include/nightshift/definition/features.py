"""Features: how each is computed from the sources."""

from __future__ import annotations

from datetime import date
from math import isfinite
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from nightshift.definition.base import Name, StrictModel
from nightshift.definition.duration import Days

FeatureType = Literal["number", "category"]
Aggregation = Literal["count", "sum", "mean", "rate", "min", "max", "stddev", "approx_distinct", "last"]


def _default(value: object) -> object:
    """One message for what is neither a number nor a text, instead of one for each."""
    if isinstance(value, bool | dict | list | date) or (isinstance(value, float) and not isfinite(value)):
        raise PydanticCustomError("default", "not a number or a text", {"allowed": "a number; a text of a category"})
    return value


class RowFeature(StrictModel):
    """A Spark SQL expression over the observation, `score_date` and the look-ups by name."""

    expression: str
    type: FeatureType
    description: str


class Lookup(StrictModel):
    """A dimension joined by key: its newest version available before the cutoff."""

    source: str
    key: tuple[str, ...] = Field(min_length=1)


class Aggregate(StrictModel):
    """A trailing aggregate over a source's newest available days, per key.

    Makes one feature a window, named `<name>_<window>`. A window of n days ends with the newest partition
    that was available at the cutoff.
    """

    source: str
    by: tuple[str, ...] = Field(description="Columns the observation and the source share; empty: over all rows.")
    agg: Aggregation
    value: str | None = Field(None, description="What is aggregated, in Spark SQL; not for count and rate.")
    where: str | None = Field(None, description="Only rows that satisfy it; of a rate, what it is the share of.")
    type: FeatureType = Field("number", description="category: the last value of a text column.")
    windows: tuple[Days, ...] = Field(min_length=1)
    default: Annotated[float | str | None, BeforeValidator(_default)] = Field(
        None, description="The value where no row falls into the window."
    )
    description: str

    def features(self, name: str) -> list[str]:
        """The features it makes under its name, one a window."""
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
    """The column of an aggregate over a window: `carrier_late_rate` and 7 make `carrier_late_rate_7d`."""
    return f"{aggregate}_{days}d"


class ComputedFeature(StrictModel):
    """A column that `transform` in the definition's `features.py` adds."""

    type: FeatureType
    description: str
    sources: tuple[str, ...] = Field(min_length=1, description="The sources it is made from, for the data dictionary.")


class Features(StrictModel):
    """Features by how they are made."""

    lookups: dict[Name, Lookup] = {}
    rows: dict[Name, RowFeature] = {}
    aggregates: dict[Name, Aggregate] = {}
    computed: dict[Name, ComputedFeature] = Field(
        {}, description="What `transform(frame, cutoff)` in `features.py` adds."
    )
