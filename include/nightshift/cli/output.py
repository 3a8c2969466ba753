"""What commands share: common arguments, and how rows, progress and errors are written."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from nightshift.compute.job import PROGRESS
from nightshift.errors import TerminalError, printable, shown
from nightshift.terminal import add_cells, new_table, open_console, print_line, print_table

console = open_console()
error_console = open_console(stderr=True)


class Format(StrEnum):
    """How rows are written."""

    table = "table"
    csv = "csv"
    json = "json"


Model = Annotated[str, typer.Argument(help="Name of the model definition.")]
OutputFormat = Annotated[Format, typer.Option("--format", help="How rows are written.")]


def _read_date(text: str | date) -> date:
    if isinstance(text, date):  # an option's default
        return text
    with suppress(ValueError):
        if (day := date.fromisoformat(text)).isoformat() == text:
            return day
    raise typer.BadParameter(f"{shown(text)!r} is no date; write one as 2026-01-31")


DATE: dict[str, Any] = {"parser": _read_date, "metavar": "YYYY-MM-DD"}  # arguments of an option that takes a date


def write_line(line: str) -> None:
    """Writes a line as it is: unwrapped, without colours or markup."""
    print_line(console, line)


def write_note(line: str, style: str = "") -> None:
    """Writes a line beside the output, to standard error."""
    print_line(error_console, line, style)


def write_rows(
    names: Sequence[str], rows: Sequence[tuple[Any, ...]], format: Format = Format.table, title: str | None = None
) -> None:
    """Writes rows with the names of their columns; no format shortens a value."""
    if format is Format.csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(names)
        writer.writerows(rows)
    elif format is Format.json:
        json.dump([dict(zip(names, row, strict=True)) for row in rows], sys.stdout, default=str, indent=1)
        sys.stdout.write("\n")
    else:
        table = new_table(names, title)
        for row in rows:
            add_cells(table, *row)
        print_table(console, table)


def confirm(question: str, otherwise: str, where: str) -> None:
    """Asks a question, and goes on only if the answer is yes.

    Args:
        question: The question.
        otherwise: What follows from any other answer.
        where: What it is about.

    Raises:
        TerminalError: If it is not answered by yes.
    """
    try:
        confirmed = typer.confirm(printable(question))
    except typer.Abort:
        confirmed = False
    if not confirmed:
        raise TerminalError(f"not confirmed: {otherwise}", where=where, fix="answer y, or add --yes")


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Shows what a long command is doing: a bar where a job reports its progress, its newest line elsewhere."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=error_console, transient=True, disable=not error_console.is_terminal) as bar:
        task = bar.add_task("starting", total=None)

        def show(line: str) -> None:
            step = re.fullmatch(rf"{PROGRESS}(.*): (\d+) of (\d+)", line)
            if step:
                bar.update(task, description=printable(step[1]), completed=int(step[2]), total=int(step[3]))
            elif "WARNING" not in line:
                bar.update(task, description=printable(line[:100]), completed=0, total=None)

        yield show
