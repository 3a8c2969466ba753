"""Databases that definitions name: their addresses, and the rows of a query in tables of bounded memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

import pyarrow as pa

from nightshift.definition.source_places import DATE
from nightshift.errors import DataError, NotConfiguredError, TerminalError, TransientError
from nightshift.settings import get_settings

SCHEMES = ("postgresql", "postgres")

# The date is a setting of the transaction, which is bound as a parameter: PostgreSQL streams rows by `COPY`, which
# takes no parameters itself.
SETTING = "nightshift.date"
DATE_VALUE = f"(current_setting('{SETTING}')::date)"

# By the first two characters of an SQLSTATE: what the rows are to blame for, and what passes by itself; all others are
# mistakes in the query or missing rights. Without an SQLSTATE, there is no connection.
OF_ROWS = {"22"}
PASSING = {"08", "40", "53", "55", "57", "58", "XX"}
MISTAKEN = "correct the query, or allow this login to read"

ROW_TYPES_WITHOUT_UNIT = {"money"}  # stored as cents or other hundredths, which the driver gives as whole numbers

FindAddress = Callable[[str], str | None]
_elsewhere: list[FindAddress] = []


def look_up_connections(find: FindAddress) -> None:
    """Finds the addresses of databases elsewhere too, such as among Airflow's connections.

    Args:
        find: The address of a name; None if it has none.
    """
    if find not in _elsewhere:
        _elsewhere.append(find)


def address_of(connection: str) -> str:
    """The address of a database with its login, for libpq.

    Raises:
        NotConfiguredError: If there is none of that name.
        TerminalError: If it is not an address.
    """
    name = f"NIGHTSHIFT_CONNECTIONS__{connection.upper()}"
    if secret := get_settings().connections.get(connection.lower()):
        return _for_libpq(secret.get_secret_value(), name)
    for find in _elsewhere:
        if address := find(connection):
            return _for_libpq(address, f"Airflow's connection {connection}")
    if address := os.environ.get(f"AIRFLOW_CONN_{connection.upper()}"):
        return _for_libpq(address, f"AIRFLOW_CONN_{connection.upper()}")
    raise NotConfiguredError(
        "there is no connection of this name",
        where=connection,
        fix=f"set {name}=postgresql://user:password@host/database, or add it to Airflow's connections; commands find "
        f"those in AIRFLOW_CONN_{connection.upper()}, as an address",
    )


class Database:
    """A database by the name of its connection.

    Args:
        connection: The name.
        zone: The time zone of its sessions.

    Raises:
        TerminalError: If it has no address.
    """

    def __init__(self, connection: str, zone: str) -> None:
        self.connection, self.zone, self._address = connection, zone, address_of(connection)

    def rows(self, sql: str, day: date, where: str) -> Iterator[pa.Table]:
        """The rows of a query, in tables of at most about 16 MiB; at least one.

        Args:
            sql: The query, with `{date}` where a date stands.
            day: The date.
            where: What is read, for messages.

        Raises:
            TerminalError: If the query is wrong, or this login may not read.
            DataError: If a value cannot be computed, or its type has no unit.
            TransientError: If the database does not answer, or goes away.
        """
        with self._explained(where), self._transaction(day) as cursor:
            cursor.execute(_alone(sql).replace(DATE, DATE_VALUE))
            batches = cursor.fetch_record_batch()
            _check_types(batches.schema, where)
            yield _with_digits(batches.schema.empty_table())
            for batch in batches:
                yield _with_digits(pa.Table.from_batches([batch]))

    def dates(self, sql: str, where: str) -> list[date]:
        """The dates that a query of one column gives, sorted.

        Raises:
            TerminalError: If it gives something else; and as `rows`.
        """
        with self._explained(where), self._transaction(None) as cursor:
            cursor.execute(_alone(sql))
            table = cursor.fetch_arrow_table()
        if table.num_columns != 1 or not pa.types.is_date32(table.schema.types[0]):
            received = ", ".join(f"{field.name}: {field.type}" for field in table.schema)
            fix = "select the dates alone, such as `select day::date from loads`"
            raise TerminalError("not dates", where=where, received=received, allowed="one column of dates", fix=fix)
        try:
            return sorted(set(table.column(0).drop_null().to_pylist()))
        except (OverflowError, ValueError):
            raise TerminalError("a date beyond the year 9999", where=where, fix="select finite dates alone") from None

    @contextmanager
    def _transaction(self, day: date | None) -> Iterator[Any]:
        """A cursor that reads one state of the database and cannot change it."""
        from adbc_driver_postgresql import dbapi

        with dbapi.connect(self._address) as connection, connection.cursor() as cursor:
            cursor.execute("set transaction isolation level repeatable read read only")
            for name, value in (("timezone", self.zone), (SETTING, day.isoformat() if day else "")):
                cursor.execute("select set_config($1, $2, true)", (name, value))
                cursor.fetchall()
            yield cursor

    @contextmanager
    def _explained(self, where: str) -> Iterator[None]:
        from adbc_driver_postgresql import dbapi

        try:
            yield
        except dbapi.Error as error:
            state = (getattr(error, "sqlstate", None) or "")[:2]
            answer = f"the database answered: {_sentence(error)}"
            if state in OF_ROWS:
                raise DataError(answer, where=where, fix="mend the rows, or the query") from None
            if state and state not in PASSING:
                raise TerminalError(answer, where=where, fix=MISTAKEN) from None
            fix = f"start it, or correct the address of the connection '{self.connection}'; then run this again"
            raise TransientError(f"the database does not answer: {_sentence(error)}", where=where, fix=fix) from None
        except pa.ArrowInvalid as error:
            raise TerminalError(f"the database answered: {_sentence(error)}", where=where, fix=MISTAKEN) from None
        except OSError as error:  # without an SQLSTATE: it may be a row, or a server that stops
            problem = f"the database stopped while its rows were read: {_sentence(error)}"
            raise TransientError(problem, where=where, fix="it is read again by the next attempt") from None


def _check_types(schema: pa.Schema, where: str) -> None:
    for field in schema:
        kind = ((field.metadata or {}).get(b"POSTGRESQL:type") or b"").decode()
        if kind in ROW_TYPES_WITHOUT_UNIT:
            problem, fix = f"column '{field.name}' is of type {kind}", f"select it as {field.name}::numeric"
            raise DataError(problem, where=where, allowed="a type whose values have one meaning", fix=fix)


def _with_digits(table: pa.Table) -> pa.Table:
    """The rows with every `numeric` as the text that the driver stores."""
    for place, field in enumerate(table.schema):
        if isinstance(field.type, pa.OpaqueType) and pa.types.is_string(field.type.storage_type):
            chunks = [chunk.storage for chunk in table.column(place).chunks]
            table = table.set_column(place, field.name, pa.chunked_array(chunks, pa.string()))
    return table


def _alone(sql: str) -> str:
    """A query without what ends it; the driver puts more behind it, which is no part of a comment."""
    return f"{sql.strip().rstrip(';')}\n"


def _sentence(error: BaseException) -> str:
    """What the server says, without what the driver adds."""
    text = str(error)
    for before in ("ERROR:", "FATAL:", "Failed to connect:", "[libpq]"):
        text = text.rpartition(before)[2]
    return text.strip().partition("\n")[0]


def _for_libpq(address: str, where: str) -> str:
    """An address as libpq reads it, whatever a password contains; nothing of it is repeated in messages."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    scheme = parts.scheme.partition("+")[0] if host else ""
    if scheme not in SCHEMES:
        raise TerminalError(
            "not the address of a database that can be read",
            where=where,
            allowed="postgresql://user:password@host:5432/database",
            fix="correct it; write characters such as / and # of a password as %2F and %23",
        )
    login = quote(unquote(parts.username or ""), safe="")
    login += f":{quote(unquote(parts.password), safe='')}" if parts.password else ""
    server = unquote(str(host))
    server = f"[{server}]" if ":" in server else server
    place = f"{login}@{server}" if login else server
    options = {"connect_timeout": "30", "application_name": "nightshift"}
    options |= {name: value for name, value in parse_qsl(parts.query) if not name.startswith("__")}
    options["client_encoding"] = "UTF8"  # as Arrow's texts are, whatever the database has
    query = urlencode(options, quote_via=quote)
    return urlunsplit(("postgresql", f"{place}:{port}" if port else place, parts.path, query, ""))
