"""The commands about servers: run the whole loop with them, stop them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from nightshift.cli.output import DATE, console, write_line
from nightshift.settings import get_settings


def run(
    model: Annotated[str, typer.Option(help="The model to replay.")] = "flight_delay",
    first: Annotated[datetime, typer.Option(formats=DATE, help="First night.")] = datetime(2013, 4, 6),
    last: Annotated[datetime, typer.Option(formats=DATE, help="Last night.")] = datetime(2013, 4, 12),
    champion: Annotated[
        datetime, typer.Option(formats=DATE, help="Train the first champion as of this date.")
    ] = datetime(2013, 3, 1),
    exit: Annotated[bool, typer.Option("--exit", help="Stop the servers after the summary.")] = False,
    airflow_port: Annotated[int, typer.Option(help="Port of the Airflow UI.")] = 8080,
    mlflow_port: Annotated[int, typer.Option(help="Port of the MLflow UI.")] = 5000,
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
