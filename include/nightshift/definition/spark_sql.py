"""Spark SQL of a definition as DuckDB SQL, so that rows are judged without Spark as the features job will read them.

Only what means the same in both is translated: what an expression of another kind gives is not guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from nightshift.definition.source import Source
from nightshift.errors import first_line

if TYPE_CHECKING:
    from sqlglot import exp

# Nodes of sqlglot's trees, beside operators, literals, columns and casts, that mean the same in both.
_SAME = frozenset((
    "Paren", "Case", "If", "Coalesce", "Concat", "DPipe", "Upper", "Lower", "Substring", "Trim", "Length", "Abs",
    "Floor", "Ceil", "Round", "Greatest", "Least", "Nullif", "Interval", "Var", "TimestampAdd", "DateAdd", "TsOrDsAdd",
    "TsOrDsToDate", "TimestampTrunc", "DateTrunc", "Year", "Month", "Day", "Hour", "Minute", "Second", "DataType",
    "DataTypeParam", "Identifier", "Column", "Literal", "Null", "Boolean", "Between", "In",
))  # fmt: skip
SPARK_TYPES = {
    "string": "string", "category": "string", "integer": "bigint", "number": "double",
    "boolean": "boolean", "date": "date", "timestamp": "timestamp", "binary": "binary",
}  # fmt: skip

_INTEGERS = frozenset(("INT", "BIGINT", "SMALLINT", "TINYINT"))
_EPOCH_UNITS = {"timestamp_millis": 1_000, "timestamp_micros": 1}  # microseconds


class UntranslatableError(ValueError):
    """An expression that only Spark can evaluate; the message names what in it."""


def to_duckdb(expression: str, source: Source) -> str:
    """Translates an expression over the landed and derived columns of a source.

    Raises:
        UntranslatableError: If it contains what does not mean the same in DuckDB.
    """
    from sqlglot import exp

    tree = parse_spark(expression)

    def with_derived(node: exp.Expr) -> exp.Expr:
        column = source.derived.get(node.name.lower()) if isinstance(node, exp.Column) else None
        if column is None:
            return node
        return parse_spark(f"cast(({column.expression}\n) as {SPARK_TYPES[column.type]})")

    tree = exp.Paren(this=tree.transform(with_derived))
    nodes = list(tree.walk())
    for node in nodes:
        _check(node)
    for node in reversed(nodes):  # parts before what they are part of
        if (translated := _translated(node)) is not node:
            node.replace(translated)
    return str(tree.sql(dialect="duckdb"))


def instant_of(sql: str, zone: str) -> str:
    """The instant that an expression in DuckDB SQL gives: local times are by the clock of a zone."""
    local = f"timezone('{zone}', try_cast({sql} as timestamp))"
    return (
        f"(case when typeof({sql}) = 'TIMESTAMP WITH TIME ZONE' then try_cast({sql} as timestamptz) else {local} end)"
    )


def columns_of(sql: str, types: Mapping[str, str]) -> tuple[str, ...]:
    """The columns that an expression in DuckDB SQL uses, of some that exist."""
    from nightshift.definition.expressions import names_in

    names = {name.lower(): name for name in types}
    return tuple(dict.fromkeys(names[name] for name in names_in(sql, "duckdb") if name in names))


def parse_spark(expression: str) -> exp.Expr:
    """The tree of an expression in Spark SQL.

    Raises:
        UntranslatableError: If it is not understood.
    """
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        # Not alone: a column called `load` would begin a statement.
        selected = sqlglot.parse_one(f"select ({expression}\n)", read="spark")
    except SqlglotError as error:
        raise UntranslatableError(f"not understood: {first_line(error)}") from None
    if len(selected.expressions) != 1 or not selected.expressions[0].this:
        raise UntranslatableError("not understood: it is not one expression")
    return cast("exp.Expr", selected.expressions[0].this)


def _check(node: exp.Expr) -> None:
    """Refuses what does not mean the same in DuckDB."""
    from sqlglot import exp

    if isinstance(node, exp.Anonymous):
        if node.name.lower() not in {*_EPOCH_UNITS, "timestamp_seconds"}:
            raise UntranslatableError(f"only Spark evaluates `{node.name}`")
    elif not (
        isinstance(node, exp.Binary | exp.Unary | exp.Cast | exp.StrToTime | exp.TimestampFromParts)
        or type(node).__name__ in _SAME
    ):
        function = node if isinstance(node, exp.Func) else node.find_ancestor(exp.Func) or node
        raise UntranslatableError(f"only Spark evaluates `{function.sql(dialect='spark')}`")


def _translated(node: exp.Expr) -> exp.Expr:
    """A node as DuckDB evaluates it with the time zone UTC, which is that of the Spark session."""
    from sqlglot import exp

    if isinstance(node, exp.Anonymous):
        value = node.expressions[0].sql(dialect="duckdb")
        if node.name.lower() == "timestamp_seconds":
            return _duckdb(f"to_timestamp(cast({value} as double))")
        return _duckdb(f"make_timestamptz(cast({value} as bigint) * {_EPOCH_UNITS[node.name.lower()]})")
    if isinstance(node, exp.StrToTime):
        return _duckdb(f"timezone('UTC', try_{node.sql(dialect='duckdb').lstrip()})")
    if isinstance(node, exp.TimestampFromParts):
        return _duckdb(f"timezone('UTC', {node.sql(dialect='duckdb')})")
    if isinstance(node, exp.Cast):
        return _translated_cast(node)
    return node


def _translated_cast(node: exp.Cast) -> exp.Expr:
    value, kind = node.this.sql(dialect="duckdb"), node.to.this.name
    if kind in _INTEGERS:  # Spark truncates, DuckDB rounds
        return _duckdb(f"try_cast(trunc(try_cast({value} as double)) as bigint)")
    if kind in {"TIMESTAMP", "TIMESTAMPTZ"}:  # Spark's instants; numbers are seconds
        seconds = f"to_timestamp(try_cast(cast({value} as varchar) as double))"
        return _duckdb(f"coalesce(try_cast(cast({value} as varchar) as timestamptz), {seconds})")
    return node


def _duckdb(sql: str) -> exp.Expr:
    import sqlglot

    return sqlglot.parse_one(sql, read="duckdb")
