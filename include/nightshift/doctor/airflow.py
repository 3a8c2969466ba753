"""Whether Airflow has the pools, reads the DAG files, and schedules; read from its metadata, which need no server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from nightshift.doctor.examination import Examination
from nightshift.errors import NightshiftError, TerminalError, TransientError, first_line
from nightshift.replay.nights import POOLS
from nightshift.replay.servers import DATABASE, airflow_database

HEARTBEAT = timedelta(minutes=2)  # a scheduler is dead without one; it has one each five seconds


def check_airflow(examination: Examination) -> Iterator[NightshiftError]:
    """Missing pools, DAG files that cannot be imported, and a scheduler that does not run."""
    url = make_url(airflow_database(examination.settings))
    if DATABASE not in os.environ and not Path(str(url.database)).exists():
        return  # nothing was ever scheduled here
    where = url.render_as_string(hide_password=True)
    try:
        with create_engine(url).connect() as connection:
            yield from _missing_pools(connection, where)
            yield from _broken_files(connection)
            yield from _missing_scheduler(connection, where)
    except SQLAlchemyError as error:
        problem = f"Airflow's metadata cannot be read: {first_line(getattr(error, 'orig', None) or error)}"
        yield TransientError(problem, where=where, fix="start its database, or migrate it: airflow db migrate")


def _missing_pools(connection: Connection, where: str) -> Iterator[NightshiftError]:
    there = set(connection.scalars(text("select pool from slot_pool")))
    for pool, (slots, description) in POOLS.items():
        if pool not in there:
            yield TerminalError(
                f"Airflow's pool {pool} is missing: the tasks that run in it wait for ever",
                where=where,
                fix=f'airflow pools set {pool} {slots} "{description}"; nightshift up does it, too',
            )


def _broken_files(connection: Connection) -> Iterator[NightshiftError]:
    for name, trace in connection.execute(text("select filename, stacktrace from import_error order by filename")):
        problem = str(trace).strip().splitlines()[-1]
        yield TerminalError(f"Airflow cannot import a DAG file: {problem}", where=name, fix="nightshift validate")


def _missing_scheduler(connection: Connection, where: str) -> Iterator[NightshiftError]:
    alive = text("select count(*) from job where job_type = 'SchedulerJob' and latest_heartbeat > :since")
    if not connection.scalar(alive, {"since": datetime.now(UTC) - HEARTBEAT}):
        yield TransientError(
            "no scheduler of Airflow runs: nights wait until one does", where=where, fix="nightshift up, or start it"
        )
