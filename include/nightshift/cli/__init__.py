"""The command line: `nightshift --help`.

A command is a function in the file of its group. To add one, write it there and list it in COMMANDS or in GROUPS.
Commands import what is slow to load in their own bodies, so that `nightshift --help` stays quick.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

import typer

from nightshift.cli import (
    backtests,
    definitions,
    deployment,
    exports,
    features,
    installations,
    monitoring,
    nights,
    profiling,
    quarantine,
    schema,
    servers,
    serving,
    tables,
    trainings,
    versions,
)
from nightshift.cli.output import write_note
from nightshift.service_errors import explain
from nightshift.terminal import PrintableFormatter

# In the order in which `nightshift --help` lists them.
COMMANDS: dict[str, Callable[..., None]] = {
    "up": servers.up,
    "run": servers.run,
    "stop": servers.stop,
    "new": profiling.new,
    "validate": definitions.validate,
    "schema": schema.schema,
    "profile-source": profiling.profile_source,
    "preview": nights.preview,
    "land": nights.land,
    "build": nights.build,
    "try": trainings.try_training,
    "train": trainings.train,
    "score": nights.score,
    "serve": serving.serve,
    "parity": serving.parity,
    "export": exports.export,
    "served": monitoring.served,
    "status": nights.status,
    "alerts": monitoring.alerts,
    "sql": tables.sql,
    "tables": tables.tables,
    "drop": tables.drop,
    "delete": definitions.delete,
    "features": features.features,
    "leakcheck": features.leakcheck,
    "skew": features.skew,
    "deploy": deployment.deploy,
    "champion": versions.champion,
    "versions": versions.versions,
    "rollback": versions.rollback,
    "retire": versions.retire,
    "forget": versions.forget,
    "reproduce": versions.reproduce,
    "thresholds": monitoring.thresholds,
    "replay-policy": monitoring.replay_policy,
    "backtest": backtests.backtest,
    "move": installations.move,
    "maintain": installations.maintain,
    "doctor": installations.doctor,
}
GROUPS: dict[str, typer.Typer] = {"quarantine": quarantine.group}

app = typer.Typer(
    help="The command line of Nightshift.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
for name, command in COMMANDS.items():
    app.command(name)(command)
for name, group in GROUPS.items():
    app.add_typer(group, name=name)


def main() -> None:
    """Runs the command line; a user's mistake is one clear line and exit code 2."""
    handler = logging.StreamHandler()
    handler.setFormatter(PrintableFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    try:
        app()
    except Exception as error:
        if (explained := explain(error)) is None:
            raise
        write_note(str(explained), "red")
        sys.exit(2)
