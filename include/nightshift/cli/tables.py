"""The command that queries published tables."""

from __future__ import annotations

from typing import Annotated

import typer

from nightshift.cli.output import Format, OutputFormat, write_rows
from nightshift.settings import get_settings


def sql(
    query: Annotated[str, typer.Argument(help="DuckDB SQL over the published tables, such as scores.flight_delay.")],
    format: OutputFormat = Format.table,
) -> None:
    """Query the published tables; no server is needed."""
    from nightshift.lake.catalog import Lake
    from nightshift.lake.sql import run_sql

    write_rows(*run_sql(Lake(get_settings()), query), format)
