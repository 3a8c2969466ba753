"""The servers alone: Airflow and MLflow for the models of an installation, until Ctrl-C."""

from __future__ import annotations

from rich.console import Console

from nightshift.definition.load import definition_folders
from nightshift.replay.interrupts import print_stopped, stopping, wait_for_interrupt
from nightshift.replay.nights import create_pools
from nightshift.replay.report import Reporter
from nightshift.replay.servers import Servers
from nightshift.replay.summary import print_servers
from nightshift.settings import Settings
from nightshift.terminal import print_line


def keep_up(settings: Settings, airflow_port: int, mlflow_port: int, console: Console) -> None:
    """Starts the servers, with what the DAGs need, and stops them at Ctrl-C or SIGTERM.

    Nothing lands, nothing is built, and no DAG is unpaused.

    Raises:
        TerminalError: If a port is taken, or a server ends.
    """
    report, servers = Reporter(console), Servers(settings, airflow_port, mlflow_port)
    with stopping(servers, console) as stopped:
        with report.live():
            report.show("starting Airflow and MLflow")
            servers.start()
            servers.start_scheduling()
            create_pools(servers.api())
        print_servers(console, servers)
        _print_models(console, settings)
        print_line(console, "\nThe servers stay up until Ctrl-C.")
        wait_for_interrupt(servers)
    print_stopped(console, stopped)


def _print_models(console: Console, settings: Settings) -> None:
    names = [folder.name for folder in definition_folders(settings.models_path)]
    listed = ", ".join(names) or "none yet: nightshift new <model> writes a definition"
    print_line(console, f"Models       {listed}, of {settings.models_path}")
    hint = "a new model's DAGs are paused: unpause <model>.score, .monitor and .train"
    print_line(console, f"             {hint}")
