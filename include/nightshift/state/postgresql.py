"""State in a PostgreSQL database: a table of records, and advisory locks, which end with their connection."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from nightshift.errors import TerminalError, TransientError, first_line
from nightshift.state.reentrance import ReentrantLocks

log = logging.getLogger(__name__)

TABLE = "nightshift_state"
CREATE_TABLE = f"create table if not exists {TABLE} (name text primary key, content bytea not null)"


class PostgresqlState:
    """Records are rows of the table `nightshift_state`, which is created when it is missing.

    Args:
        location: SQLAlchemy's URL of the database.
    """

    def __init__(self, location: str) -> None:
        self.url: URL = make_url(location)
        # Without a pool: processes fork, and calls are rare.
        self._engine: Engine = create_engine(self.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        self._ready = False
        self.lock = ReentrantLocks(self._lock)

    def read(self, name: str) -> bytes | None:
        """The content of a row; None if there is none."""
        rows = self._run(f"select content from {TABLE} where name = :name", name=name)
        return bytes(rows[0][0]) if rows else None

    def write(self, name: str, content: bytes) -> None:
        """Inserts a row, or updates it."""
        insert = f"insert into {TABLE} values (:name, :content)"
        self._run(f"{insert} on conflict (name) do update set content = excluded.content", name=name, content=content)

    def create(self, name: str, content: bytes) -> bool:
        """Inserts a row unless there is one."""
        insert = f"insert into {TABLE} values (:name, :content) on conflict do nothing returning name"
        return bool(self._run(insert, name=name, content=content))

    def names(self, folder: str) -> list[str]:
        """The names below a folder."""
        rows = self._run(f"select name from {TABLE} where starts_with(name, :prefix)", prefix=f"{folder}/")
        return sorted(str(name) for (name,) in rows)

    def remove(self, name: str) -> None:
        """Deletes a row, if it exists."""
        self._run(f"delete from {TABLE} where name = :name", name=name)

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
        with self._connection() as connection:
            connection.execute(text("select pg_advisory_lock(:key)"), {"key": key})
        try:
            yield
        finally:
            try:
                connection.execute(text("select pg_advisory_unlock(:key)"), {"key": key})
            except DBAPIError:
                log.warning("the connection that held the lock %s was lost; another process may have taken it", name)
            with suppress(DBAPIError):
                connection.close()

    def _run(self, statement: str, **values: Any) -> list[Any]:
        with self._connection() as connection, connection:
            result = connection.execute(text(statement), values)
            return list(result) if result.returns_rows else []

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """An open connection; what goes wrong while it is used is an error of one line."""
        where = f"NIGHTSHIFT_STATE={self.url.render_as_string(hide_password=True)}"
        try:
            connection = self._engine.connect()
            if not self._ready:
                with suppress(IntegrityError):  # two processes create it at once
                    connection.execute(text(CREATE_TABLE))
                self._ready = True
            yield connection
        except OperationalError as error:
            problem = f"the database of the shared state does not answer: {first_line(error.orig or error)}"
            fix = "start it, or correct the address; then run this again"
            raise TransientError(problem, where=where, fix=fix) from None
        except DBAPIError as error:
            problem = f"the database of the shared state refuses: {first_line(error.orig or error)}"
            fix = "let its user create and change tables there"
            raise TerminalError(problem, where=where, fix=fix) from None
