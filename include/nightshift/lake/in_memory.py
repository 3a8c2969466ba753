"""DuckDB over tables in memory, locked: a statement reads what it was given, and nothing else of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache

import duckdb


def open_database(threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """An empty database that downloads no extension, and knows neither variables of this process nor stored secrets.

    Args:
        threads: The most threads of a query; by default as many as there are cores.
    """
    switched_off = (
        "autoinstall_known_extensions",
        "autoload_known_extensions",
        "python_enable_replacements",
        "allow_persistent_secrets",
    )
    config = dict.fromkeys(switched_off, "false")
    return duckdb.connect(config=config | ({"threads": str(threads)} if threads else {}))


def lock(connection: duckdb.DuckDBPyConnection, files: Iterable[str] = ()) -> None:
    """Locks a database for good: its statements open no file but the named ones, and change no setting.

    Rows are registered as before, the time zone can be set, and queries spill to the database's temporary folder.

    Args:
        connection: A connection to the database.
        files: Paths that statements may read. They may write them too: DuckDB allows both or none.
    """
    paths = ", ".join(map(text_literal, files))
    connection.execute(f"set allowed_paths = [{paths}]")
    connection.execute("set enable_external_access = false")
    connection.execute("set allowed_configs = ['TimeZone']")
    connection.execute("set lock_configuration = true")


def text_literal(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


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
    database = open_database(threads)
    lock(database)
    return database
