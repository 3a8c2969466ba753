"""The rows inside and outside of a label's window, and the outcomes that these alone give: what checks of labels use.

Nothing here is shared with `window_labels` but what is declared (`label_events`): windows are the two instants of the
calendar, and each one's events are aggregated anew.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date

import numpy as np
import pyarrow as pa

from nightshift.definition.calendar import label_dates, label_span
from nightshift.definition.model import ModelDefinition
from nightshift.lake.in_memory import database_cursor
from nightshift.lake.label_events import (
    event_condition,
    event_instant,
    event_value,
    event_weight,
    files_table,
    outcome_or_declared,
)
from nightshift.lake.tables import label_type
from nightshift.lake.zeros import with_plain_zeros

_DIRECTLY = {
    "any": "cast(count(_value) > 0 as double)",
    "none": "cast(count(_value) = 0 as double)",
    "count": "cast(count(_value) as double)",
    "sum": "sum(_value)",
    "mean": "avg(_value)",
    "min": "min(_value)",
    "max": "max(_value)",
    "last": "(max({'at': _at, 'value': _value}) filter (_value is not null)).value",
    # Exact sums, since equal ones are told apart by the class; the first of them by name.
    "most": "first(_value order by _sum desc nulls last, _value)",
}


def split_by_window(definition: ModelDefinition, rows: pa.Table, night: date) -> tuple[pa.Table, pa.Table]:
    """The rows of the label source whose event is in the window of a score date, and all others."""
    begin, end = (instant.astimezone(UTC) for instant in label_span(definition, night))
    with database_cursor() as database:
        database.execute("set timezone = 'UTC'")
        database.register("landed", rows.append_column("_row", pa.array(np.arange(rows.num_rows))))
        inside = f"_at >= '{begin.isoformat()}'::timestamptz and _at < '{end.isoformat()}'::timestamptz"
        chosen = database.sql(
            f"select _row from (select _row, {event_instant(definition)} as _at from landed) "
            f"where {inside} order by _row"
        ).to_arrow_table()
    places = chosen["_row"].to_numpy()
    return rows.take(places), rows.take(np.setdiff1d(np.arange(rows.num_rows), places))


def outcomes_without_events(definition: ModelDefinition, observed: pa.Table) -> pa.Table:
    """The declared outcome of a window without an event, of every observation; without rows if there is none."""
    label, kind = definition.label, label_type(definition)
    value = label.outcome_without_events
    rows = observed.select(["score_date", *definition.observations.key])
    if value is None:
        return rows.slice(0, 0).append_column("label", pa.array([], kind))
    return rows.append_column("label", pa.array([value] * rows.num_rows, kind))


def outcomes_by_brute_force(
    definition: ModelDefinition, observed: pa.Table, rows: pa.Table, files: Collection[date]
) -> pa.Table:
    """The labels of one score date's observations, by joining each with the events of its window.

    Args:
        definition: A definition whose label has a window.
        observed: Observations of one date, whose window's files are all published: `score_date` and the key.
        rows: The rows of the label source, with `source_date`.
        files: The dates of the source that are published.

    Returns:
        Columns `score_date`, the observation's key and `label` (see `label_type`; no nulls).
    """
    label, night = definition.label, observed["score_date"][0].as_py()
    last = label_dates(definition, night)[1]
    inside, _ = split_by_window(definition, rows, night)
    keys = ", ".join(f'"{column}"' for column in ("score_date", *definition.observations.key))
    matches = " and ".join(f'observed."{column}" = events."{column}"' for column in definition.label_key)
    outcome, grouped = outcome_or_declared(label, _DIRECTLY[str(label.agg)]), "joined"
    if label.agg == "most":
        grouped = (
            f"(select {keys}, _value, sum(cast(_weight * pow(2, 66) as hugeint)) as _sum from joined group by all)"
        )
    with database_cursor() as database:
        database.execute("set timezone = 'UTC'")
        database.register("landed", with_plain_zeros(inside, definition.label_key))
        database.register("observed", with_plain_zeros(observed, definition.observations.key))
        database.register("files", files_table(definition, (day for day in files if day <= last)))
        labels = database.sql(f"""
            with events as (
                select valued.* from (
                    select *, {event_instant(definition)} as _at, {event_value(label)} as _value,
                        {event_weight(label)} as _weight
                    from landed where {event_condition(label)}
                ) as valued join files on source_date = _file
                where _at < _available and _value is not null and _weight is not null
            ), joined as (
                select observed.*, _at, _value, _weight from observed left join events on {matches}
            )
            select {keys}, {outcome} as label
            from {grouped} group by {keys} having label is not null
        """).to_arrow_table()
    fields = [observed.schema.field(name) for name in labels.column_names[:-1]]
    return labels.cast(pa.schema([*fields, pa.field("label", label_type(definition))]))
