"""Something wrong with a definition, as rules report it."""

from __future__ import annotations

from typing import NamedTuple

KeyPath = tuple[str | int, ...]

RESERVED = {"source_date", "score_date", "label"}


class Problem(NamedTuple):
    """Something wrong at a path of the definition."""

    path: KeyPath
    what: str
    received: object = None
    allowed: object = None
    fix: str | None = None
