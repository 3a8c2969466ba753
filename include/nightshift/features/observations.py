"""The observations of a range of nights, in Spark: rows of a file, entities of a version, or keys seen lately."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from nightshift.definition.calendar import date_range, newest_partition, nights
from nightshift.definition.model import ModelDefinition
from nightshift.features.compute import with_derived
from nightshift.features.plan import VisibleTile

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def observed_dates(
    definition: ModelDefinition, first: date, last: date, versions: Sequence[VisibleTile] = ()
) -> tuple[date, date]:
    """The first and the last date of the source whose rows make the observations of some nights.

    Args:
        definition: The model definition.
        first: The first night.
        last: The last night.
        versions: Of an irregular source, the version of every night.
    """
    within, source = definition.observations.within, definition.sources[definition.observations.source]
    if within is not None:
        newest = [newest_partition(definition.schedule, source, night) for night in (first, last)]
        return newest[0] - within + timedelta(days=1), newest[1]
    if source.cadence == "irregular":
        dates = [version.tile.start for version in versions] or [first]
        return min(dates), max(dates)
    return first, last


def observe(
    definition: ModelDefinition, rows: DataFrame, first: date, last: date, versions: Sequence[VisibleTile] = ()
) -> DataFrame:
    """The observations of some nights before look-ups are joined and `where` is applied.

    Args:
        definition: The model definition.
        rows: The raw rows of their source, of the dates of `observed_dates`.
        first: The first night.
        last: The last night.
        versions: Of an irregular source, the version of every night.

    Returns:
        `score_date` and the observation's columns, landed and derived.
    """
    from pyspark.sql import functions as F

    within, source = definition.observations.within, definition.observations.source
    if within is None:
        rows = with_derived(definition, source, rows)
        if definition.sources[source].cadence == "daily":
            if definition.schedule.cron:
                rows = rows.where(F.col("source_date").isin(list(nights(definition.schedule, first, last))))
            return rows.withColumnRenamed("source_date", "score_date")
        pairs = [(version.night, version.tile.start) for version in versions]
        return rows.join(F.broadcast(_dated(rows.sparkSession, pairs)), "source_date").drop("source_date")
    key = list(definition.observations.key)
    keys = rows.select("source_date", *key).dropna(subset=key).distinct()
    score_dates = list(nights(definition.schedule, first, last))
    pairs = [(night, day) for night in score_dates for day in _days(definition, night, within)]
    dated = keys.join(F.broadcast(_dated(rows.sparkSession, pairs)), "source_date").select("score_date", *key)
    # A night in one task, which writes it into one file.
    tasks = min(len(score_dates), rows.sparkSession.sparkContext.defaultParallelism)
    return dated.repartition(tasks, "score_date").distinct()


def _days(definition: ModelDefinition, night: date, within: timedelta) -> Iterable[date]:
    """The days in which keys are looked for."""
    newest = newest_partition(definition.schedule, definition.sources[definition.observations.source], night)
    return date_range(newest - within + timedelta(days=1), newest)


def _dated(spark: SparkSession, pairs: Sequence[tuple[date, date]]) -> DataFrame:
    """Score dates with the dates of the source that make their observations."""
    columns = {"score_date": [night for night, _ in pairs], "source_date": [day for _, day in pairs]}
    return spark.createDataFrame(pa.table({name: pa.array(days, pa.date32()) for name, days in columns.items()}))
