"""How the command line writes: tables, CSV or JSON to standard output, problems to standard error."""

from __future__ import annotations

import csv
import json
import sys
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

console = Console()
problems = Console(stderr=True)

Model = Annotated[str, typer.Argument(help="Name of the model definition.")]
DATE = ["%Y-%m-%d"]


class Format(StrEnum):
    """How query results are written."""

    table = "table"
    csv = "csv"
    json = "json"


def write(
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
