"""DuckDB over tables in memory, in a database that stays open: to open one takes longer than most queries."""

from __future__ import annotations

import os
from functools import cache

import duckdb


def database_cursor(threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """A connection of its own to an empty database: what is registered or set on it, no other connection sees.

    Args:
        threads: The most threads of a query; by default as many as there are cores.
    """
    return _database(threads, os.getpid()).cursor()


@cache
def _database(threads: int | None, process: int) -> duckdb.DuckDBPyConnection:
    """A database of a process: one that was forked opens its own."""
    # DuckDB downloads no extension.
    config = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    return duckdb.connect(config=config | ({"threads": str(threads)} if threads else {}))
