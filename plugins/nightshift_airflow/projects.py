"""A model as Airflow's tasks work with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

if TYPE_CHECKING:
    from nightshift.project import Project


def open_project(model: str) -> Project:
    """A model, whose databases may be Airflow's connections."""
    from nightshift.lake.databases import look_up_connections
    from nightshift.project import Project
    from nightshift.settings import get_settings

    look_up_connections(airflow_address)
    # The task has read the DAG's file, which remembers the definition.
    return Project(model, checked=get_settings().checked_path)


def airflow_address(connection: str) -> str | None:
    """The address of one of Airflow's connections, from whichever secrets backend has it; None if none has."""
    try:
        address: str = Connection.get(connection).get_uri()
    except AirflowNotFoundException:
        return None
    return address
