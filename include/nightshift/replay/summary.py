"""The summary of replayed nights: a row per night, a line per retraining, and where to look further."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from nightshift.alerts.deliver import read_alerts
from nightshift.definition.calendar import nights
from nightshift.definition.prediction import PROBABILITY
from nightshift.project import Project
from nightshift.replay.nights import NightRun
from nightshift.replay.running_servers import RunningServers
from nightshift.replay.servers import Servers
from nightshift.status import NightStatus, gate_refusals, night_statuses, retrainings
from nightshift.terminal import add_cells, as_text, new_table, print_line, print_table


def print_summary(
    console: Console,
    project: Project,
    servers: Servers | RunningServers,
    runs: Sequence[NightRun],
    first: date,
    last: date,
    seconds: float,
) -> bool:
    """Prints what became of the nights from `first` to `last`.

    Args:
        console: Where to.
        project: The model's loop.
        servers: The running servers.
        runs: The nights' runs.
        first: The first night.
        last: The last night.
        seconds: Duration of the replay.

    Returns:
        Whether every run succeeded and the scored tables hold exactly the observations of the source.
    """
    model, statuses = project.definition.name, night_statuses(project, first, last)
    print_line(console)
    title = f"{model}: {len(statuses)} nights in {seconds:.0f} s"
    print_table(console, nights_table(title, statuses, {run.night: run.seconds for run in runs}))
    _print_retrainings(console, project, first, last)
    succeeded = all(run.succeeded for run in runs)
    complete = {status.night for status in statuses if status.complete} == set(
        nights(project.definition.schedule, first, last)
    )
    if not succeeded:
        _print_failure(console, project, servers)
    if not complete:
        problem = "The scored tables do not hold exactly the scheduled observations of every night."
        print_line(console, problem, "red")
    _print_addresses(console, servers, model, last)
    return succeeded and complete


def nights_table(title: str, statuses: Sequence[NightStatus], seconds: Mapping[date, float] | None = None) -> Table:
    """A row per night: checks passed, share of features drifted, and the accuracy once its labels are final.

    Args:
        title: Of the table.
        statuses: The nights.
        seconds: How long each night took; without them, the table has no such column.
    """
    table = new_table((), title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    metric = statuses[0].metric if statuses else PROBABILITY.metrics.headline_title
    numbers = {"rows", "version", metric, "seconds"}
    names = ["night", "rows", "quality", "drift", "decision", "version", "definition", metric]
    for name in [*names, "seconds"] if seconds is not None else names:
        table.add_column(as_text(name), justify="right" if name in numbers else "left")
    for status in statuses:
        rows = status.rows if status.complete else as_text(f"{status.rows} of {status.expected}", "red")
        accuracy = f"{status.accuracy:.3f}" if status.accuracy is not None else as_text("due", "dim")
        judged = [status.quality, status.drift, status.decision]
        cells = [str(status.night), rows, *judged, f"{status.version}", status.definition, accuracy]
        if seconds is not None:
            cells.append(f"{seconds[status.night]:.0f}" if status.night in seconds else "–")
        add_cells(table, *cells)
    return table


def _print_retrainings(console: Console, project: Project, first: date, last: date) -> None:
    requests = retrainings(project, first, last)
    for retraining in requests:
        print_line(console, retraining.sentence)
    reported = {retraining.night for retraining in requests}
    for day, reason in gate_refusals(project).items():
        if day not in reported:
            print_line(console, f"{day}: the gate refused a training: {reason}")


def _print_failure(console: Console, project: Project, servers: Servers | RunningServers) -> None:
    for alert in read_alerts(project.settings)[-1:]:
        print_line(console, Text.assemble(("alert", "red"), " ", as_text(f"{alert['what']}; {alert['runbook']}")))
    place = "in the Airflow UI and below var/logs/tasks" if isinstance(servers, Servers) else "in the Airflow UI"
    print_line(console, Text.assemble(("A run failed.", "red"), f" Its log is {place}."))


def _print_addresses(console: Console, servers: Servers | RunningServers, model: str, last: date) -> None:
    query = f"select * from scores.{model} where score_date = '{last}' order by score desc limit 10"
    print_servers(console, servers)
    command = ".venv/bin/nightshift" if isinstance(servers, Servers) else "nightshift"
    print_line(console, f'Last night   {command} sql "{query}"')


def print_servers(console: Console, servers: Servers | RunningServers) -> None:
    """Prints the addresses of the servers, and where their password is."""
    login = f"user {servers.user}, password in {servers.password_file}"
    print_line(console, f"\nAirflow      {servers.airflow_url}  {login}")
    if servers.mlflow_url:
        same_login = "  the same user and password" if isinstance(servers, Servers) else ""
        print_line(console, f"MLflow       {servers.mlflow_url}{same_login}")
