"""What an SQL expression over one row may not use: other rows, the clock, chance, whole statements.

Functions are refused by their names, so one that is not listed here and not known to sqlglot is accepted.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # imported by those who check an expression only: it takes a tenth of a second
    from sqlglot import Token, exp


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Aggregate, window and table-valued functions of Spark and DuckDB, besides the aggregate functions sqlglot knows.
OVER_ROWS = _words(
    """any approx_percentile approx_top_k_accumulate approx_top_k_combine arbitrary arg_max_null arg_max_nulls_last
    arg_min_null arg_min_nulls_last bit_and bit_or bit_xor bitmap_and_agg bitstring_agg collect_list collect_set
    collect_union columns combine_aggr count_distinct count_min_sketch count_star counter_diff decimal_average entropy
    every explode explode_outer favg fsum histogram histogram_exact histogram_numeric hll_sketch_agg hll_union_agg
    inline inline_outer json_tuple kahan_sum kll_merge_agg_bigint kll_merge_agg_double kll_merge_agg_float
    kll_sketch_agg_bigint kll_sketch_agg_double kll_sketch_agg_float kurtosis_pop list listagg listagg_distinct lttb
    mad mean percentile percentile_approx posexplode posexplode_outer product quantile_cont quantile_disc
    reservoir_quantile row_number sem some stack std string_agg string_agg_distinct sum_distinct sum_no_overflow
    sumkahan theta_intersection_agg theta_sketch_agg theta_union_agg try_avg try_sum tuple_intersection_agg_double
    tuple_intersection_agg_integer tuple_sketch_agg_double tuple_sketch_agg_integer tuple_union_agg_double
    tuple_union_agg_integer unnest variant_explode variant_explode_outer variant_group_object vector_avg vector_sum"""
)
CLOCK = _words(
    """curdate current_date current_datetime current_localtime current_localtimestamp current_time current_timestamp
    get_current_time get_current_timestamp localtime localtimestamp now today transaction_timestamp"""
)
CLOCK_WITHOUT_CALL = _words("current_date current_time current_timestamp localtime localtimestamp")
CHANCE = _words(
    """current_connection_id current_query current_query_id current_transaction_id currval gen_random_uuid
    input_file_block_length input_file_block_start input_file_name java_method monotonically_increasing_id nextval rand
    randn random randstr reflect setseed setval shuffle spark_partition_id try_reflect txid_current uniform uuid
    uuidv4 uuidv7"""
)


class Refusal(NamedTuple):
    """Why something is refused."""

    what: str
    fix: str


ROWS = Refusal("not allowed in an expression", "an expression is over one row: write it without this")
QUERY = Refusal("not allowed in an expression", "an expression reads its own row only: remove the query")
SEVERAL = Refusal("not allowed in an expression", "write one expression, without a semicolon")
STAR = Refusal("not allowed in an expression", "name the column")
PARAMETER = Refusal("not allowed in an expression", "write the value or the name itself")
COMMAND = Refusal("not allowed in an expression", "write an expression over the columns")
TIME = Refusal("reads the clock", "use a date of the row: dates come from the run")
RANDOM = Refusal("gives another value every time", "remove it: the same row must always give the same value")


class LocatedFault(NamedTuple):
    """Something wrong, and where, if the parser kept the place; those that differ in the place only are one fault."""

    place: tuple[int, int] | None
    name: str
    what: str
    fix: str
    allowed: tuple[str, ...] = ()


def refused_words(tokens: Sequence[Token], columns: Collection[str]) -> Iterator[LocatedFault]:
    """Functions and keywords that are refused.

    Args:
        tokens: The expression.
        columns: The names of columns, in lower case.
    """
    words = ["", *(token.text.lower() for token in tokens), "", ""]
    for at, token in enumerate(tokens):
        before, word, *after = words[at : at + 4]
        reason = _called(before, word, after[1]) if after[0] == "(" else _standing(token, before, word, columns)
        if reason:
            yield LocatedFault((token.start, token.end + 1), word, *reason)


def _called(before: str, name: str, argument: str) -> Refusal | None:
    """Why a name before a parenthesis is refused, which is a function's or a keyword."""
    from sqlglot.expressions import FUNCTION_BY_NAME, AggFunc

    if name in CLOCK or (name == "unix_timestamp" and argument == ")"):
        return TIME
    if name in CHANCE:
        return RANDOM
    if name in {"any", "some"} and re.fullmatch(r"i?like|[=<>!]+", before):  # a like any ('x%', 'y%')
        return None
    aggregate = issubclass(FUNCTION_BY_NAME.get(name.upper(), object), AggFunc)
    return ROWS if aggregate or name in OVER_ROWS or (name == "over" and before in {")", "nulls"}) else None


def _standing(token: Token, before: str, word: str, columns: Collection[str]) -> Refusal | None:
    """Why a token is refused that no parenthesis follows."""
    from sqlglot import TokenType

    match token.token_type:
        case TokenType.SEMICOLON:
            return SEVERAL
        case TokenType.SELECT:
            return QUERY
        case TokenType.STRING:  # Spark's date 'today', timestamp 'now UTC'
            dated = before in {"date", "timestamp", "timestamp_ltz", "timestamp_ntz"}
            return TIME if dated and re.match(r"\s*(now|today|tomorrow|yesterday)\b", word) else None
        case TokenType.IDENTIFIER:
            return None
    return TIME if word in CLOCK_WITHOUT_CALL - set(columns) and before != "." else None


def refused_parts(tree: exp.Expr) -> Iterator[LocatedFault]:
    """What is refused and cannot be told from single words; a query is not looked into."""
    from sqlglot.expressions import Query

    for node in tree.walk(prune=lambda node: isinstance(node, Query)):
        if reason := _refused_part(node):
            yield LocatedFault(place_of(node), "", *reason)


def _refused_part(node: exp.Expr) -> Refusal | None:
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
            return TIME  # DuckDB's age of one date is that as of today
    return None


def place_of(node: exp.Expr) -> tuple[int, int] | None:
    """Where a name or a function's name begins and ends in the text, if the parser kept it."""
    return (node.meta["start"], node.meta["end"] + 1) if "start" in node.meta else None
