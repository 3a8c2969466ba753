"""Computes the columns that checks need and that no file has: rules between columns, references, ages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import numpy as np
import pyarrow as pa

from nightshift.errors import TerminalError, first_line
from nightshift.lake.in_memory import database_cursor
from nightshift.lake.tables import ROW_NUMBER
from nightshift.quality.expectation import ComputedColumn


def computed_columns(rows: pa.Table, computed: Mapping[str, ComputedColumn]) -> pa.Table:
    """Computes columns row by row, in the order of the rows.

    DuckDB computes them in this process for a small night and in each of Spark's workers for a large one, so a rule
    means the same in both. The time zone is set explicitly, so it means the same on every machine.

    Raises:
        TerminalError: If an expression cannot be evaluated.
    """
    if not computed:
        return rows.select([])
    columns = sorted({column for spec in computed.values() for column in spec.columns})
    landed = rows.select(columns).append_column(ROW_NUMBER, pa.array(np.arange(rows.num_rows)))
    with database_cursor(threads=1) as connection:
        connection.register("landed", landed)
        return pa.table({name: _column(connection, columns, name, spec) for name, spec in computed.items()})


def _column(
    connection: duckdb.DuckDBPyConnection, columns: Sequence[str], name: str, computed: ComputedColumn
) -> pa.ChunkedArray:
    connection.unregister("reference")
    if computed.reference is not None:
        connection.register("reference", computed.reference)
    query = f"select ({computed.expression}\n) as value from landed order by {ROW_NUMBER}"
    try:
        connection.execute(f"set TimeZone = '{computed.zone}'")
        return connection.sql(query).to_arrow_table()["value"]
    except duckdb.Error as error:
        raise TerminalError(
            f"the rule '{name}' cannot be evaluated: {first_line(error)}",
            received=computed.expression,
            fix=f"write DuckDB SQL over {', '.join(columns) or 'the columns'}",
        ) from None


def quoted(name: str) -> str:
    """A name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
