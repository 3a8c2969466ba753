"""MLflow's store in another database: every row, with the new addresses of artifacts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, MetaData, Table, create_engine, delete, func, insert, select, text

from nightshift.errors import TerminalError
from nightshift.moving.files import Places
from nightshift.project import Progress

REVISIONS = "alembic_version"  # of the schema
ROWS_AT_ONCE = 1_000


def copy_store(old_uri: str, new_uri: str, places: Places, progress: Progress) -> dict[str, int]:
    """Copies all rows of MLflow's store into an empty one of the same MLflow.

    Args:
        old_uri: SQLAlchemy's URL of the store.
        new_uri: That of the empty store, whose tables exist.
        places: The old and the new addresses.
        progress: Receives a line for each table that has rows.

    Returns:
        The number of rows of each table that has some; none if they had been copied before.

    Raises:
        TerminalError: If the stores are of different releases of MLflow, or the new one has runs or versions.
    """
    old_engine, new_engine = create_engine(old_uri), create_engine(new_uri)
    old_tables, new_tables = MetaData(), MetaData()
    old_tables.reflect(old_engine)
    new_tables.reflect(new_engine)  # whose types differ, and whose order keeps every reference valid
    counts: dict[str, int] = {}
    with old_engine.connect() as old, new_engine.begin() as new:
        if _is_copied(old, new, new_engine.url.render_as_string(hide_password=True)):
            return counts
        for table in reversed(new_tables.sorted_tables):
            if table.name != REVISIONS:
                new.execute(delete(table))  # what MLflow writes into an empty store by itself
        for table in new_tables.sorted_tables:
            if table.name == REVISIONS or table.name not in old_tables.tables:
                continue
            counts[table.name] = 0
            for rows in _batches(old, old_tables.tables[table.name]):
                new.execute(insert(table), [places.moved_within(row) for row in rows])
                counts[table.name] += len(rows)
            _continue_sequences(new, table)
            if counts[table.name]:
                progress(f"MLflow's {table.name}: {counts[table.name]} rows")
    return {name: count for name, count in counts.items() if count}


def _is_copied(old: Connection, new: Connection, where: str) -> bool:
    """Whether an earlier copy was complete, since it is one transaction.

    Raises:
        TerminalError: If there is something else in the new store, or it is of another release.
    """
    revisions = [connection.execute(text(f"select version_num from {REVISIONS}")).scalar() for connection in (old, new)]
    if revisions[0] != revisions[1]:
        raise TerminalError(
            "the stores are of different releases of MLflow",
            where=where,
            received=revisions[1],
            allowed=revisions[0],
            fix="run `mlflow db upgrade` with the same MLflow on both",
        )
    runs = [set(connection.execute(text("select run_uuid from runs")).scalars()) for connection in (old, new)]
    if runs[1] and runs[0] != runs[1]:
        problem, fix = "the new MLflow has runs that the old one has not", "move into an empty database"
        raise TerminalError(problem, where=where, received=f"{len(runs[1] - runs[0])} runs", allowed="none", fix=fix)
    return bool(runs[1])


def _batches(connection: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
    rows = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(select(table)).mappings()
    for batch in rows.partitions(ROWS_AT_ONCE):
        yield [dict(row) for row in batch]


def _continue_sequences(connection: Connection, table: Table) -> None:
    """Lets PostgreSQL number new rows after the copied ones."""
    if connection.dialect.name != "postgresql":
        return
    for column in table.primary_key.columns:
        sequence = connection.execute(select(func.pg_get_serial_sequence(table.name, column.name))).scalar()
        if sequence:
            largest = select(func.max(column)).scalar_subquery()
            connection.execute(select(func.setval(sequence, largest)))
