"""Outcomes: the labels of observations, read from the label source once its partition is published."""

from __future__ import annotations

from datetime import date
from typing import Literal

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.expressions import names_in
from nightshift.definition.model import ModelDefinition
from nightshift.errors import TerminalError, first_line
from nightshift.lake.catalog import Lake
from nightshift.lake.in_memory import database_cursor
from nightshift.lake.key_shares import KeyShare
from nightshift.lake.read import read_dates
from nightshift.lake.tables import ROW_NUMBER, raw_table
from nightshift.lake.window_labels import read_window_labels
from nightshift.lake.zeros import with_plain_zeros


def read_labels(
    lake: Lake,
    definition: ModelDefinition,
    observed: pa.Table,
    snapshot: int | None = None,
    extra_columns: tuple[str, ...] = (),
    share: KeyShare | None = None,
    dates: tuple[date, date] | None = None,
) -> pa.Table:
    """The outcomes of observations: of their dates' rows in the label source, or of the windows after their cutoffs.

    Args:
        lake: The lake.
        definition: The model definition.
        observed: Observations of one or more neighbouring dates, with `score_date` and the key.
        snapshot: The snapshot of the label source to read; the newest if None.
        extra_columns: Further columns of the label source to return; of a label without a window.
        share: The share that the observations are of, by the columns of `definition.label_key`; None of all of them.
        dates: The first and the last date; those of the observations if None.

    Returns:
        Columns `score_date`, the observation's key, `label` (see `label_type`; no nulls), and the extra columns.
        Without a window also the outcomes of keys that were not observed.

    Raises:
        TerminalError: If the label cannot be computed.
    """
    if definition.label.window is not None:
        return read_window_labels(lake, definition, observed, snapshot, share)
    observed_dates = pc.min_max(observed["score_date"]).as_py()
    first, last = dates or (observed_dates["min"] or date.max, observed_dates["max"] or date.min)
    return read_row_labels(lake, definition, first, last, snapshot, extra_columns, share)


def read_row_labels(
    lake: Lake,
    definition: ModelDefinition,
    first: date,
    last: date,
    snapshot: int | None = None,
    extra_columns: tuple[str, ...] = (),
    share: KeyShare | None = None,
) -> pa.Table:
    """The rows of the label source dated from `first` to `last` that have an outcome.

    Only the columns that the label's expression names are read, and the extra ones.

    Args:
        lake: The lake.
        definition: A definition whose label has no window.
        first: The first date.
        last: The last date.
        snapshot: The snapshot of the label source to read; the newest if None.
        extra_columns: Further columns of the label source to return.
        share: The rows to read, by their key; all if None.

    Returns:
        Columns `score_date`, the observation's key, `label` (see `label_type`; no nulls), and the extra columns.

    Raises:
        TerminalError: If the label's expression cannot be evaluated.
    """
    expression = str(definition.label.expression)
    spec = raw_table(definition, definition.label.source)
    label_columns = {name.lower() for name in names_in(expression, "duckdb")}
    key_columns = {spec.date_column, *definition.observations.key}
    columns = tuple(
        name for name in spec.columns if name in key_columns or name.lower() in label_columns or name in extra_columns
    )
    outcomes = read_dates(lake, spec, first, last, columns=columns, snapshot=snapshot, share=share)
    key = ", ".join(f'"{column}"' for column in definition.observations.key)
    extra = "".join(f', "{column}"' for column in extra_columns if column not in key_columns)
    # A label of -0.0 is 0.0.
    is_class = definition.label.kind == "category"
    label = f"cast({expression}\n as varchar)" if is_class else f"cast({expression}\n as double) + 0.0"
    try:
        database = database_cursor()
        database.register("outcomes", outcomes)
        return database.sql(
            f"select source_date as score_date, {key}, {label} as label{extra} "
            "from outcomes where label is not null order by all"
        ).to_arrow_table()
    except duckdb.Error as error:
        raise TerminalError(
            f"the label cannot be computed: {first_line(error)}",
            where=f"{definition.folder / 'model.yaml'}: label.expression",
            received=expression,
            fix=f"write DuckDB SQL over the columns of {spec.name}",
        ) from None


def join_labels(
    rows: pa.Table, labels: pa.Table, key: tuple[str, ...], join_type: Literal["inner", "left outer"] = "inner"
) -> pa.Table:
    """The rows that have a label, or all with `left outer`, with a column `label`, in the order of their key."""
    by = ["score_date", *key]
    # The keys alone are joined and sorted: rows are wide.
    labels = with_plain_zeros(labels, by)
    numbered = with_plain_zeros(rows.select(by), by).append_column(ROW_NUMBER, pa.array(np.arange(rows.num_rows)))
    joined = numbered.join(labels, by, join_type=join_type).sort_by([(column, "ascending") for column in by])
    places = joined[ROW_NUMBER].to_numpy()
    unchanged = len(places) == rows.num_rows and bool((np.diff(places) == 1).all())
    return (rows if unchanged else rows.take(joined[ROW_NUMBER])).append_column("label", joined["label"])
