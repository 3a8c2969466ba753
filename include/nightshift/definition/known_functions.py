"""The functions that expressions may call: the deterministic ones of a dialect's engine, over the values of one row.

Every function of the engine is on its list, below what it does; a function that is not on it is refused. All is read
without the engine.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from nightshift.definition.refusals import (
    ACTION,
    FILES,
    INTERNAL,
    RANDOM,
    ROWS,
    SESSION,
    TIME,
    LocatedFault,
    Refusal,
    word_set,
)

if TYPE_CHECKING:
    from sqlglot import Token

FOLDER = Path(__file__).with_name("functions")  # a file per dialect: its engine's functions, by kind
DETERMINISTIC = "deterministic"
REFUSED_KINDS: Mapping[str, Refusal] = {
    "rows": ROWS,
    "clock": TIME,
    "chance": RANDOM,
    "session": SESSION,
    "acts": ACTION,
    "files": FILES,
    "engine": INTERNAL,
}
ENGINES = {"spark": "Spark SQL", "duckdb": "DuckDB"}

# Words before a parenthesis that are no functions, or functions that engines read but do not list.
SYNTAX = word_set(
    """all and any array as between bigint binary both broadcast by case cast char character coalesce collate
    columns date_diff dateadd datediff dec decimal distinct div double else end escape except exclude exists
    extract filter float for from group grouping having if ifnull ilike in int integer interval is lambda
    leading like list map not null numeric on or order over overlay partition position regexp replace rlike
    select similar some string struct substring then timestampadd timestampdiff to trailing trim try try_cast
    union unpivot using values varchar when where within"""
)


@cache
def function_kinds(dialect: str) -> Mapping[str, str]:
    """The kind of each function of a dialect, by its name in lower case: `DETERMINISTIC`, or one that is refused."""
    kinds: dict[str, str] = {}
    kind = ""
    for line in (FOLDER / f"{dialect}.txt").read_text(encoding="ascii").splitlines():
        if line.startswith("#"):
            kind = line.removeprefix("#").partition(":")[0].strip()
        else:
            kinds |= dict.fromkeys(line.split(), kind)
    return kinds


def refused_calls(tokens: Sequence[Token], dialect: str) -> Iterator[LocatedFault]:
    """The calls of functions that a dialect does not have, or that give more than a value of the row.

    Args:
        tokens: The expression.
        dialect: Its dialect.
    """
    words = ["", *(token.text.lower() for token in tokens), "", ""]
    for at, token in enumerate(tokens):
        before, word, after, argument = words[at : at + 4]
        if after == "(" and (refusal := _call_refusal(token, before, argument, dialect)):
            yield LocatedFault((token.start, token.end + 1), word, *refusal)


def _call_refusal(token: Token, before: str, argument: str, dialect: str) -> Refusal | None:
    """The refusal of what is before a parenthesis: a function, qualified, quoted or a method, or a keyword."""
    from sqlglot import TokenType

    word, kinds = token.text.lower(), function_kinds(dialect)
    is_quoted = token.token_type == TokenType.IDENTIFIER
    if not is_quoted and (not word.isidentifier() or token.token_type in {TokenType.STRING, TokenType.RAW_STRING}):
        return None
    if word == "unix_timestamp" and argument == ")":
        return TIME
    if word in {"any", "some"} and re.fullmatch(r"i?like|[=<>!]+", before):  # a like any ('x%', 'y%')
        return None
    if word in {"any", "some", "columns"} or (word == "over" and before in {")", "nulls"}):
        return ROWS
    if word in kinds:
        return REFUSED_KINDS.get(kinds[word])
    if word in SYNTAX and not is_quoted:
        return None
    near = difflib.get_close_matches(word, [name for name, kind in kinds.items() if kind == DETERMINISTIC], n=1)
    fix = f"write '{near[0]}'" if near else f"name a function of {ENGINES[dialect]}"
    return Refusal(f"no such function of {ENGINES[dialect]}", fix)
