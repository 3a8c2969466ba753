"""The functions that an SQL dialect has: the others are refused where an expression is read, without its engine."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from nightshift.definition.refusals import LocatedFault, word_set

if TYPE_CHECKING:
    from sqlglot import Token

FOLDER = Path(__file__).with_name("functions")  # a file per dialect, as its engine lists them
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
def functions_of(dialect: str) -> frozenset[str]:
    """The names of a dialect's functions, in lower case."""
    return frozenset((FOLDER / f"{dialect}.txt").read_text(encoding="ascii").split())


def unknown_functions(tokens: Sequence[Token], dialect: str) -> Iterator[LocatedFault]:
    """The calls of functions that a dialect does not have.

    Args:
        tokens: The expression.
        dialect: Its dialect.
    """
    from sqlglot import TokenType

    names = functions_of(dialect)
    for token, following in pairwise(tokens):
        word = token.text.lower()
        is_call = following.text == "(" and token.text.isidentifier() and token.token_type != TokenType.STRING
        if is_call and word not in names | SYNTAX and token.token_type != TokenType.IDENTIFIER:
            near = difflib.get_close_matches(word, names, n=1)
            fix = f"write '{near[0]}'" if near else f"name a function of {ENGINES[dialect]}"
            yield LocatedFault((token.start, token.end + 1), word, f"no such function of {ENGINES[dialect]}", fix)
