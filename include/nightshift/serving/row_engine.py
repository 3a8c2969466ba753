"""Evaluates SQL over rows in memory, by DuckDB with the time zone of Spark's sessions."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import duckdb
import pyarrow as pa

from nightshift.lake.in_memory import open_database

ROWS = "rows_in_memory"


class RowEngine:
    """A DuckDB without tables, for all threads of a process: to start one takes longer than most rows."""

    def __init__(self) -> None:
        self._database = open_database(threads=1)
        self._of_thread = threading.local()

    def select(self, rows: pa.Table, columns: Sequence[str]) -> pa.Table:
        """Selects expressions of rows, with a row for each.

        Raises:
            duckdb.Error: If an expression fails for a row.
        """
        cursor = self._cursor()
        cursor.register(ROWS, rows)
        try:
            return cursor.sql(f"select {', '.join(columns)} from {ROWS}").to_arrow_table()
        finally:
            cursor.unregister(ROWS)

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        if not hasattr(self._of_thread, "cursor"):
            self._of_thread.cursor = self._database.cursor()
            self._of_thread.cursor.execute("set TimeZone = 'UTC'")
        cursor: duckdb.DuckDBPyConnection = self._of_thread.cursor
        return cursor
