"""Spark SQL as DuckDB SQL that gives the same value, bit for bit, or an error where Spark gives one.

Rows that a caller sends are computed without Spark. Only what is in the tables here is translated: each entry is held
against Spark by tests/integration/test_exact_sql.py. Whatever else an expression contains is refused by name: functions
whose last digit depends on a library (`exp`, `round`), that depend on its tables (`upper`), and conversions of one type
to another that Spark makes by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from nightshift.definition.spark_sql import UntranslatableError, parse_spark

if TYPE_CHECKING:
    from sqlglot import exp

INTEGER, NUMBER, STRING, BOOLEAN = "integer", "number", "string", "boolean"
DATE, TIMESTAMP, NULL = "date", "timestamp", "null"
# Of literals with a point, which are exact decimals for Spark. A double stands for one: it is the same value where it
# is only chosen, compared, or computed with a double.
DECIMAL = "decimal"
MOST_DIGITS = 15  # of a decimal, so that it is equal to an integer only if the double is
NUMERIC = frozenset((INTEGER, NUMBER, DECIMAL))
DUCKDB_TYPES = {
    INTEGER: "BIGINT", NUMBER: "DOUBLE", STRING: "VARCHAR", BOOLEAN: "BOOLEAN", DATE: "DATE", TIMESTAMP: "TIMESTAMPTZ",
}  # fmt: skip
SPARK_CASTS = {
    "BIGINT": INTEGER, "INT": INTEGER, "DOUBLE": NUMBER, "TEXT": STRING, "VARCHAR": STRING, "BOOLEAN": BOOLEAN,
    "DATE": DATE,
}  # fmt: skip
CATEGORY = {"category": STRING}  # the type of a feature that is stored as text
# A quote within a text, which parsers read differently, and a backslash, which some take for more than a character.
UNCERTAIN_TEXT = re.compile(r"""\\|^(?:[^'"]|'[^']*'(?!')|"[^"]*"(?!"))*(?:'[^']*''|"[^"]*"")""")


@dataclass(frozen=True)
class ExactSql:
    """An expression in DuckDB SQL.

    Attributes:
        sql: The expression, in parentheses where it needs them.
        kind: The type of its values.
    """

    sql: str
    kind: str


def exact_sql(expression: str, columns: Mapping[str, str], kind: str) -> str:
    """Translates an expression whose value is converted to a type, as that of a derived column or of a feature.

    Args:
        expression: The expression in Spark SQL.
        columns: The type of each column, by its name in lower case; those of a look-up as `<look-up>.<column>`.
        kind: The type.

    Raises:
        UntranslatableError: If it has anything that is not known to give the same.
    """
    if UNCERTAIN_TEXT.search(expression):
        raise UntranslatableError("it has a text with a quote or a backslash")
    tree = parse_spark(expression)
    target = CATEGORY.get(kind, kind)
    value = _Translator(columns).translate(tree)
    if target == NUMBER and value.kind in (NUMBER, DECIMAL):
        return f"({value.sql} + 0.0::DOUBLE)"  # -0.0 is 0.0, as among landed numbers
    return _cast(value, target, tree)


class _Translator:
    def __init__(self, columns: Mapping[str, str]) -> None:
        self.columns = columns

    def translate(self, node: exp.Expr) -> ExactSql:
        rule = RULES.get(type(node).__name__)
        if rule is None:
            raise _refusal(node)
        return rule(self, node)


Rule = Callable[[_Translator, "exp.Expr"], ExactSql]


def _refusal(node: exp.Expr) -> UntranslatableError:
    return UntranslatableError(f"only Spark evaluates `{node.sql(dialect='spark')}`")


def _cast(value: ExactSql, kind: str, node: exp.Expr) -> str:
    """A value as another type, where the conversion cannot fail or fails in both."""
    if value.kind == NULL:
        return f"CAST(NULL AS {DUCKDB_TYPES[kind]})"
    if kind == value.kind or (kind, value.kind) in ((NUMBER, DECIMAL), (DECIMAL, NUMBER)):
        return value.sql
    match value.kind, kind:
        case ("integer", "decimal"):
            return f"CAST({value.sql} AS DOUBLE)"
        case ("integer", "number") | ("boolean", "integer") | ("boolean", "number") | ("integer", "string"):
            return f"CAST({value.sql} AS {DUCKDB_TYPES[kind]})"
        case ("number", "integer"):  # towards zero; an error beyond 64 bits
            return f"CAST(trunc({value.sql}) AS BIGINT)"
    raise _refusal(node)


def _column(translator: _Translator, node: exp.Expr) -> ExactSql:
    name = ".".join(part.name for part in node.parts).lower()  # type: ignore[attr-defined]
    if name not in translator.columns:
        raise UntranslatableError(f"there is no column `{name}`")
    return ExactSql(".".join(f'"{part}"' for part in name.split(".")), translator.columns[name])


def _literal(_: _Translator, node: exp.Expr) -> ExactSql:
    text = node.name
    if node.args["is_string"]:
        return ExactSql("'" + text.replace("'", "''") + "'", STRING)
    if text.isdecimal():
        return ExactSql(f"{text}::BIGINT", INTEGER)
    if "e" in text.lower():
        return ExactSql(f"'{text}'::DOUBLE", NUMBER)
    if len(text) > MOST_DIGITS:
        raise _refusal(node)
    return ExactSql(f"'{text}'::DOUBLE", DECIMAL)


def _arithmetic(operator: str) -> Rule:
    def rule(translator: _Translator, node: exp.Expr) -> ExactSql:
        left, right = _alike(node, _operands(translator, node))
        if left.kind not in (INTEGER, NUMBER):
            raise _refusal(node)
        return ExactSql(f"({left.sql} {operator} {right.sql})", left.kind)

    return rule


def _divided(translator: _Translator, node: exp.Expr) -> ExactSql:
    left, right = _alike(node, _operands(translator, node))
    if left.kind not in (INTEGER, NUMBER):
        raise _refusal(node)
    divisor = _not_zero(_cast(right, NUMBER, node), NUMBER)
    return ExactSql(f"({_cast(left, NUMBER, node)} / {divisor})", NUMBER)


def _integer_quotient(translator: _Translator, node: exp.Expr) -> ExactSql:
    left, right = _operands(translator, node)
    if (left.kind, right.kind) != (INTEGER, INTEGER):
        raise _refusal(node)
    return ExactSql(f"({left.sql} // {_not_zero(right.sql, INTEGER)})", INTEGER)


def _remainder(translator: _Translator, node: exp.Expr) -> ExactSql:
    left, right = _operands(translator, node)
    if (left.kind, right.kind) != (INTEGER, INTEGER):
        raise _refusal(node)
    return ExactSql(f"({left.sql} % {_not_zero(right.sql, INTEGER)})", INTEGER)


def _not_zero(divisor: str, kind: str) -> str:
    """A divisor, or Spark's error; a literal needs no look."""
    literal = divisor.removesuffix("::BIGINT")
    if literal.isdecimal() and int(literal):
        return divisor
    zero = f"CAST(error('division by zero') AS {DUCKDB_TYPES[kind]})"
    return f"(CASE WHEN {divisor} = 0 THEN {zero} ELSE {divisor} END)"


def _negated(translator: _Translator, node: exp.Expr) -> ExactSql:
    value = translator.translate(node.this)
    _require_numeric(node, value)
    return ExactSql(f"(-{value.sql})", value.kind)


def _absolute(translator: _Translator, node: exp.Expr) -> ExactSql:
    value = translator.translate(node.this)
    _require_numeric(node, value)
    return ExactSql(f"abs({value.sql})", value.kind)


def _comparison(operator: str) -> Rule:
    def rule(translator: _Translator, node: exp.Expr) -> ExactSql:
        left, right = _alike(node, _operands(translator, node))
        return ExactSql(f"({left.sql} {operator} {right.sql})", BOOLEAN)

    return rule


def _between(translator: _Translator, node: exp.Expr) -> ExactSql:
    values = [translator.translate(part) for part in (node.this, node.args["low"], node.args["high"])]
    value, low, high = _alike(node, values)
    return ExactSql(f"({value.sql} BETWEEN {low.sql} AND {high.sql})", BOOLEAN)


def _in(translator: _Translator, node: exp.Expr) -> ExactSql:
    if node.args.get("query") or not node.expressions:
        raise _refusal(node)
    value, *members = _alike(node, [translator.translate(part) for part in (node.this, *node.expressions)])
    return ExactSql(f"({value.sql} IN ({', '.join(member.sql for member in members)}))", BOOLEAN)


def _is(translator: _Translator, node: exp.Expr) -> ExactSql:
    if type(node.expression).__name__ != "Null":
        raise _refusal(node)
    return ExactSql(f"({translator.translate(node.this).sql} IS NULL)", BOOLEAN)


def _logical(operator: str) -> Rule:
    def rule(translator: _Translator, node: exp.Expr) -> ExactSql:
        left, right = _operands(translator, node)
        _require_boolean(node, left, right)
        return ExactSql(f"({left.sql} {operator} {right.sql})", BOOLEAN)

    return rule


def _not(translator: _Translator, node: exp.Expr) -> ExactSql:
    value = translator.translate(node.this)
    _require_boolean(node, value)
    return ExactSql(f"(NOT {value.sql})", BOOLEAN)


def _case(translator: _Translator, node: exp.Expr) -> ExactSql:
    branches, default = node.args["ifs"], node.args.get("default")
    subject = translator.translate(node.this) if node.this is not None else None
    conditions = [translator.translate(branch.this) for branch in branches]
    if subject is not None:
        subject, *values = _alike(node, [subject, *conditions])
        conditions = [ExactSql(f"({subject.sql} = {value.sql})", BOOLEAN) for value in values]
    results = [branch.args["true"] for branch in branches] + ([default] if default is not None else [])
    return _chosen(translator, node, conditions, results)


def _if(translator: _Translator, node: exp.Expr) -> ExactSql:
    results = [node.args["true"]] + ([node.args["false"]] if node.args.get("false") is not None else [])
    return _chosen(translator, node, [translator.translate(node.this)], results)


def _chosen(
    translator: _Translator, node: exp.Expr, conditions: Sequence[ExactSql], results: Sequence[exp.Expr]
) -> ExactSql:
    _require_boolean(node, *conditions)
    values = _alike(node, [translator.translate(result) for result in results])
    whens = " ".join(f"WHEN {c.sql} THEN {v.sql}" for c, v in zip(conditions, values, strict=False))
    default = f" ELSE {values[-1].sql}" if len(values) > len(conditions) else ""
    return ExactSql(f"(CASE {whens}{default} END)", values[0].kind)


def _first_value(translator: _Translator, node: exp.Expr) -> ExactSql:
    parts = (node.this, *node.expressions)
    values = _alike(node, [translator.translate(part) for part in parts])
    return ExactSql(f"coalesce({', '.join(value.sql for value in values)})", values[0].kind)


def _extreme(function: str) -> Rule:
    def rule(translator: _Translator, node: exp.Expr) -> ExactSql:
        values = _alike(node, [translator.translate(part) for part in (node.this, *node.expressions)])
        if values[0].kind == BOOLEAN:
            raise _refusal(node)
        return ExactSql(f"{function}({', '.join(value.sql for value in values)})", values[0].kind)

    return rule


def _null_if(translator: _Translator, node: exp.Expr) -> ExactSql:
    left, right = _operands(translator, node)
    if left.kind != right.kind:
        raise _refusal(node)
    return ExactSql(f"nullif({left.sql}, {right.sql})", left.kind)


def _joined_text(translator: _Translator, node: exp.Expr) -> ExactSql:
    parts = node.expressions or (node.this, node.expression)
    values = [translator.translate(part) for part in parts]
    if any(value.kind != STRING for value in values):
        raise _refusal(node)
    return ExactSql(reduce(lambda left, right: f"({left} || {right})", [value.sql for value in values]), STRING)


def _part_of_text(translator: _Translator, node: exp.Expr) -> ExactSql:
    """`substring` from a position that is counted from the beginning, and `left`."""
    value = translator.translate(node.this)
    start, length = node.args.get("start"), node.args.get("length") or node.args.get("expression")
    numbers = [part.name for part in (start, length) if part is not None]
    positive = all(number.isdecimal() and int(number) for number in numbers)
    if value.kind != STRING or not positive or any(type(p).__name__ != "Literal" for p in (start, length) if p):
        raise _refusal(node)
    arguments = ", ".join(numbers if start is not None else ["1", *numbers])
    return ExactSql(f"substring({value.sql}, {arguments})", STRING)


def _length(translator: _Translator, node: exp.Expr) -> ExactSql:
    value = translator.translate(node.this)
    if value.kind != STRING:
        raise _refusal(node)
    return ExactSql(f"length({value.sql})", INTEGER)


def _rounded_to_integer(function: str) -> Rule:
    def rule(translator: _Translator, node: exp.Expr) -> ExactSql:
        value = translator.translate(node.this)
        if value.kind not in (INTEGER, NUMBER) or node.args.get("decimals") is not None:
            raise _refusal(node)
        return value if value.kind == INTEGER else ExactSql(f"CAST({function}({value.sql}) AS BIGINT)", INTEGER)

    return rule


def _date_part(sql: str) -> Rule:
    def rule(translator: _Translator, node: exp.Expr) -> ExactSql:
        # sqlglot wraps what Spark takes for a date.
        inner = node.this.this if type(node.this).__name__ == "TsOrDsToDate" else node.this
        value = translator.translate(inner)
        if value.kind not in (DATE, TIMESTAMP):
            raise _refusal(node)
        return ExactSql(f"CAST({sql.format(value.sql)} AS BIGINT)", INTEGER)

    return rule


def _time_part(function: str) -> Rule:
    def rule(translator: _Translator, node: exp.Expr) -> ExactSql:
        value = translator.translate(node.this)
        if value.kind != TIMESTAMP:
            raise _refusal(node)
        return ExactSql(f"CAST({function}({value.sql}) AS BIGINT)", INTEGER)

    return rule


def _days_between(translator: _Translator, node: exp.Expr) -> ExactSql:
    parts = [part.this if type(part).__name__ == "TsOrDsToDate" else part for part in (node.this, node.expression)]
    end, start = (translator.translate(part) for part in parts)
    if (end.kind, start.kind) != (DATE, DATE) or node.args.get("unit"):
        raise _refusal(node)
    return ExactSql(f"CAST({end.sql} - {start.sql} AS BIGINT)", INTEGER)


def _converted(translator: _Translator, node: exp.Expr) -> ExactSql:
    kind = SPARK_CASTS.get(node.to.this.name)  # type: ignore[attr-defined]
    if kind is None or node.args.get("safe"):
        raise _refusal(node)
    if kind == DATE and type(node.this).__name__ == "Literal":  # date '2024-01-01'
        return ExactSql(f"CAST({translator.translate(node.this).sql} AS DATE)", DATE)
    value = translator.translate(node.this)
    if node.to.this.name == "INT":  # type: ignore[attr-defined]  # an error beyond 32 bits
        return ExactSql(f"CAST(CAST({_cast(value, INTEGER, node)} AS INTEGER) AS BIGINT)", INTEGER)
    return ExactSql(_cast(value, kind, node), kind)


def _operands(translator: _Translator, node: exp.Expr) -> tuple[ExactSql, ExactSql]:
    return translator.translate(node.this), translator.translate(node.expression)


def _alike(node: exp.Expr, values: Sequence[ExactSql]) -> list[ExactSql]:
    """Values as one type: an integer beside a number is a number, others have to be of one type."""
    kinds = {value.kind for value in values} - {NULL}
    if not kinds or (len(kinds) > 1 and not kinds <= NUMERIC):
        raise _refusal(node)
    kind = next(kind for kind in (NUMBER, DECIMAL, *kinds) if kind in kinds)
    return [ExactSql(_cast(value, kind, node), kind) for value in values]


def _require_numeric(node: exp.Expr, *values: ExactSql) -> None:
    if any(value.kind not in NUMERIC for value in values):
        raise _refusal(node)


def _require_boolean(node: exp.Expr, *values: ExactSql) -> None:
    if any(value.kind not in (BOOLEAN, NULL) for value in values):
        raise _refusal(node)


RULES: Mapping[str, Rule] = {
    "Column": _column,
    "Literal": _literal,
    "Boolean": lambda _, node: ExactSql("TRUE" if node.this else "FALSE", BOOLEAN),
    "Null": lambda _, node: ExactSql("NULL", NULL),
    "Paren": lambda translator, node: translator.translate(node.this),
    "Add": _arithmetic("+"),
    "Sub": _arithmetic("-"),
    "Mul": _arithmetic("*"),
    "Div": _divided,
    "IntDiv": _integer_quotient,
    "Mod": _remainder,
    "Neg": _negated,
    "Abs": _absolute,
    "Floor": _rounded_to_integer("floor"),
    "Ceil": _rounded_to_integer("ceil"),
    "EQ": _comparison("="),
    "NEQ": _comparison("<>"),
    "LT": _comparison("<"),
    "LTE": _comparison("<="),
    "GT": _comparison(">"),
    "GTE": _comparison(">="),
    "NullSafeEQ": _comparison("IS NOT DISTINCT FROM"),
    "Between": _between,
    "In": _in,
    "Is": _is,
    "And": _logical("AND"),
    "Or": _logical("OR"),
    "Not": _not,
    "Case": _case,
    "If": _if,
    "Coalesce": _first_value,
    "Nullif": _null_if,
    "Greatest": _extreme("greatest"),
    "Least": _extreme("least"),
    "Concat": _joined_text,
    "DPipe": _joined_text,
    "Substring": _part_of_text,
    "Left": _part_of_text,
    "Length": _length,
    "Year": _date_part("year({})"),
    "Quarter": _date_part("quarter({})"),
    "Month": _date_part("month({})"),
    "Day": _date_part("day({})"),
    "DayOfMonth": _date_part("day({})"),
    "DayOfWeek": _date_part("dayofweek({}) + 1"),
    "DayOfYear": _date_part("dayofyear({})"),
    "WeekOfYear": _date_part("week({})"),
    "Hour": _time_part("hour"),
    "Minute": _time_part("minute"),
    "Second": _time_part("second"),
    "DateDiff": _days_between,
    "Cast": _converted,
    "TryCast": _converted,
}
