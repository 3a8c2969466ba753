"""The commands about published tables: query them, list them, drop those that no definition uses."""

from __future__ import annotations

from typing import Annotated

import typer

from nightshift.cli.output import Format, OutputFormat, confirm, write_line, write_rows
from nightshift.definition.declarations import used_sources
from nightshift.definition.load import FILE, definition_folders
from nightshift.settings import Settings, get_settings


def sql(
    query: Annotated[str, typer.Argument(help="DuckDB SQL over the published tables, such as scores.flight_delay.")],
    format: OutputFormat = Format.table,
) -> None:
    """Query the published tables; no server is needed."""
    from nightshift.lake.catalog import Lake
    from nightshift.lake.sql import run_sql

    write_rows(*run_sql(Lake(get_settings()), query), format)


def tables(
    orphans: Annotated[bool, typer.Option("--orphans", help="Only the tables that no definition uses.")] = False,
    format: OutputFormat = Format.table,
) -> None:
    """List every table: its rows, and the models that use it."""
    from nightshift.lake.catalog import Lake
    from nightshift.lake.inventory import list_tables

    settings = get_settings()
    entries = list_tables(Lake(settings), _used_sources(settings))
    names = ["table", "rows", "from", "to", "bytes", "used by", "kept for versions"]
    rows = [
        (entry.table, entry.rows, entry.first, entry.last, entry.size, ", ".join(entry.used_by), ", ".join(entry.tags))
        for entry in entries
        if not (orphans and entry.used_by)
    ]
    write_rows(names, rows, format)
    if orphans and format is Format.table:
        write_line("nightshift drop <table> drops one of them" if rows else "every table is used by a definition")


def drop(
    table: Annotated[str, typer.Argument(help="A table that no definition uses, such as raw.weather.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Drop a table that no definition uses, with all its snapshots and files."""
    from nightshift.lake.catalog import Lake
    from nightshift.lake.inventory import drop as drop_table
    from nightshift.lake.inventory import find_orphan

    settings = get_settings()
    lake = Lake(settings)
    entry = find_orphan(lake, table, _used_sources(settings))
    versions = f"; versions that cannot be reproduced without it: {', '.join(entry.tags)}" if entry.tags else ""
    write_line(f"{table}: {entry.content}, and all its snapshots are lost{versions}; landed files and versions stay")
    if not yes:
        confirm(f"Drop {table}?", "nothing is dropped", table)
    write_line(f"{table} is dropped, {drop_table(lake, table)} files removed")


def _used_sources(settings: Settings) -> dict[str, frozenset[str]]:
    return used_sources(folder / FILE for folder in definition_folders(settings.models_path))
