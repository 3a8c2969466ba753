"""The value of a night's decisions."""

from __future__ import annotations

from pydantic import Field

from nightshift.definition.base import DuckDbSql, StrictModel

OBSERVATION = "observation"  # the struct whose fields are the observation's columns


class Value(StrictModel):
    """The [value of a night's decisions](retraining.md#value), once its labels are final.

    Each expression is over one row. `observation.<column>` is a landed column of the observations' source. The label
    source's columns must not be called `decision`, `label`, `score` or `observation`.
    """

    decision: DuckDbSql = Field(
        description="The decision about a row, over `score`, of a class also `prediction` and the probabilities of "
        "listed classes, and `observation.<column>`: a condition, a number or a text."
    )
    expression: DuckDbSql = Field(
        description="The value of the decision, over `decision`, `label`, the columns of the score, the label source's "
        "landed columns and `observation.<column>`. A row where it is null has no value."
    )
    naive: DuckDbSql = Field(description="The decision without a model, over `observation.<column>`.")
    unit: str = Field("", description="The unit of the value, for people.")
