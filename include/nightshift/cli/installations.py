"""The commands about the installation itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nightshift.cli.output import confirm, progress, write_line, write_rows
from nightshift.errors import TerminalError
from nightshift.settings import get_settings


def move(
    target: Annotated[
        Path,
        typer.Argument(
            exists=True, dir_okay=False, help="NIGHTSHIFT_… variables of the new installation, a line each."
        ),
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Copy this installation to other places, such as PostgreSQL and S3, and compare both; this one stays as it is."""
    from nightshift.definition.load import definition_folders
    from nightshift.moving.installation import move, read_settings

    old, new = get_settings(), read_settings(target)
    write_line(f"from {old.warehouse_uri} to {new.warehouse_uri}, with landed files, versions, pages and alerts")
    write_line("nothing may run meanwhile: stop Airflow, or pause every DAG and wait until no run is left")
    if not yes:
        confirm("Copy now?", "nothing is copied", str(target))
    with progress() as show:
        moved = move(old, new, [folder.name for folder in definition_folders(old.models_path)], show)
    names = ["table", "rows", "snapshots", "in both"]
    write_rows(names, [(t.table, t.rows, t.snapshots, "equal" if t.is_equal else "DIFFERENT") for t in moved.tables])
    files = ", ".join(f"{count} {name}" for name, count in moved.files.items())
    write_line(f"copied: {files}; {moved.versions} version{'s' * (moved.versions != 1)} read by their digests")
    if not moved.is_equal:
        raise TerminalError("tables differ", where=str(target), fix="run nothing there; empty it, and move again")
    write_line("the new installation is complete; Airflow's own records stay behind")


def maintain() -> None:
    """Remove what nothing needs any more: old snapshots, and files, runs and folders that killed tasks left."""
    from nightshift.stages.maintenance import maintain

    maintain(get_settings(), write_line)


def doctor(
    deep: Annotated[bool, typer.Option("--deep", help="Read all data, instead of the sizes of files alone.")] = False,
) -> None:
    """Examine the installation and its data; a line says what is wrong and heals it. Exit code 1 if anything is."""
    from nightshift.doctor import examine
    from nightshift.doctor.examination import Examination

    count = 0
    with progress() as show:
        for name, findings in examine(Examination(get_settings(), deep, show)):
            count += len(findings)
            write_line(f"{name:<10} {'ok' if not findings else f'{len(findings)} to heal:'}")
            for finding in findings:
                write_line(f"  {finding}")
    if count:
        raise typer.Exit(1)
