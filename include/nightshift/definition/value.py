"""What a night was worth."""

from __future__ import annotations

from pydantic import Field

from nightshift.definition.base import StrictModel

OBSERVATION = "observation"  # what an observation's columns are fields of


class Value(StrictModel):
    """The worth of a row, once its label is known, by what was decided on its score.

    In every expression the observation's columns are `observation.<column>`.
    """

    decision: str = Field(description="DuckDB SQL over score: what is done about a row.")
    expression: str = Field(description="DuckDB SQL over decision, label, score and the label source's columns.")
    naive: str = Field(description="DuckDB SQL without score: what would be done without a model.")
    unit: str = Field("", description="Of the value, for people.")
