"""SQL over the published tables, with DuckDB and no server."""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa
from pyiceberg.io.pyarrow import schema_to_pyarrow

from nightshift.errors import TerminalError
from nightshift.lake.catalog import Lake
from nightshift.lake.files import local_path

SHOW_TABLES = "see the tables with `show all tables`"


def connect_sql(lake: Lake) -> duckdb.DuckDBPyConnection:
    """Opens a DuckDB connection with a view of each published table, under the table's name.

    The views show each table at its newest snapshot; nothing is copied and no server is needed.
    """
    connection = duckdb.connect()
    for namespace in sorted(lake.catalog.list_namespaces()):
        connection.execute(f'create schema if not exists "{namespace[0]}"')
        for name in sorted(lake.catalog.list_tables(namespace)):
            connection.execute(f'create view "{name[0]}"."{name[1]}" as {_select(lake, ".".join(name))}')
    return connection


def run_sql(lake: Lake, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Runs a query over the published tables.

    Returns:
        The names of the columns, and the rows.

    Raises:
        TerminalError: If the query is not valid, with DuckDB's own explanation.
    """
    connection = connect_sql(lake)
    try:
        if not connection.extract_statements(query):
            raise TerminalError("the query failed: it has no statement", received=query, fix=SHOW_TABLES)
        result = connection.execute(query)
        return [column[0] for column in result.description or []], result.fetchall()
    except duckdb.Error as error:
        raise TerminalError(f"the query failed: {error}", fix=SHOW_TABLES) from None


def _select(lake: Lake, name: str) -> str:
    table = lake.table(name)
    files = sorted(local_path(task.file.file_path) for task in table.scan().plan_files())
    # An older file lacks the columns that were added later: the empty relation declares all of them.
    empty = ", ".join(f'null::{_sql_type(field.type)} as "{field.name}"' for field in schema_to_pyarrow(table.schema()))
    if not files:
        return f"select {empty} where false"
    literals = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    return (
        f"select {empty} where false union all by name "
        f"select * from read_parquet([{literals}], union_by_name=true, hive_partitioning=false)"
    )


def _sql_type(kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind):
        return "timestamptz" if kind.tz else "timestamp"
    names = {"int64": "bigint", "double": "double", "bool": "boolean", "date32[day]": "date"}
    return names.get(str(kind), "varchar")
