"""Outcomes: what became of observations, from the label source once its partition is there."""

from __future__ import annotations

from datetime import date

import duckdb
import numpy as np
import pyarrow as pa

from nightshift.definition.expressions import names_in
from nightshift.definition.model import ModelDefinition
from nightshift.errors import TerminalError, first_line
from nightshift.lake.catalog import Lake
from nightshift.lake.read import read_dates
from nightshift.lake.tables import ROW, raw_table


def read_labels(
    lake: Lake,
    definition: ModelDefinition,
    first: date,
    last: date,
    snapshot: int | None = None,
    beside: tuple[str, ...] = (),
) -> pa.Table:
    """The label of every observation dated from `first` to `last` that has an outcome.

    Only the columns that the label looks at are read, and those asked for.

    Args:
        lake: The lake.
        definition: The model definition.
        first: The first date.
        last: The last date.
        snapshot: At this snapshot; the newest if None.
        beside: Further columns of the label source.

    Returns:
        Columns `score_date`, the observation's key, `label` (float64, no nulls), and those asked for.

    Raises:
        TerminalError: If the label's expression cannot be evaluated.
    """
    spec = raw_table(definition, definition.label.source)
    named = {name.lower() for name in names_in(definition.label.expression, "duckdb")}
    wanted = {spec.date_column, *definition.observations.key}
    columns = tuple(name for name in spec.columns if name in wanted or name.lower() in named or name in beside)
    outcomes = read_dates(lake, spec, first, last, columns=columns, snapshot=snapshot)
    key = ", ".join(f'"{column}"' for column in definition.observations.key)
    more = "".join(f', "{column}"' for column in beside if column not in wanted)
    try:
        database = duckdb.connect()
        database.register("outcomes", outcomes)
        return database.sql(
            f"select source_date as score_date, {key}, cast({definition.label.expression}\n as double) as label{more} "
            "from outcomes where label is not null order by all"
        ).to_arrow_table()
    except duckdb.Error as error:
        raise TerminalError(
            f"the label cannot be computed: {first_line(error)}",
            where=f"{definition.folder / 'model.yaml'}: label.expression",
            received=definition.label.expression,
            fix=f"write DuckDB SQL over the columns of {spec.name}",
        ) from None


def join_labels(rows: pa.Table, labels: pa.Table, key: tuple[str, ...]) -> pa.Table:
    """The rows that have a label, with it, in the order of their key."""
    by = ["score_date", *key]
    # The keys alone are joined and sorted: rows are wide.
    numbered = rows.select(by).append_column(ROW, pa.array(np.arange(rows.num_rows)))
    joined = numbered.join(labels, by, join_type="inner").sort_by([(column, "ascending") for column in by])
    places = joined[ROW].to_numpy()
    whole = len(places) == rows.num_rows and bool((np.diff(places) == 1).all())
    return (rows if whole else rows.take(joined[ROW])).append_column("label", joined["label"])
