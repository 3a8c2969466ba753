"""Writes to a terminal or a pipe: texts as they are, whoever wrote them.

Nothing in a text is read as markup, as an emoji's name or by a terminal: what does not show is escaped.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nightshift.errors import printable

UNLIMITED = 1_000_000  # characters a line


def open_console(*, stderr: bool = False) -> Console:
    """A console that prints texts as they are."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def as_text(value: Any, style: str = "") -> Text:
    """A value as a text of one line; nothing of None.

    Args:
        value: The value; a text stays what it is.
        style: Its style, such as "red".
    """
    if isinstance(value, Text):
        return value
    return Text("" if value is None else printable(str(value)), style)


def print_line(console: Console, line: str | Text = "", style: str = "") -> None:
    """Prints a line, however long it is.

    Args:
        console: Where to.
        line: The line; several if it has line feeds.
        style: Its style, such as "red".
    """
    for part in [line] if isinstance(line, Text) else line.split("\n"):
        console.print(as_text(part, style), soft_wrap=True, markup=False, emoji=False, highlight=False)


def new_table(names: Sequence[str], title: str | None = None, **options: Any) -> Table:
    """A table without rows; see `add_cells`.

    Args:
        names: The names of its columns.
        title: Its title.
        options: Further options of a `Table`.
    """
    heading = None if title is None else as_text(title, "table.title")
    table = Table(title=heading, title_justify="left", header_style="bold", **options)
    for name in names:
        table.add_column(as_text(name))
    return table


def add_cells(table: Table, *values: Any) -> None:
    """Adds a row of values to a table; an empty cell for None."""
    table.add_row(*map(as_text, values))


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
    console.print(table, soft_wrap=not console.is_terminal, markup=False, emoji=False, highlight=False)


class PrintableFormatter(logging.Formatter):
    """Formats records of a log without what a terminal would obey."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(printable, super().format(record).split("\n")))
