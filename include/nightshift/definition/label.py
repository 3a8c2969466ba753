"""The label: the outcome of an observation, of its own row or over a window of days after its cutoff."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from nightshift.definition.base import AlternativeForm, ColumnName, DuckDbSql, SourceName, StrictModel, ValueType
from nightshift.definition.duration import Days, WholeDays, parse_days

LabelType = Literal["boolean", "number", "category"]
LabelAggregation = Literal["any", "none", "count", "sum", "mean", "max", "min", "last", "most"]

CLASS_ROWS = 10  # with fewer rows of a class, no metric is reliable
# The aggregations that need no value: a window without an event has an answer of its own.
OF_EVENTS: dict[str, float] = {"any": 0.0, "none": 1.0, "count": 0.0}
_WINDOW_KEYS = ("by", "agg", "where", "value", "weight", "empty")
_CLASS_AGGREGATIONS = ("last", "most")


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


class DeclaredClasses(StrictModel):
    """The classes of a label: a list of them, or which ones every training finds among its rows.

    Those that are found are in alphabetical order.
    """

    listed: tuple[str, ...] = Field((), description="The classes. `[a, b]` is short for `{listed: [a, b]}`.")
    most: int | None = Field(None, ge=2, description="How many are found at most: those with the most labelled rows.")
    rows: int | None = Field(
        None,
        ge=1,
        description="The fewest labelled rows of the training period of a class that is found; 10 if left out.",
    )

    @property
    def least_rows(self) -> int:
        """The fewest rows of a class that is found."""
        return self.rows or CLASS_ROWS


def _classes(declared: Any) -> Any:
    """`[a, b]` is short for `{listed: [a, b]}`."""
    if isinstance(declared, list | tuple):
        return {"listed": declared}
    if declared is None or isinstance(declared, dict | DeclaredClasses):
        return declared
    context = {"allowed": "a list of names, or {most: 10}", "fix": "list the classes"}
    raise PydanticCustomError("classes", "no classes", context)


def _outcome(value: Any) -> Any:
    """A number or a text."""
    if value is None or (isinstance(value, int | float | str) and not isinstance(value, bool)):
        return value
    context = {"allowed": "a number, a class, or null", "fix": "change `empty:`"}
    raise PydanticCustomError("empty", "no outcome", context)


Classes = Annotated[
    DeclaredClasses | None,
    BeforeValidator(_classes),
    AlternativeForm({"type": "array", "items": {"type": "string"}}),
    ValueType("list of names, or `{most: number}`"),
]
EmptyOutcome = Annotated[float | str | None, BeforeValidator(_outcome), ValueType("number or class")]


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
        "and 1; with `type: number` any finite number; with `type: category` a text. Null means that the observation "
        "has no outcome.",
    )
    type: LabelType | None = Field(
        None,
        description="`boolean`: the probability of a condition is predicted. `number`: a number. `category`: which of "
        "several [classes](training.md#several-classes). If left out, `boolean`; of a `count`, `sum`, `mean`, `max`, "
        "`min` or `last`, `number`; of `most`, `category`.",
    )
    classes: Classes = Field(
        None,
        description="Required with `type: category`: the classes, at least two; or how a training finds them among "
        "its rows.",
    )
    other: str | None = Field(
        None,
        description="With `classes`: what an outcome outside of them is: one of the listed classes, or a further one "
        "beside those found; `null`: the observation has no outcome. Required where a training finds the classes. If "
        "left out with a list, an outcome outside of it stops the training.",
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
        description="Required with a `window`: whether there is `any` event or `none`, their `count`, the `sum`, "
        "`mean`, `max`, `min` or `last` of a value, or the value that `most` events have.",
    )
    where: DuckDbSql | None = Field(
        None, description="With a `window`: which events count, over the source's landed columns and `source_date`."
    )
    value: DuckDbSql | None = Field(
        None,
        description="With a `window`: the number of an event, or its class, over the same columns. Required by all but "
        "`any`, `none` and `count`, which do not take it. Events whose value is null do not count.",
    )
    weight: DuckDbSql | None = Field(
        None,
        description="With `agg: most`: what an event weighs, over the same columns; the value with the largest sum is "
        "the outcome. 1 if left out. Events whose weight is null do not count.",
    )
    empty: EmptyOutcome = Field(
        None,
        description="The outcome of a window without an event; `null`: the observation has none. Required with a "
        "`value`, which says no number of no event.",
    )
    description: str = Field("", description="What it means.")

    @property
    def kind(self) -> LabelType:
        """What the label is: a condition, a number or a class."""
        if self.type is not None:
            return self.type
        if self.window is None or self.agg in {"any", "none"}:
            return "boolean"
        return "category" if self.agg == "most" else "number"

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the label's classes as far as they are declared: none of a number or of classes to be found."""
        if self.kind == "boolean":
            return ("false", "true")
        return self.classes.listed if self.classes else ()

    @property
    def outcome_without_events(self) -> float | str | None:
        """The outcome of a window without an event; None if it has none."""
        return OF_EVENTS.get(str(self.agg), self.empty)

    @property
    def refuses_other(self) -> bool:
        """Whether an outcome outside of the classes is an error."""
        return "other" not in self.model_fields_set

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
        _check_classes(self)
        if self.window is None:
            _require(self.expression is not None, "no outcome", "`expression`, or `window` with `agg`", "add one")
            extra = [name for name in _WINDOW_KEYS if name in self.model_fields_set]
            _require(not extra, f"without a window, but with {', '.join(extra)}", None, "add `window:`, or remove them")
        else:
            _check_window(self)
        return self


def _check_classes(label: Label) -> None:
    """Requires the classes of a category, and none of another label."""
    if label.kind != "category":
        extra = [name for name in ("classes", "other") if name in label.model_fields_set]
        problem = f"a {label.kind} with {', '.join(extra)}"
        _require(not extra, problem, "`type: category`", "change `type`, or remove it")
        return
    learned = "a list, or {most: 10}"
    _require(label.classes is not None, "a category without classes", learned, "add `classes:`")
    assert label.classes is not None
    names, found = label.classes.listed, label.classes.model_fields_set - {"listed"}
    _require(not (names and found), f"listed classes with {', '.join(sorted(found))}", learned, "remove it")
    named = all(name is None or str(name).strip() for name in (label.other, label.empty))
    _require(named, "a class without a name", None, "name it in `other` and `empty`, or write null")
    if "listed" not in label.classes.model_fields_set:
        fix = "add `other:` with the name of a class for all rarer outcomes, or null"
        _require(not label.refuses_other, "no outcome of rare classes", "a name, or null", fix)
        return
    _require(len(names) > 1, "fewer than two classes", "two or more", "list them all, or write `type: boolean`")
    _require(len(set(names)) == len(names), "a class that is listed twice", None, "list each class once")
    _require(all(map(str.strip, names)), "a class without a name", None, "name it")
    listed = label.other is None or label.other in names
    _require(listed, f"`other` is no class: {label.other}", ", ".join(names), "add it to `classes`, or write null")


def _check_window(label: Label) -> None:
    """Requires what the aggregation of a window needs, and nothing else."""
    _require(label.expression is None, "two outcomes", "`expression`, or `window`", "remove one")
    _require(label.agg is not None, "a window without aggregation", "any, none, count, sum, …", "add `agg:`")
    allowed = f"`agg: {label.agg}`"
    weighted = "weight" not in label.model_fields_set or label.agg == "most"
    _require(weighted, f"a {label.agg} takes no weight", "`agg: most`", "remove `weight:`")
    if label.agg in OF_EVENTS:
        unused = [name for name in ("value", "empty", "type") if name in label.model_fields_set]
        _require(not unused, f"an aggregation that takes no {', '.join(unused)}", allowed, "remove it")
        return
    _require(label.value is not None, "aggregation without a value", f"{allowed} with `value: …`", "add `value:`")
    _check_aggregated_type(label)
    declared = "empty" in label.model_fields_set
    outcomes = "a class, or null" if label.kind == "category" else "a number, or null"
    _require(declared, "no outcome of a window without an event", outcomes, "add `empty:`")
    fits = label.empty is None or isinstance(label.empty, str) == (label.kind == "category")
    _require(fits, f"the outcome of a window without an event is no {label.kind}", outcomes, "change `empty:`")
    names = label.class_names
    listed = not isinstance(label.empty, str) or not names or label.empty in names
    _require(listed, f"the outcome of a window without an event is no class: {label.empty}", ", ".join(names), "add it")


def _check_aggregated_type(label: Label) -> None:
    """Requires a type that the aggregation of a value can have."""
    condition = label.kind == "boolean" and label.agg in {"sum", "mean"}
    _require(not condition, f"a {label.agg} is a number, not a condition", "type: number", "remove `type:`")
    is_class = label.kind == "category"
    fits = not is_class or label.agg in _CLASS_AGGREGATIONS
    _require(fits, f"a {label.agg} is a number, not a class", "`agg: last` or `agg: most`", "change `agg`, or `type`")
    _require(label.agg != "most" or is_class, "a most frequent value is a class", "`type: category`", "remove `type:`")


def _require(condition: bool, problem: str, allowed: str | None, fix: str) -> None:
    if not condition:
        raise PydanticCustomError("label", problem, {"allowed": allowed, "fix": fix})
