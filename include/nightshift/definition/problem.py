"""A problem of a definition, as rules report it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from nightshift.definition.expressions import Dialect, find_faults

KeyPath = tuple[str | int, ...]

RESERVED = {"source_date", "score_date", "label"}
DATED = {"source_date": "date"}  # the column that every published row of a source has besides its own


class Problem(NamedTuple):
    """A problem at one key of a definition.

    Attributes:
        path: The keys that lead to it.
        message: The problem, as a short sentence without a full stop.
        received: The value in the file.
        allowed: The values that are allowed.
        fix: The repair.
    """

    path: KeyPath
    message: str
    received: object = None
    allowed: object = None
    fix: str | None = None


def expression_problems(
    path: KeyPath,
    expression: str,
    dialect: Dialect,
    columns: Mapping[str, str],
    structs: Mapping[str, Mapping[str, str]] = {},
) -> Iterator[Problem]:
    """The faults of an SQL expression as problems of its key.

    Args:
        path: The keys that lead to the expression.
        expression: The SQL expression.
        dialect: The SQL dialect that it is written in.
        columns: The type of each column that it may use, by name.
        structs: The type of each field of each look-up that it may use, by names.
    """
    for fault in find_faults(expression, dialect, columns, structs):
        yield Problem(path, f"{fault.message} in {fault.marked}", None, fault.allowed or None, fault.fix)
