"""Outcomes over a window of days after the cutoff: aggregates of the events in it.

Every window begins and ends with a cutoff, so events are aggregated once by their key and the cutoff before them, and
windows merge these: a year of overlapping windows reads each event once. Sums are exact, in whole multiples of 2^-66,
so that no order of rows changes a label (see `docs/decisions/0010-exact-sums.md`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, timedelta

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.calendar import cutoff, date_range, label_dates
from nightshift.definition.model import ModelDefinition
from nightshift.definition.spark_sql import columns_of
from nightshift.errors import TerminalError, first_line
from nightshift.lake.catalog import Lake
from nightshift.lake.in_memory import database_cursor
from nightshift.lake.key_shares import KeyShare
from nightshift.lake.label_events import (
    INSTANT,
    event_condition,
    event_instant,
    event_value,
    event_weight,
    files_table,
    outcome_or_declared,
    outcome_type,
)
from nightshift.lake.parquet import read_files
from nightshift.lake.read import landed_partitions
from nightshift.lake.tables import label_type, raw_table
from nightshift.lake.zeros import with_plain_zeros

# How the events of a key and day are aggregated, and how these partial aggregates are merged into a window's outcome.
_PARTIALS = {
    "sum": "sum(cast(_value * pow(2, 66) as hugeint))",
    "mean": "sum(cast(_value * pow(2, 66) as hugeint))",
    "min": "min(_value)",
    "max": "max(_value)",
    "last": "max({'at': _at, 'value': _value})",  # the largest value of the latest instant
}
_OUTCOMES = {
    "any": "1.0",
    "none": "0.0",
    "count": "sum(_events)",
    "sum": "cast(sum(_partial) as double) / pow(2, 66)",
    "mean": "cast(sum(_partial) as double) / pow(2, 66) / sum(_events)",
    "min": "min(_partial)",
    "max": "max(_partial)",
    "last": "max(_partial).value",
}
# The outcomes of all aggregations but `most`, and of that: see `_query`.
_AGGREGATED = """
    days as (
        select {key}, source_date, _day, count(*) as _events, {partial} as _partial
        from counted asof join cutoffs on _at >= _begins group by {key}, source_date, _day
    ), outcomes as (
        select _night, {key}, cast({outcome} as {kind}) as _outcome
        from days join windows on _day >= _first_day and _day < _end_day and source_date <= _last_file
        group by _night, {key}
    )
"""
_MOST = """
    days as (
        select {key}, source_date, _day, _value, sum(cast(_weight * pow(2, 66) as hugeint)) as _partial
        from counted asof join cutoffs on _at >= _begins group by {key}, source_date, _day, _value
    ), totals as (
        select _night, {key}, _value, sum(_partial) as _total
        from days join windows on _day >= _first_day and _day < _end_day and source_date <= _last_file
        group by _night, {key}, _value
    ), outcomes as (  -- of equal sums, the first value in alphabetical order
        select _night, {key}, first(_value order by _total desc, _value) as _outcome from totals group by _night, {key}
    )
"""


def read_window_labels(
    lake: Lake,
    definition: ModelDefinition,
    observed: pa.Table,
    snapshot: int | None = None,
    share: KeyShare | None = None,
) -> pa.Table:
    """The outcome of every observation whose window's files are all published: see `window_labels`.

    Args:
        lake: The lake.
        definition: A definition whose label has a window.
        observed: Observations: `score_date` and the key.
        snapshot: The snapshot of the label source to read; the newest if None.
        share: The share that the observations are of, by the columns of `definition.label_key`; None of all of them.
    """
    if not observed.num_rows:
        return _labels_schema(observed, definition).empty_table()
    observed_dates = pc.min_max(observed["score_date"]).as_py()
    events, files = read_events(lake, definition, observed_dates["min"], observed_dates["max"], snapshot, share=share)
    return window_labels(definition, observed, events, files)


def read_events(
    lake: Lake,
    definition: ModelDefinition,
    first: date,
    last: date,
    snapshot: int | None = None,
    margin: timedelta = timedelta(0),
    share: KeyShare | None = None,
) -> tuple[pa.Table, frozenset[date]]:
    """The rows that may have an event of the windows of some score dates, and the dates of their published files.

    Args:
        lake: The lake.
        definition: A definition whose label has a window.
        first: The first score date.
        last: The last score date.
        snapshot: The snapshot of the label source to read; the newest if None.
        margin: How many days to read beyond them on both sides.
        share: The rows to read, by the columns of `definition.label_key`; all if None.

    Returns:
        The columns that the label needs, with `source_date`, and the dates.
    """
    spec, source = raw_table(definition, definition.label.source), definition.sources[definition.label.source]
    # A file may have events from before it was available, on days after its own.
    begin = label_dates(definition, first)[0] - max(source.available.after, timedelta(days=1)) - margin
    end = label_dates(definition, last)[1] + margin
    used = {name for sql in _expressions(definition) for name in columns_of(sql, source.landed)}
    columns = tuple(name for name in spec.columns if name in {"source_date", *definition.label_key, *used})
    landed = landed_partitions(lake, spec, snapshot, within=(begin, end))
    rows = read_files([file for partition in landed.values() for file in partition.files], spec, columns, share)
    return rows, frozenset(landed)


def window_labels(
    definition: ModelDefinition, observed: pa.Table, landed: pa.Table, files: Collection[date]
) -> pa.Table:
    """The outcome of every observation whose window's files are all published.

    An event counts for a window if it happened within it, its file is not of a later date than the window's end, and
    it happened before its file was available: the outcome depends on the same files whenever it is computed.

    Args:
        definition: A definition whose label has a window.
        observed: Observations: `score_date` and the key.
        landed: The rows of the label source, with `source_date`.
        files: The dates of the source that are published, with or without rows.

    Returns:
        Columns `score_date`, the observation's key and `label` (see `label_type`; no nulls), sorted.

    Raises:
        TerminalError: If the outcome cannot be computed.
    """
    dates = sorted(pc.unique(observed["score_date"]).to_pylist())
    complete = [night for night in dates if set(date_range(*label_dates(definition, night))) <= set(files)]
    tables = {
        "landed": with_plain_zeros(landed, definition.label_key),
        "files": files_table(definition, files),
        "cutoffs": _cutoffs(definition, complete),
        "windows": _windows(definition, complete),
        "observed": with_plain_zeros(observed, definition.observations.key),
    }
    with database_cursor() as database:
        database.execute("set timezone = 'UTC'")
        for name, table in tables.items():
            database.register(name, table)
        try:
            labels = database.sql(_query(definition)).to_arrow_table()
        except duckdb.Error as error:
            raise TerminalError(
                f"the label cannot be computed: {first_line(error)}",
                where=f"{definition.folder / 'model.yaml'}: label",
                received=", ".join(_expressions(definition)[1:]) or f"agg: {definition.label.agg}",
                allowed="finite numbers below 1e18",
                fix=f"write DuckDB SQL over the columns of {definition.label.source}",
            ) from None
    return labels.cast(_labels_schema(observed, definition))


def _expressions(definition: ModelDefinition) -> list[str]:
    """The event time, and the label's own expressions, in DuckDB SQL."""
    label = definition.label
    return [event_instant(definition), *filter(None, (label.where, label.value, label.weight))]


def _query(definition: ModelDefinition) -> str:
    """DuckDB SQL that gives the labels of the observations of complete windows."""
    label, by = definition.label, definition.label_key
    key = ", ".join(f'"{column}"' for column in by)
    matches = " and ".join(f'observed."{column}" = outcomes."{column}"' for column in by)
    observation = ", ".join(f'observed."{column}"' for column in ("score_date", *definition.observations.key))
    partial, outcome = _PARTIALS.get(str(label.agg)), _OUTCOMES.get(str(label.agg))
    aggregated = (_MOST if label.agg == "most" else _AGGREGATED).format(
        key=key, partial=partial or "null", outcome=outcome, kind=outcome_type(label)
    )
    # No column of a source begins with an underscore.
    return f"""
        with events as (
            select {key}, source_date, {event_instant(definition)} as _at, {event_value(label)} as _value,
                {event_weight(label)} as _weight
            from landed where {event_condition(label)}
        ), counted as (
            select events.* from events join files on source_date = _file
            where _value is not null and _weight is not null and _at < _available
        ), {aggregated}
        select {observation}, {outcome_or_declared(label, "_outcome")} as label
        from observed join windows on observed.score_date = windows._night
        left join outcomes on observed.score_date = outcomes._night and {matches}
        where label is not null order by all
    """


def _cutoffs(definition: ModelDefinition, dates: Iterable[date]) -> pa.Table:
    """The cutoff of every day in the windows of some score dates, and those that end them."""
    window = definition.label.window
    assert window is not None
    days = sorted({day for night in dates for day in date_range(night + window.from_, night + window.to)})
    # A date that a clock skips has the cutoff of the next one: a day without time has no event.
    begins = {cutoff(definition.schedule, day).astimezone(UTC): day for day in days}
    return pa.table({"_day": pa.array(begins.values(), pa.date32()), "_begins": pa.array(begins, INSTANT)})


def _windows(definition: ModelDefinition, dates: Sequence[date]) -> pa.Table:
    """The windows of some score dates: their days, and the last file that counts for each."""
    window = definition.label.window
    assert window is not None
    columns = {
        "_night": dates,
        "_first_day": [night + window.from_ for night in dates],
        "_end_day": [night + window.to for night in dates],
        "_last_file": [label_dates(definition, night)[1] for night in dates],
    }
    return pa.table({name: pa.array(days, pa.date32()) for name, days in columns.items()})


def _labels_schema(observed: pa.Table, definition: ModelDefinition) -> pa.Schema:
    fields = [observed.schema.field(name) for name in ("score_date", *definition.observations.key)]
    return pa.schema([*fields, pa.field("label", label_type(definition))])
