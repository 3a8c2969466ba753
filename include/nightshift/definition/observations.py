"""What is scored: the rows of a night's file, the entities of a newest version, or keys seen lately."""

from __future__ import annotations

from pydantic import Field

from nightshift.definition.base import ColumnName, SourceName, SparkSql, StrictModel
from nightshift.definition.duration import Days


class Observations(StrictModel):
    """What is scored.

    Of a daily source, every row of its partition dated as the score date. Of an irregular source, every row of its
    newest version that is available at the cutoff. With `within`, every key that a daily source had in its newest so
    many days that are available at the cutoff: the observation has no columns but its key, and look-ups by it.

    An observation without a key value, or two with the same key, fail the audit: give these columns `required: true`
    and name them as the source's `key`.
    """

    source: SourceName = Field(
        description="A daily source that is available at the cutoff of its own date, or an irregular one; with "
        "`within` any daily source."
    )
    key: tuple[ColumnName, ...] = Field(
        min_length=1,
        description="The columns that identify an observation within its night. The label's source has them, too; with "
        "a window, those that `label.by` names.",
    )
    within: Days | None = Field(
        None, description="Daily sources: how many of the newest days a key is looked for in. Rows without it are none."
    )
    where: SparkSql | None = Field(
        None,
        description="Which of these are scored: over the observation's columns, landed and derived, `score_date` and "
        "the look-ups by name. Those for which it is false or null are not.",
    )
