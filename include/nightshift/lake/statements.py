"""What a statement of SQL reads, by DuckDB's own parser."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import duckdb
from duckdb import StatementType

from nightshift.errors import TerminalError

# As DuckDB names them: `describe`, `show` and `summarize` are selects, a `pivot` that lists no values is several.
READING = (StatementType.SELECT, StatementType.EXPLAIN, StatementType.MULTI)
READ_ONLY = "select, with, from, values, pivot, describe, show, summarize, explain"
# DuckDB also takes `copy`, `insert`, `update` and `delete` within `with`.
QUERIES = ("SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE")
# Table functions that read neither files nor SQL in a text.
PLAIN_FUNCTIONS = ("range", "generate_series", "unnest")


def require_reading(connection: duckdb.DuckDBPyConnection, query: str, fix: str) -> None:
    """Refuses SQL that does anything but read.

    Raises:
        TerminalError: If it has no statement, or one of another kind.
        duckdb.Error: If it is not valid.
    """
    statements = connection.extract_statements(query)
    if not statements:
        raise TerminalError("the query failed: it has no statement", received=query, fix=fix)
    for statement in statements:
        if statement.type not in READING:
            kind = statement.type.name.lower().replace("_", " ")
            problem = f"the query failed: published tables are only read, and this is a statement to {kind}"
            raise TerminalError(problem, received=query, allowed=READ_ONLY, fix=fix)


def tables_read(connection: duckdb.DuckDBPyConnection, query: str, names: Iterable[str]) -> frozenset[str] | None:
    """The tables that SQL reads, if it is seen to read them and nothing else.

    Args:
        connection: Any connection.
        query: The SQL.
        names: The names of all tables, such as `raw.arrivals`.

    Returns:
        The names; None if SQL names anything else, if it lists tables, or if it is not plain SQL: then it may read any
        table, and try to read or write anything.
    """
    [answer] = connection.execute("select json_serialize_sql(?::varchar)", [query]).fetchone() or ("{}",)
    try:
        tree = json.loads(answer)
    except RecursionError:
        return None
    if tree["error"] or not tree["statements"]:
        return None
    nodes = list(_nodes(tree["statements"]))
    if not all(map(_is_plain, nodes)):
        return None
    tables = [node for node in nodes if node.get("type") == "BASE_TABLE"]
    defined = {entry["key"].casefold() for node in nodes for entry in node.get("cte_map", {}).get("map", [])}
    read = {".".join(filter(None, map(table.get, ("catalog_name", "schema_name", "table_name")))) for table in tables}
    by_name = {name.casefold(): name for name in names}
    read = {name.casefold() for name in read} - defined
    return frozenset(by_name[name] for name in read) if read <= by_name.keys() else None


def _is_plain(node: dict[str, Any]) -> bool:
    kind = str(node.get("type"))
    if kind == "TABLE_FUNCTION":
        return node["function"].get("function_name") in PLAIN_FUNCTIONS
    return kind in QUERIES if kind.endswith("_NODE") else node.get("show_type") != "SHOW_SPECIAL"


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """All objects of a JSON value; not by recursion: DuckDB's trees are deeper than Python's stack."""
    rest = [tree]
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            yield value
            rest.extend(value.values())
        elif isinstance(value, list):
            rest.extend(value)
