"""Refuses what an SQL expression over one row may not use: other rows, the clock, random numbers, statements.

Functions are refused by name: which exist at all is said by `nightshift.definition.known_functions`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # importing sqlglot takes a tenth of a second: only the functions that check expressions do
    from sqlglot import Token, exp


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


# Aggregate, window and table-valued functions of Spark and DuckDB, besides the aggregate functions sqlglot knows.
OVER_ROWS = word_set(
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
CLOCK = word_set(
    """curdate current_date current_datetime current_localtime current_localtimestamp current_time current_timestamp
    get_current_time get_current_timestamp localtime localtimestamp now today transaction_timestamp"""
)
CLOCK_WITHOUT_CALL = word_set("current_date current_time current_timestamp localtime localtimestamp")
CHANCE = word_set(
    """current_connection_id current_query current_query_id current_transaction_id currval gen_random_uuid
    input_file_block_length input_file_block_start input_file_name java_method monotonically_increasing_id nextval rand
    randn random randstr reflect setseed setval shuffle spark_partition_id try_reflect txid_current uniform uuid
    uuidv4 uuidv7"""
)


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
    """The functions and keywords of an expression that are refused.

    Args:
        tokens: The expression.
        columns: The names of columns, in lower case.
    """
    words = ["", *(token.text.lower() for token in tokens), "", ""]
    for at, token in enumerate(tokens):
        before, word, *after = words[at : at + 4]
        refusal = (
            _call_refusal(before, word, after[1]) if after[0] == "(" else _word_refusal(token, before, word, columns)
        )
        if refusal:
            yield LocatedFault((token.start, token.end + 1), word, *refusal)


def _call_refusal(before: str, name: str, argument: str) -> Refusal | None:
    """The refusal of a name before a parenthesis, which is a function or a keyword."""
    from sqlglot.expressions import FUNCTION_BY_NAME, AggFunc

    if name in CLOCK or (name == "unix_timestamp" and argument == ")"):
        return TIME
    if name in CHANCE:
        return RANDOM
    if name in {"any", "some"} and re.fullmatch(r"i?like|[=<>!]+", before):  # a like any ('x%', 'y%')
        return None
    aggregate = issubclass(FUNCTION_BY_NAME.get(name.upper(), object), AggFunc)
    return ROWS if aggregate or name in OVER_ROWS or (name == "over" and before in {")", "nulls"}) else None


def _word_refusal(token: Token, before: str, word: str, columns: Collection[str]) -> Refusal | None:
    """The refusal of a token that no parenthesis follows."""
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
