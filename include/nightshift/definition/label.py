"""The label: the outcome of an observation, of its own row or over a window of days after its cutoff."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from nightshift.definition.base import AlternativeForm, ColumnName, DuckDbSql, SourceName, StrictModel, ValueType
from nightshift.definition.duration import Days, WholeDays, parse_days

LabelType = Literal["boolean", "number"]
LabelAggregation = Literal["any", "none", "count", "sum", "mean", "max", "min", "last"]

# The aggregations that need no value: a window without an event has an answer of its own.
OF_EVENTS: dict[str, float] = {"any": 0.0, "none": 1.0, "count": 0.0}
_WINDOW_KEYS = ("by", "agg", "where", "value", "empty")


class LabelWindow(StrictModel):
    """The days after an observation's cutoff whose events make its outcome.

    The window of score date *D* begins with the cutoff of the date `from` days after *D*, and ends before that of the
    date `to` days after *D*.
    """

    from_: WholeDays = Field(
        timedelta(0), alias="from", description="How many days after the score date it begins; `0d` with its cutoff."
    )
    to: Days = Field(description="Before the cutoff of how many days after the score date it ends.")

    @model_validator(mode="after")
    def _in_order(self) -> LabelWindow:
        if self.from_ >= self.to:
            allowed = {"allowed": "`from` before `to`", "fix": "write a later `to`"}
            raise PydanticCustomError("window", "a window without a day", allowed)
        return self


def _window(text: Any) -> Any:
    """`28d` is short for `{from: 0d, to: 28d}`."""
    return text if text is None or isinstance(text, dict | LabelWindow) else {"to": parse_days(text)}


DeclaredWindow = Annotated[
    LabelWindow | None,
    BeforeValidator(_window),
    AlternativeForm({"type": "string", "pattern": r"^\d+d$"}),
    ValueType("days or `{from: days, to: days}`"),
]


class Label(StrictModel):
    """The outcome of an observation.

    Without a `window` the outcomes of score date *D* are the rows of partition *D* of the source that have the
    observation's key, and final once that is available. With one, the outcome is an aggregate of the events in the
    [window](training.md#labels-over-a-window-ahead) after the cutoff, and final once all of its days are available and
    no longer restated.
    """

    source: SourceName = Field(description="A daily source; with a `window` one that has an `event_time`.")
    expression: DuckDbSql | None = Field(
        None,
        description="Required without a `window`: over the source's landed columns and `source_date`. A boolean, or 0 "
        "and 1; with `type: number` any finite number. Null means that the observation has no outcome.",
    )
    type: LabelType | None = Field(
        None,
        description="`boolean`: the probability of a condition is predicted. `number`: a number. If left out, "
        "`boolean`; of a `count`, `sum`, `mean`, `max`, `min` or `last`, `number`.",
    )
    window: DeclaredWindow = Field(
        None, description="The days after the cutoff whose events make the outcome: `28d`, or `{from: 7d, to: 14d}`."
    )
    by: tuple[ColumnName, ...] = Field(
        (),
        description="With a `window`: the columns of the observations' key by which events are matched, which the "
        "source has as well. The whole key if left out.",
    )
    agg: LabelAggregation | None = Field(
        None,
        description="Required with a `window`: whether there is `any` event or `none`, their `count`, or the `sum`, "
        "`mean`, `max`, `min` or `last` of a value.",
    )
    where: DuckDbSql | None = Field(
        None, description="With a `window`: which events count, over the source's landed columns and `source_date`."
    )
    value: DuckDbSql | None = Field(
        None,
        description="With a `window`: the number of an event, over the same columns. Required by all but `any`, "
        "`none` and `count`, which do not take it. Events whose value is null do not count.",
    )
    empty: float | None = Field(
        None,
        description="The outcome of a window without an event; `null`: the observation has none. Required with a "
        "`value`, which says no number of no event.",
    )
    description: str = Field("", description="What it means.")

    @property
    def kind(self) -> LabelType:
        """What the label is: a condition or a number."""
        return self.type or ("number" if self.window and self.agg not in {"any", "none"} else "boolean")

    @property
    def operand(self) -> str:
        """The key of the expression whose values are the outcomes."""
        return "value" if self.window else "expression"

    @property
    def overlap(self) -> timedelta:
        """How far the outcome of a score date reaches into later dates: such dates lie between training and holdout."""
        return self.window.to - timedelta(days=1) if self.window else timedelta(0)

    @model_validator(mode="after")
    def _form(self) -> Label:
        if self.window is None:
            _require(self.expression is not None, "no outcome", "`expression`, or `window` with `agg`", "add one")
            extra = [name for name in _WINDOW_KEYS if name in self.model_fields_set]
            _require(not extra, f"without a window, but with {', '.join(extra)}", None, "add `window:`, or remove them")
            return self
        _require(self.expression is None, "two outcomes", "`expression`, or `window`", "remove one")
        _require(self.agg is not None, "a window without aggregation", "any, none, count, sum, …", "add `agg:`")
        allowed = f"`agg: {self.agg}`"
        if self.agg in OF_EVENTS:
            unused = [name for name in ("value", "empty", "type") if name in self.model_fields_set]
            _require(not unused, f"an aggregation that takes no {', '.join(unused)}", allowed, "remove it")
            return self
        _require(self.value is not None, "aggregation without a value", f"{allowed} with `value: …`", "add `value:`")
        declared = "empty" in self.model_fields_set
        _require(declared, "no outcome of a window without an event", "a number, or null", "add `empty:`")
        condition = self.type == "boolean" and self.agg in {"sum", "mean"}
        _require(not condition, f"a {self.agg} is a number, not a condition", "type: number", "remove `type:`")
        return self


def _require(condition: bool, problem: str, allowed: str | None, fix: str) -> None:
    if not condition:
        raise PydanticCustomError("label", problem, {"allowed": allowed, "fix": fix})
