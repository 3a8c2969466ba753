"""SQL over the published tables, with DuckDB and no server."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.table import Table

from nightshift.errors import TerminalError, first_line
from nightshift.lake.catalog import Lake
from nightshift.lake.files import local_path
from nightshift.lake.in_memory import lock, open_database, text_literal
from nightshift.lake.parquet import dataset_of
from nightshift.lake.statements import require_reading, tables_read

SHOW_TABLES = "see the tables with `show all tables`"


@contextmanager
def open_sql(lake: Lake, query: str = "") -> Iterator[duckdb.DuckDBPyConnection]:
    """Opens a DuckDB connection with a view of each published table, under the table's name, locked to these views.

    The views show each table at its newest snapshot; nothing is copied and no server is needed. DuckDB itself opens the
    files of tables only for a query that is seen to read tables and nothing else, since it could write them as well.
    For others it gets their rows through Arrow, and can open no file at all.

    Args:
        lake: The lake.
        query: A query for which the views are: only tables that it may read are opened, since each costs requests to
            an object store.
    """
    spilled = _spill_folder()
    with open_database() as connection:
        connection.execute(f"set temp_directory = {text_literal(spilled)}")
        names = [name for namespace in lake.catalog.list_namespaces() for name in lake.catalog.list_tables(namespace)]
        for schema in sorted({name[0] for name in names}):
            connection.execute(f'create schema if not exists "{schema}"')
        by_name = {".".join(name): name for name in names}
        read = tables_read(connection, query, by_name)
        opened: list[str] = []
        for name in sorted(by_name if read is None else read):
            opened += _create_view(connection, lake.table(name), by_name[name], within_duckdb=read is not None)
        lock(connection, opened)
        try:
            yield connection
        finally:
            if spilled:
                shutil.rmtree(spilled, ignore_errors=True)


def run_sql(lake: Lake, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Runs a query over the published tables.

    Returns:
        The names of the columns, and the rows.

    Raises:
        TerminalError: If the query is not valid, with DuckDB's own explanation, or does anything but read tables.
    """
    try:
        with open_sql(lake, query) as connection:
            require_reading(connection, query, SHOW_TABLES)
            result = connection.execute(query)
            return [column[0] for column in result.description or []], result.fetchall()
    except duckdb.PermissionException as error:
        problem = f"the query failed: it reads or writes more than the published tables: {first_line(error)}"
        raise TerminalError(problem, fix=SHOW_TABLES) from None
    except duckdb.Error as error:
        raise TerminalError(f"the query failed: {error}", fix=SHOW_TABLES) from None


def _spill_folder() -> str:
    """A folder for what a query cannot have in memory, made when it is needed; "" if there is no place for one."""
    try:
        return f"{tempfile.gettempdir()}/nightshift-sql-{uuid.uuid4().hex}"
    except FileNotFoundError:  # no disk can be written to, or all are full
        return ""


def _create_view(
    connection: duckdb.DuckDBPyConnection, table: Table, name: tuple[str, ...], within_duckdb: bool
) -> list[str]:
    """Creates a view of a table, whose local files DuckDB may read by itself; it reads others through Arrow.

    DuckDB's own access to object stores is an extension, which it would download.

    Returns:
        The paths of the files that DuckDB itself reads.
    """
    files, schema = sorted(task.file.file_path for task in table.scan().plan_files()), schema_to_pyarrow(table.schema())
    if not within_duckdb or not files or not all(file.startswith("file://") for file in files):
        connection.execute(f'use "{name[0]}"')
        connection.from_arrow(dataset_of(files, schema)).create_view(".".join(name[1:]))
        connection.execute("use memory.main")
        return []
    paths = list(map(local_path, files))
    # An older file lacks the columns that were added later: the empty relation declares all of them.
    declared = f"select {', '.join(map(_null_column, schema))} where false"
    listed = ", ".join(map(text_literal, paths))
    rows = f"select * from read_parquet([{listed}], union_by_name=true, hive_partitioning=false)"
    view = ".".join(f'"{part}"' for part in (name[0], ".".join(name[1:])))
    connection.execute(f"create view {view} as {declared} union all by name {rows}")
    return paths


def _null_column(field: pa.Field) -> str:
    return f'null::{_sql_type(field.type)} as "{field.name}"'


def _sql_type(kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind):
        return "timestamptz" if kind.tz else "timestamp"
    names = {"int64": "bigint", "double": "double", "bool": "boolean", "date32[day]": "date"}
    return names.get(str(kind), "varchar")
