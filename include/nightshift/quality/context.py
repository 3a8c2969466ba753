"""The context of an audit: what was published before, or is staged by the same run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa

from nightshift.quality.distributions import ColumnDistribution
from nightshift.registry.reference import ReferenceColumn


@dataclass(frozen=True)
class AuditContext:
    """The facts beside the definition that a contract depends on.

    Attributes:
        days: The number of dates of the staged set.
        day: Its date, if it has a single one.
        zone: The time zone of the source's clock.
        row_counts: The number of rows of each published date.
        by_weekday: Whether the date is compared with those of its weekday, or with the nights just before it.
        distributions: The distributions of each column with a `usual` on the dates that it is compared with.
        references: The distinct values of the other source, by reference.
        like_rows: The number of rows of the source of `rows.like` on the same date.
        observations: The number of rows that features and scores must have.
        scores: The histogram of the version's holdout scores; None if it has none.
    """

    days: int = 1
    day: date | None = None
    zone: str = "UTC"
    row_counts: Mapping[date, int] = field(default_factory=dict)
    by_weekday: bool = True
    distributions: Mapping[str, Sequence[ColumnDistribution]] = field(default_factory=dict)
    references: Mapping[str, pa.Table] = field(default_factory=dict)
    like_rows: int | None = None
    observations: int = 0
    scores: ReferenceColumn | None = None


NO_HISTORY = AuditContext()
