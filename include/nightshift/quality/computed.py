"""Columns that checks need and no file has: rules between columns, references, ages."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import numpy as np
import pyarrow as pa

from nightshift.errors import TerminalError, first_line
from nightshift.lake.tables import ROW_NUMBER
from nightshift.quality.expectation import ComputedColumn

# Nothing is fetched.
DUCKDB_CONFIG: dict[str, str] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "threads": "1",
}


def computed_columns(rows: pa.Table, computed: Mapping[str, ComputedColumn]) -> pa.Table:
    """Computes columns row by row, in the order of the rows.

    DuckDB computes them for a small night in this process and for a large one in each of Spark's workers, so that a
    rule means the same in both; and by a clock that is said, so that it means the same on every machine.

    Raises:
        TerminalError: If an expression cannot be evaluated.
    """
    if not computed:
        return rows.select([])
    columns = sorted({column for one in computed.values() for column in one.columns})
    numbers = pa.array(np.arange(rows.num_rows))
    return pa.table({name: _column(rows.select(columns), numbers, name, one) for name, one in computed.items()})


def _column(rows: pa.Table, numbers: pa.Array, name: str, computed: ComputedColumn) -> pa.ChunkedArray:
    connection = duckdb.connect(config=DUCKDB_CONFIG)
    connection.register("landed", rows.append_column(ROW_NUMBER, numbers))
    if computed.known is not None:
        connection.register("known", computed.known)
    query = f"select ({computed.expression}\n) as value from landed order by {ROW_NUMBER}"
    try:
        connection.execute(f"set TimeZone = '{computed.zone}'")
        return connection.sql(query).to_arrow_table()["value"]
    except duckdb.Error as error:
        raise TerminalError(
            f"the rule '{name}' cannot be evaluated: {first_line(error)}",
            received=computed.expression,
            fix=f"write DuckDB SQL over {', '.join(rows.column_names) or 'the columns'}",
        ) from None


def quoted(name: str) -> str:
    """A name as SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'
