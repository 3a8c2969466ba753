"""CSV files as rows of text, so that a fault is a few words."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence

Row = dict[str, str]


def parse(content: bytes) -> list[Row]:
    """The rows of a CSV file, every value as it is written."""
    return list(csv.DictReader(io.StringIO(content.decode())))


def written(rows: Sequence[Row], names: Iterable[str] | None = None, **told: object) -> bytes:
    """Rows as a CSV file; with other columns or another dialect if told."""
    out = io.StringIO()
    options = {"lineterminator": "\n", "extrasaction": "ignore", "restval": "", **told}
    writer = csv.DictWriter(out, list(names or rows[0]), **options)  # type: ignore[arg-type]
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def names_of(content: bytes) -> list[str]:
    """The header."""
    return content.split(b"\n", 1)[0].decode().split(",")


def changed(content: bytes, column: str, change: Callable[[str], str], every: int = 1) -> bytes:
    """The file with a column changed in every n-th row; what is missing stays missing."""
    rows = parse(content)
    for row in rows[::every]:
        if row[column]:
            row[column] = change(row[column])
    return written(rows)


def filled(content: bytes, column: str, value: str, every: int = 1) -> bytes:
    """The file with the same value in a column of every n-th row, whatever stood there."""
    rows = parse(content)
    for row in rows[::every]:
        row[column] = value
    return written(rows)


def swapped(content: bytes, one: str, other: str) -> bytes:
    """The file with the values of two columns exchanged."""
    return written([row | {one: row[other], other: row[one]} for row in parse(content)])


def lines_of(content: bytes) -> list[bytes]:
    """The lines, with their ends."""
    return content.splitlines(keepends=True)
