"""Writes to a terminal or a pipe."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

UNLIMITED = 1_000_000  # characters a line


def print_table(console: Console, table: Table) -> None:
    """Prints a table with whole values: folded to a terminal's width, as wide as they are in a pipe or a file.

    Args:
        console: Where to.
        table: The table; how its columns overflow is changed.
    """
    for column in table.columns:
        column.overflow, column.no_wrap = "fold", False
    if not console.is_terminal:
        table.width = console.measure(table, options=console.options.update(max_width=UNLIMITED)).maximum
    console.print(table, soft_wrap=not console.is_terminal)
