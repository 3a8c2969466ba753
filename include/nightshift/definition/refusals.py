"""Refuses what an SQL expression over one row may not use: other rows, the clock, random numbers, statements.

Which functions are refused is said by `nightshift.definition.known_functions`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # importing sqlglot takes a tenth of a second: only the functions that check expressions do
    from sqlglot import Token, TokenType, exp


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


CLOCK_WITHOUT_CALL = word_set("current_date current_time current_timestamp localtime localtimestamp")
SESSION_WITHOUT_CALL = word_set("current_catalog current_path current_role current_schema current_user session_user")
COMPARISONS = word_set("= == <> != <=> < <= > >= in like ilike rlike regexp")


class Refusal(NamedTuple):
    """The reason why a part of an expression is refused, and the repair."""

    message: str
    fix: str


ROWS = Refusal("not allowed in an expression", "an expression is over one row: write it without this")
QUERY = Refusal("not allowed in an expression", "an expression reads its own row only: remove the query")
SEVERAL = Refusal("not allowed in an expression", "write one expression, without a semicolon")
STAR = Refusal("not allowed in an expression", "name the column")
PARAMETER = Refusal("not allowed in an expression", "write the value or the name itself")
COMMAND = Refusal("not allowed in an expression", "write an expression over the columns")
TIME = Refusal("reads the clock", "use a date of the row: dates come from the run")
RANDOM = Refusal("returns another value on every call", "remove it: the same row must always give the same value")
SESSION = Refusal(
    "depends on who runs it, where and by which version", "remove it: the same row must always give the same value"
)
ACTION = Refusal("does something besides giving a value", "remove it: an expression gives a value, and nothing else")
FILES = Refusal("reads files and addresses that its text names", "parse the text where the source's files are made")
INTERNAL = Refusal("not allowed in an expression", "name a function that gives a value of the row")
CLOCK_WORD = Refusal(TIME.message, "use a date of the row, or compare the text with a column of text itself")
# https://spark.apache.org/docs/latest/sql-ref-literals.html: a word, and maybe a time zone.
CLOCK_TEXT = re.compile(r"[\x00-\x20]*(now|today|tomorrow|yesterday)(?![a-z])[ \t]*[\w/+:-]*[\x00-\x20]*", re.ASCII)


class LocatedFault(NamedTuple):
    """A fault at one place of an expression, if the parser kept the place.

    Faults that differ in nothing but the place are reported as one.
    """

    place: tuple[int, int] | None
    name: str
    message: str
    fix: str
    allowed: tuple[str, ...] = ()


def refused_words(tokens: Sequence[Token], columns: Collection[str]) -> Iterator[LocatedFault]:
    """The keywords of an expression that are refused, and the functions that are called by their name alone.

    Args:
        tokens: The expression.
        columns: The names of columns, in lower case.
    """
    words = ["", *(token.text.lower() for token in tokens), ""]
    for at, token in enumerate(tokens):
        before, word, after = words[at : at + 3]
        if after != "(" and (refusal := _word_refusal(token, before, word, columns)):
            yield LocatedFault((token.start, token.end + 1), word, *refusal)


def _word_refusal(token: Token, before: str, word: str, columns: Collection[str]) -> Refusal | None:
    """The refusal of a token that no parenthesis follows."""
    from sqlglot import TokenType

    match token.token_type:
        case TokenType.SEMICOLON:
            return SEVERAL
        case TokenType.SELECT:
            return QUERY
        case TokenType.STRING | TokenType.RAW_STRING | TokenType.IDENTIFIER:
            return None
    if before == "." or word in columns:
        return None
    return TIME if word in CLOCK_WITHOUT_CALL else SESSION if word in SESSION_WITHOUT_CALL else None


def clock_texts(tokens: Sequence[Token], texts: Collection[str]) -> Iterator[LocatedFault]:
    """The texts that Spark reads as a time of the clock where it expects a date or a time, such as 'today'.

    It converts a constant text wherever a function or an operator wants a date, so only what is compared with a
    column of text is sure to stay one.

    Args:
        tokens: The expression.
        texts: The names of columns and of fields that are texts, in lower case.
    """
    from sqlglot import TokenType

    strings = {TokenType.STRING, TokenType.RAW_STRING}
    words = ["", "", *(token.text.lower() for token in tokens), "", ""]
    kinds = [None, None, *(token.token_type for token in tokens), None, None]
    at = 2
    while at < len(words) - 2:
        end = at + 1
        while kinds[end] in strings and kinds[at] in strings:  # texts in a row are one
            end += 1
        text = "".join(words[at:end])
        if kinds[at] in strings and CLOCK_TEXT.fullmatch(text) and not _is_compared(words, kinds, at, end, texts):
            yield LocatedFault((tokens[at - 2].start, tokens[end - 3].end + 1), text, *CLOCK_WORD)
        at = end


def _is_compared(
    words: Sequence[str], kinds: Sequence[TokenType | None], at: int, end: int, texts: Collection[str]
) -> bool:
    """Whether a text is compared with a column of text, by itself or in a list."""
    from sqlglot import TokenType

    if words[end] in COMPARISONS and words[end + 1] in texts and words[end + 2 : end + 3] != ["("]:
        return True
    while words[at - 1] in {",", "("} or kinds[at - 1] in {TokenType.STRING, TokenType.RAW_STRING}:
        at -= 1
    if words[at - 1] not in COMPARISONS:
        return False
    return words[at - 3 if words[at - 2] == "not" else at - 2] in texts


def refused_parts(tree: exp.Expr) -> Iterator[LocatedFault]:
    """The parts of a tree that are refused for more than a single word; queries are not searched."""
    from sqlglot.expressions import Query

    for node in tree.walk(prune=lambda node: isinstance(node, Query)):
        if refusal := _part_refusal(node):
            yield LocatedFault(place_of(node), "", *refusal)


def _part_refusal(node: exp.Expr) -> Refusal | None:
    from sqlglot import exp

    match node:
        case exp.Query():
            return QUERY
        case exp.Star() if not isinstance(node.parent, exp.Count | exp.Columns):  # refused themselves
            return STAR
        case exp.Placeholder() | exp.Parameter() | exp.PositionalColumn():
            return PARAMETER
        case exp.Command() | exp.JoinHint():
            return COMMAND
        case exp.Anonymous(this=str(name)) if name.lower() == "age" and len(node.expressions) < 2:
            return TIME  # DuckDB's age of a single date is its age today
    return None


def place_of(node: exp.Expr) -> tuple[int, int] | None:
    """The begin and the end of a column's or function's name in the text, if the parser kept them."""
    return (node.meta["start"], node.meta["end"] + 1) if "start" in node.meta else None
