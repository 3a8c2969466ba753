"""How the command line writes: rows, progress, problems."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from nightshift.spark_submit import PROGRESS

console = Console()
problems = Console(stderr=True)

Model = Annotated[str, typer.Argument(help="Name of the model definition.")]
DATE = ["%Y-%m-%d"]


class Format(StrEnum):
    """How query results are written."""

    table = "table"
    csv = "csv"
    json = "json"


def write_rows(
    names: list[str], rows: list[tuple[Any, ...]], format: Format = Format.table, title: str | None = None
) -> None:
    """Writes rows with the names of their columns."""
    if format is Format.csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(names)
        writer.writerows(rows)
    elif format is Format.json:
        json.dump([dict(zip(names, row, strict=True)) for row in rows], sys.stdout, default=str, indent=1)
        sys.stdout.write("\n")
    else:
        table = Table(*names, header_style="bold", title=title, title_justify="left")
        for row in rows:
            table.add_row(*["" if value is None else escape(str(value)) for value in row])
        console.print(table)


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Shows what a long command is doing: a bar where a job says how far it is, its newest line elsewhere."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=problems, transient=True, disable=not problems.is_terminal) as bar:
        task = bar.add_task("starting", total=None)

        def show(line: str) -> None:
            step = re.fullmatch(rf"{PROGRESS}(.*): (\d+) of (\d+)", line)
            if step:
                bar.update(task, description=step[1], completed=int(step[2]), total=int(step[3]))
            elif "WARNING" not in line:
                bar.update(task, description=line[:100], completed=0, total=None)

        yield show
