"""The commands about servers: start them, run the whole loop with them, stop them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
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
    first: Annotated[date, typer.Option(**DATE, help="First night.")] = date(2013, 4, 6),
    last: Annotated[date | None, typer.Option(**DATE, help="Last night; default: as --nights says.")] = None,
    nights: Annotated[int, typer.Option(min=1, help="How many nights, unless --last is given.")] = 7,
    champion: Annotated[date, typer.Option(**DATE, help="Train the first champion as of this date.")] = date(
        2013, 3, 1
    ),
    exit: Annotated[bool, typer.Option("--exit", help="Stop the servers after the summary.")] = False,
    airflow_port: AirflowPort = 8080,
    mlflow_port: MlflowPort = 5000,
    airflow_url: Annotated[
        str | None, typer.Option(help="Use the servers that run already, with Airflow at this address; start none.")
    ] = None,
    user: Annotated[str, typer.Option(help="The user of that Airflow.")] = "admin",
    password_file: Annotated[Path, typer.Option(help="A file with the user's password.")] = Path("password"),
) -> None:
    """Run the whole loop: servers, history, a first champion, and night after night by the scheduler."""
    from nightshift.replay.run import Plan, ReplayEnd, last_night, replay
    from nightshift.replay.running_servers import RunningServers
    from nightshift.replay.servers import Servers

    settings = get_settings()
    servers: Servers | RunningServers = Servers(settings, airflow_port, mlflow_port)
    if airflow_url is not None:
        servers = RunningServers(airflow_url, user, password_file, settings.airflow_url, settings.mlflow_url)
    end_of_nights = last or last_night(model, settings, first, nights)
    plan = Plan(model, first, end_of_nights, champion)
    end = replay(plan, settings, servers, console, stay=not exit)
    if end is not ReplayEnd.SUCCEEDED:
        raise typer.Exit(end)


def stop() -> None:
    """Stop servers that an interrupted run left behind."""
    from nightshift.replay.servers import Servers

    count = Servers(get_settings()).stop_leftovers()
    write_line(f"{count} processes stopped" if count else "no server is running")
