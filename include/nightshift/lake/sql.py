"""SQL over the published tables, with DuckDB and no server."""

from __future__ import annotations

import json
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
from duckdb import StatementType
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.table import Table

from nightshift.errors import TerminalError, first_line
from nightshift.lake.catalog import Lake
from nightshift.lake.damage import reading, require_undamaged
from nightshift.lake.in_memory import open_database
from nightshift.lake.parquet import dataset_of
from nightshift.service_errors import explain_text

SHOW_TABLES = "see the tables with `show all tables`"
# As DuckDB names them: `describe`, `show` and `summarize` are selects, a `pivot` that lists no values is several.
READING = (StatementType.SELECT, StatementType.EXPLAIN, StatementType.MULTI)
READ_ONLY = "select, with, from, values, pivot, describe, show, summarize, explain"


@contextmanager
def open_sql(lake: Lake, query: str = "") -> Iterator[duckdb.DuckDBPyConnection]:
    """Opens a DuckDB connection with a view of each published table, under the table's name.

    The views show each table at its newest snapshot; nothing is copied and no server is needed. DuckDB gets their rows
    through Arrow: it can open no file at all, and needs no extension for an object store, which it would download.

    Args:
        lake: The lake.
        query: A query for which the views are: only tables that it may read are opened, since each costs requests to
            an object store.
    """
    spilled = _spill_folder()
    with open_database(spill_to=spilled) as connection:
        names = [name for namespace in lake.catalog.list_namespaces() for name in lake.catalog.list_tables(namespace)]
        for schema in sorted({name[0] for name in names}):
            connection.execute(f'create schema if not exists "{schema}"')
        files: dict[str, int] = {}
        for name in _tables_of(connection, query, {".".join(name) for name in names}):
            of_table = _create_view(connection, lake.table(name), *name.split(".", 1))
            if name in query.casefold():  # the others are there for what reads no rows of them, such as `show`
                require_undamaged(of_table)
            files |= of_table
        try:
            with reading(files):
                yield connection
        finally:
            shutil.rmtree(spilled, ignore_errors=True)


def run_sql(lake: Lake, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Runs a query over the published tables.

    Returns:
        The names of the columns, and the rows.

    Raises:
        TerminalError: If the query is not valid, with DuckDB's own explanation, or does anything but read tables.
        DamagedFileError: If a data file of a table is missing or damaged.
    """
    try:
        with open_sql(lake, query) as connection:
            _require_reading(connection, query)
            result = connection.execute(query)
            return [column[0] for column in result.description or []], result.fetchall()
    except duckdb.PermissionException as error:
        problem = f"the query failed: it reads or writes more than the published tables: {first_line(error)}"
        raise TerminalError(problem, fix=SHOW_TABLES) from None
    except duckdb.Error as error:
        if disk := explain_text(str(error), tempfile.gettempdir()):  # where it puts what does not fit into memory
            raise disk from None
        raise TerminalError(f"the query failed: {error}", fix=SHOW_TABLES) from None


def _require_reading(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    statements = connection.extract_statements(query)
    if not statements:
        raise TerminalError("the query failed: it has no statement", received=query, fix=SHOW_TABLES)
    for statement in statements:
        if statement.type not in READING:
            kind = statement.type.name.lower().replace("_", " ")
            problem = f"the query failed: published tables are only read, and this is a statement to {kind}"
            raise TerminalError(problem, received=query, allowed=READ_ONLY, fix=SHOW_TABLES)


def _tables_of(connection: duckdb.DuckDBPyConnection, query: str, names: Iterable[str]) -> list[str]:
    """The tables that a query reads, sorted; all of them if it names none or anything else, or is no select."""
    [answer] = connection.execute("select json_serialize_sql($1::varchar)", [query]).fetchone() or ("{}",)
    try:
        objects = list(_objects(json.loads(answer)))
    except RecursionError:
        objects = []
    functions = any(item.get("type") == "TABLE_FUNCTION" or item.get("show_type") == "SHOW_SPECIAL" for item in objects)
    tables = [item for item in objects if item.get("type") == "BASE_TABLE"]
    read = {
        ".".join(filter(None, (table["catalog_name"], table["schema_name"], table["table_name"]))) for table in tables
    }
    common = {entry["key"].casefold() for item in objects for entry in item.get("cte_map", {}).get("map", [])}
    by_name = {name.casefold(): name for name in names}
    read = {name.casefold() for name in read} - common
    if functions or not read or not read <= by_name.keys():
        return sorted(by_name.values())
    return sorted(by_name[name] for name in read)


def _objects(tree: Any) -> Iterator[dict[str, Any]]:
    """All objects of a JSON value; not by recursion: DuckDB's trees are deeper than Python's stack."""
    rest = [tree]
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            yield value
            rest.extend(value.values())
        elif isinstance(value, list):
            rest.extend(value)


def _create_view(connection: duckdb.DuckDBPyConnection, table: Table, schema: str, view: str) -> dict[str, int]:
    """Creates the view of a table, and returns its files with their sizes in bytes."""
    files = dict(sorted((task.file.file_path, task.file.file_size_in_bytes) for task in table.scan().plan_files()))
    rows = connection.from_arrow(dataset_of(list(files), schema_to_pyarrow(table.schema())))
    connection.execute(f'use "{schema}"')  # a view of Arrow's rows takes no schema in its name
    rows.create_view(view)
    connection.execute("use memory.main")
    return files


def _spill_folder() -> str:
    """A folder for what a query cannot have in memory, made when it is needed; "" if there is no place for one."""
    try:
        return f"{tempfile.gettempdir()}/nightshift-sql-{uuid.uuid4().hex}"
    except FileNotFoundError:  # no disk can be written to, or all are full
        return ""
