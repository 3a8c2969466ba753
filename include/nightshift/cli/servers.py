"""The commands about servers: start them, run the whole loop with them, stop them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from nightshift.cli.output import DATE, console, write_line
from nightshift.settings import get_settings

AirflowPort = Annotated[int, typer.Option(help="Port of the Airflow UI.")]
MlflowPort = Annotated[int, typer.Option(help="Port of the MLflow UI.")]


def up(airflow_port: AirflowPort = 8080, mlflow_port: MlflowPort = 5000) -> None:
    """Start Airflow and MLflow for the models there are, until Ctrl-C; nothing lands or runs by itself."""
    from nightshift.replay.up import keep_up

    keep_up(get_settings(), airflow_port, mlflow_port, console)


def run(
    model: Annotated[str, typer.Option(help="The model to replay.")] = "flight_delay",
    first: Annotated[datetime, typer.Option(formats=DATE, help="First night.")] = datetime(2013, 4, 6),
    last: Annotated[datetime, typer.Option(formats=DATE, help="Last night.")] = datetime(2013, 4, 12),
    champion: Annotated[
        datetime, typer.Option(formats=DATE, help="Train the first champion as of this date.")
    ] = datetime(2013, 3, 1),
    exit: Annotated[bool, typer.Option("--exit", help="Stop the servers after the summary.")] = False,
    airflow_port: AirflowPort = 8080,
    mlflow_port: MlflowPort = 5000,
) -> None:
    """Run the whole loop: servers, history, a first champion, and night after night by the scheduler."""
    from nightshift.replay.run import Plan, ReplayEnd, replay

    plan = Plan(model, first.date(), last.date(), champion.date(), not exit, airflow_port, mlflow_port)
    end = replay(plan, get_settings(), console)
    if end is not ReplayEnd.SUCCEEDED:
        raise typer.Exit(end)


def stop() -> None:
    """Stop servers that an interrupted run left behind."""
    from nightshift.replay.servers import Servers

    count = Servers(get_settings()).stop_leftovers()
    write_line(f"{count} processes stopped" if count else "no server is running")
