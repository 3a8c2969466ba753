"""The model definition: what a user writes in `model.yaml`, as frozen, validated types."""

from __future__ import annotations

from datetime import date
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from nightshift.definition.base import Name, StrictModel
from nightshift.definition.checks import (
    ColumnChecks,
    CustomExpectation,
    Freshness,
    Quality,
    Quarantine,
    Reference,
    Repeats,
    RowCount,
    RowRule,
)
from nightshift.definition.duration import Days, Duration
from nightshift.definition.gate import Gate
from nightshift.definition.metrics import Metric
from nightshift.definition.monitoring import Monitoring
from nightshift.definition.prediction import PREDICTIONS, Prediction
from nightshift.definition.promotion import DeclaredPromotion, Promotion

ColumnType = Literal["string", "integer", "number", "boolean", "date", "timestamp"]
FeatureType = Literal["number", "category"]
Aggregation = Literal["count", "sum", "mean", "rate", "min", "max", "stddev", "approx_distinct", "last"]
CalibrationMethod = Literal["sigmoid", "isotonic"]
ESTIMATOR_FILE = "estimator.py"


def _time_zone(name: str) -> str:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise PydanticCustomError(
            "time_zone", "unknown time zone", {"allowed": "IANA names such as UTC or America/New_York"}
        ) from None
    return name


def _default(value: object) -> object:
    """One message for what is neither a number nor a text, instead of one for each."""
    if isinstance(value, bool | dict | list | date) or (isinstance(value, float) and not isfinite(value)):
        raise PydanticCustomError("default", "not a number or a text", {"allowed": "a number; a text of a category"})
    return value


class Column(ColumnChecks):
    """A column of a source, and what must hold of it."""

    type: ColumnType
    description: str = ""


class Availability(StrictModel):
    """When a partition of a source is there: this long after the midnight its date begins with."""

    after: Duration


class DerivedColumn(StrictModel):
    """A column computed from the landed columns of the same row, in Spark SQL."""

    expression: str
    type: ColumnType
    description: str = ""


class Source(StrictModel):
    """A dated external data set: one file per date in the landing folder."""

    description: str
    path: str = Field(description="Below the landing folder, with `{date}` where the ISO date stands.")
    cadence: Literal["daily", "irregular"] = Field(
        "daily", description="irregular: each file is a full version; a night uses the newest one available."
    )
    available: Availability
    timezone: Annotated[str, AfterValidator(_time_zone)] | None = Field(
        None, description="Of its dates and clock; the schedule's if left out."
    )
    event_time: str | None = Field(
        None, description="Spark SQL: when what a row tells happened, by the source's own clock."
    )
    restates: Days | None = Field(None, description="How long after its date a file may land again, corrected.")
    columns: dict[Name, Column] = Field(min_length=1)
    derived: dict[Name, DerivedColumn] = {}
    key: tuple[str, ...] = Field((), description="Columns that identify a row within its date.")
    rows: RowCount = RowCount()
    rules: dict[Name, RowRule] = {}
    references: dict[Name, Reference] = {}
    freshness: Freshness | None = None
    repeats: Repeats = Field("fail", description="Where a daily file is the same, byte for byte, as another date's.")
    expectations: tuple[CustomExpectation, ...] = ()
    quarantine: Quarantine = Quarantine()

    @property
    def landed(self) -> dict[str, str]:
        """Every column of its files, with its type."""
        return {name: str(column.type) for name, column in self.columns.items()}

    @property
    def types(self) -> dict[str, str]:
        """Every column an expression may use, landed or derived, with its type."""
        return self.landed | {name: str(column.type) for name, column in self.derived.items()}


class Observations(StrictModel):
    """What is scored: every row of the source's partition dated as the score date."""

    source: str
    key: tuple[str, ...] = Field(min_length=1)


class Label(StrictModel):
    """The outcome of an observation; a null expression means the observation has none."""

    source: str
    expression: str = Field(description="DuckDB SQL over the label source's columns.")
    type: Literal["boolean", "number"] = Field(
        "boolean", description="boolean: its probability is predicted; number: its value."
    )
    description: str = ""


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


class Estimator(StrictModel):
    """Any scikit-learn-compatible class; or none, and `make_estimator` of `estimator.py` makes one."""

    class_: str | None = Field(None, alias="class", pattern=r"^[A-Za-z_][\w.]*\.[A-Za-z_]\w*$")
    params: dict[str, Any] = {}


class Search(StrictModel):
    """A grid of parameters, tried on folds that are ordered by time; the best ones are trained with."""

    grid: dict[str, tuple[Any, ...]] = Field(min_length=1, description="The values of each parameter.")
    folds: int = Field(3, ge=1, le=20)
    metric: Metric | None = Field(None, description="roc_auc of a condition, rmse of a number if left out.")


class Calibration(StrictModel):
    """How raw scores become probabilities."""

    method: CalibrationMethod = "sigmoid"
    period: Days = Field(description="The newest labelled days before the holdout, which only this is fitted on.")


class Training(StrictModel):
    """How a challenger is trained, and when without being asked."""

    estimator: Estimator = Estimator()
    search: Search | None = None
    calibration: Calibration | None = None
    period: Days = Field(description="Labelled days before the holdout.")
    holdout: Days = Field(description="The latest labelled days, kept from training.")
    min_rows: int = Field(100, ge=1, description="Labelled rows to learn from at least.")
    max_rows: int | None = Field(None, ge=1000, description="Of more observations, a fixed sample is learned from.")
    cadence: str = Field(description="Cron expression of the safety net.")
    seed: int = 0


class Schedule(StrictModel):
    """When nights run. Score date D is scored at `at` on D; that instant is its cutoff."""

    timezone: Annotated[str, AfterValidator(_time_zone)]
    at: str = Field("00:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    start: date = Field(ge=date(1900, 1, 1), le=date(2200, 1, 1))
    end: date | None = None


class Wait(StrictModel):
    """How long a night waits for its sources."""

    alert: Duration | None = Field(None, description="After this an alert names what is missing; the night waits on.")
    timeout: Duration
    poll: Duration


class ModelDefinition(StrictModel):
    """Everything Nightshift knows about a model."""

    name: Name
    description: str
    owner: str
    tags: tuple[str, ...] = ()
    schedule: Schedule
    wait: Wait
    sources: dict[Name, Source] = Field(min_length=1)
    observations: Observations
    label: Label
    features: Features
    training: Training
    gate: Gate
    promotion: DeclaredPromotion = Promotion()
    quality: Quality = Quality()
    monitoring: Monitoring
    folder: Path = Field(exclude=True)
    shared: dict[str, Name] = Field({}, exclude=True)

    @property
    def prediction(self) -> Prediction:
        """What the model predicts."""
        return PREDICTIONS[self.label.type]

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics that fit the label."""
        return self.prediction.metrics.names

    @property
    def search_metric(self) -> Metric:
        """What decides a search."""
        declared = self.training.search.metric if self.training.search else None
        return declared or self.prediction.metrics.search

    @property
    def estimator_name(self) -> str:
        """What is fitted, for people: the class, or the file that makes it."""
        return self.training.estimator.class_ or ESTIMATOR_FILE

    @property
    def aggregate_features(self) -> dict[str, Aggregate]:
        """The aggregate behind every feature that is made of one, by the feature's name."""
        return {feature: a for name, a in self.features.aggregates.items() for feature in a.features(name)}

    @property
    def feature_types(self) -> dict[str, FeatureType]:
        """Every feature's name and type, in the order of the table's columns."""
        types: dict[str, FeatureType] = {name: row.type for name, row in self.features.rows.items()}
        types |= {name: aggregate.type for name, aggregate in self.aggregate_features.items()}
        return types | {name: computed.type for name, computed in self.features.computed.items()}


def feature_name(aggregate: str, days: int) -> str:
    """The column of an aggregate over a window: `carrier_late_rate` and 7 make `carrier_late_rate_7d`."""
    return f"{aggregate}_{days}d"
