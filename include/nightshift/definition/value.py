"""The value of a night's decisions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from nightshift.definition.base import AlternativeForm, DuckDbSql, StrictModel, ValueType

OBSERVATION = "observation"  # the struct whose fields are the observation's columns
DECISION = "decision"  # the column of scored rows
BEST = "best"


def _threshold(declared: Any) -> Any:
    """`best`, or a number."""
    if declared is None or declared == BEST or (isinstance(declared, int | float) and not isinstance(declared, bool)):
        return declared
    context = {"allowed": "best, or a number", "fix": "write one of these"}
    raise PydanticCustomError("threshold", "no threshold", context)


Threshold = Annotated[Literal["best"] | float | None, BeforeValidator(_threshold), ValueType("`best` or number")]


class DecisionRule(StrictModel):
    """The decision about a row: an expression, or that its score reaches a threshold.

    Each version has its own threshold, which is stored with it: it changes by a promotion alone. `scores.<model>` has
    the `decision` of each row. `best` is the threshold of the [largest value](retraining.md#the-best-threshold) on the
    version's holdout.
    """

    expression: DuckDbSql | None = Field(
        None,
        description="Over `score`, of a class also `prediction` and the probabilities of listed classes, and "
        "`observation.<column>`: a condition, a number or a text. `decision: <expression>` is short for it.",
    )
    threshold: Threshold = Field(None, description="The decision is `score >= threshold`; not of a class.")

    @model_validator(mode="after")
    def _is_either(self) -> DecisionRule:
        if (self.expression is None) == (self.threshold is None):
            allowed = {"allowed": "an expression, or {threshold: best}", "fix": "write one of these"}
            raise PydanticCustomError("decision", "not one way to decide", allowed)
        return self


def _decision(declared: Any) -> Any:
    """`score >= 0.5` is short for `{expression: score >= 0.5}`."""
    return {"expression": declared} if isinstance(declared, str) else declared


DeclaredDecision = Annotated[
    DecisionRule,
    BeforeValidator(_decision),
    AlternativeForm({"type": "string"}),
    ValueType("DuckDB SQL, or `{threshold: best or number}`"),
]


class Value(StrictModel):
    """The [value of a night's decisions](retraining.md#value), once its labels are final.

    Each expression is over one row. `observation.<column>` is a landed column of the observations' source. The label
    source's columns must not be called `decision`, `label`, `score` or `observation`.
    """

    decision: DeclaredDecision = Field(description="The decision about a row.")
    expression: DuckDbSql = Field(
        description="The value of the decision, over `decision`, `label`, the columns of the score, the label source's "
        "landed columns and `observation.<column>`. A row where it is null has no value."
    )
    naive: DuckDbSql = Field(description="The decision without a model, over `observation.<column>`.")
    unit: str = Field("", description="The unit of the value, for people.")
