"""DuckDB over tables in memory, locked: a statement reads what it was given, and nothing else of this machine."""

from __future__ import annotations

import os
from functools import cache

import duckdb

SWITCHED_OFF = (
    "autoinstall_known_extensions",
    "autoload_known_extensions",
    "python_enable_replacements",
    "allow_persistent_secrets",
)


def open_database(threads: int | None = None, spill_to: str = "") -> duckdb.DuckDBPyConnection:
    """An empty database whose statements read and write no file, load no extension, and change only the time zone.

    Args:
        threads: The most threads of a query; by default as many as there are cores.
        spill_to: The folder for what queries cannot have in memory; `.tmp` if empty.
    """
    config = {"threads": str(threads)} if threads else {}
    connection = duckdb.connect(config=config | dict.fromkeys(SWITCHED_OFF, "false"))
    if spill_to:
        connection.execute("set temp_directory = $1", [spill_to])
    connection.execute("set enable_external_access = false")
    connection.execute("set allowed_configs = ['TimeZone']")
    connection.execute("set lock_configuration = true")
    return connection


def database_cursor(threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """A connection of its own to an empty, locked database: what is registered or set on it, no other connection sees.

    The database stays open: to open one takes longer than most queries.

    Args:
        threads: The most threads of a query; by default as many as there are cores.
    """
    return _database(threads, os.getpid()).cursor()


@cache
def _database(threads: int | None, process: int) -> duckdb.DuckDBPyConnection:
    """A database of a process: one that was forked opens its own."""
    return open_database(threads)
