"""SQL over the published tables, with DuckDB and no server."""

from __future__ import annotations

import re
from typing import Any

import duckdb
import pyarrow as pa
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.table import Table

from nightshift.errors import TerminalError
from nightshift.lake.catalog import Lake
from nightshift.lake.files import local_path
from nightshift.lake.parquet import dataset_of

SHOW_TABLES = "see the tables with `show all tables`"


def connect_sql(lake: Lake, query: str = "") -> duckdb.DuckDBPyConnection:
    """Opens a DuckDB connection with a view of each published table, under the table's name.

    The views show each table at its newest snapshot; nothing is copied and no server is needed.

    Args:
        lake: The lake.
        query: A query for which the views are: only tables that it may read are opened, since each costs requests to
            an object store.
    """
    connection = duckdb.connect()
    names = [name for namespace in lake.catalog.list_namespaces() for name in lake.catalog.list_tables(namespace)]
    for schema in sorted({name[0] for name in names}):
        connection.execute(f'create schema if not exists "{schema}"')
    for name in _tables_of(query, {".".join(name) for name in names}):
        _create_view(connection, lake.table(name), ".".join(f'"{part}"' for part in name.split(".", 1)))
    return connection


def run_sql(lake: Lake, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Runs a query over the published tables.

    Returns:
        The names of the columns, and the rows.

    Raises:
        TerminalError: If the query is not valid, with DuckDB's own explanation.
    """
    connection = connect_sql(lake, query)
    try:
        if not connection.extract_statements(query):
            raise TerminalError("the query failed: it has no statement", received=query, fix=SHOW_TABLES)
        result = connection.execute(query)
        return [column[0] for column in result.description or []], result.fetchall()
    except duckdb.Error as error:
        raise TerminalError(f"the query failed: {error}", fix=SHOW_TABLES) from None


def _tables_of(query: str, names: set[str]) -> list[str]:
    """The tables that a query reads, sorted; all of them if it is no plain query or names anything else."""
    # A statement that looks at tables, such as `show`, and functions that name a table in a text.
    if re.search(r"\b(show|describe|desc|summarize|query|query_table)\b|;\s*\S", query, re.IGNORECASE):
        return sorted(names)
    if not re.match(r"\s*(select|with|from)\b", query, re.IGNORECASE):
        return sorted(names)
    import sqlglot  # its import takes a tenth of a second
    from sqlglot import exp

    try:
        statement = sqlglot.parse_one(query, read="duckdb")
    except (sqlglot.errors.SqlglotError, RecursionError):
        return sorted(names)
    parts = list(statement.find_all(exp.Table, exp.CTE))
    defined = {part.alias.casefold() for part in parts if isinstance(part, exp.CTE)}
    read = {f"{part.db}.{part.name}".casefold() for part in parts if isinstance(part, exp.Table)}
    read -= {f".{name}" for name in defined}
    by_name = {name.casefold(): name for name in names}
    return sorted(by_name[name] for name in read) if read <= by_name.keys() else sorted(names)


def _create_view(connection: duckdb.DuckDBPyConnection, table: Table, view: str) -> None:
    """Creates a view of a table: DuckDB reads local files by itself, and those elsewhere through Arrow.

    DuckDB's own access to object stores is an extension, which it would download.
    """
    files, schema = sorted(task.file.file_path for task in table.scan().plan_files()), schema_to_pyarrow(table.schema())
    # An older file lacks the columns that were added later: the empty relation declares all of them.
    select = f"select {', '.join(map(_null_column, schema))} where false"
    if files and all(file.startswith("file://") for file in files):
        literals = ", ".join("'" + local_path(file).replace("'", "''") + "'" for file in files)
        rows = f"select * from read_parquet([{literals}], union_by_name=true, hive_partitioning=false)"
        select = f"{select} union all by name {rows}"
    elif files:
        relation = f"files of {view}".replace('"', "")
        connection.register(relation, dataset_of(files, schema))
        select = f'select * from "{relation}"'
    connection.execute(f"create view {view} as {select}")


def _null_column(field: pa.Field) -> str:
    return f'null::{_sql_type(field.type)} as "{field.name}"'


def _sql_type(kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind):
        return "timestamptz" if kind.tz else "timestamp"
    names = {"int64": "bigint", "double": "double", "bool": "boolean", "date32[day]": "date"}
    return names.get(str(kind), "varchar")
