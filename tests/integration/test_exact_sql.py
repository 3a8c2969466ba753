"""What is translated gives the values of Spark, bit for bit, and an error where Spark gives one."""

from __future__ import annotations

import math
import struct
from datetime import UTC, date, datetime
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from nightshift.definition.exact_sql import exact_sql

COLUMNS = {
    "i": "integer", "j": "integer", "k": "integer", "x": "number", "y": "number", "s": "string", "t": "string",
    "b": "boolean", "c": "boolean", "d": "date", "e": "date", "at": "timestamp", "plane.year": "integer",
    "plane.model": "string",
}  # fmt: skip
# Expressions with the type of their value, each over all of the rows below.
EXPRESSIONS = {
    "integer": [
        "i", "i + j", "i - j", "i * k", "-i", "abs(i)", "i div k", "i % k", "(i div 100) * 60 + i % 100",
        "mod(i, k)", "floor(x)", "ceil(x)", "floor(i)", "length(s)", "char_length(t)", "year(d)", "quarter(d)",
        "month(d)", "day(d)", "dayofmonth(d)", "dayofweek(d)", "dayofyear(d)", "weekofyear(d)", "year(at)",
        "dayofweek(at)", "hour(at)", "minute(at)", "second(at)", "datediff(d, e)", "year(d) - plane.year",
        "cast(x as bigint)", "cast(b as int)", "cast(i as int)", "coalesce(i, j, 7)", "greatest(i, j, k)",
        "least(i, j)", "nullif(i, j)", "if(b, i, j)", "case when b then i when c then j else k end",
        "case i when 1 then 10 when k then 20 end", "ifnull(i, 0)", "nvl(j, -1)",
        "case when i > 1 then null else 1 end",
    ],
    "number": [
        "x", "x + y", "x - y", "x * y", "-x", "abs(y)", "x + i", "i * x", "i / k", "x / k", "x * 0.1",
        "x + 1.5", "1e3 * x", "i / 3", "cast(i as double) / 7", "double(b)", "coalesce(x, 0.5)",
        "coalesce(x, i)", "greatest(x, y)", "least(x, y, i)", "if(c, x, i)", "case when b then x else 0.25 end",
        "nullif(x, y)", "i", "b", "0.5", "-0.25", "if(b, i, 0.5)", "coalesce(i, 0.5)",
        "case when b then 1 else 0.1 end", "(case when b then 1 else 0.1 end) * x", "x / 0.1", "plane.year * 2",
    ],
    "string": [
        "s", "concat(s, t)", "concat(s, '-', t)", "s || t", "substring(s, 1, 1)", "substring(s, 2)",
        "substr(t, 3, 2)", "left(s, 2)", "coalesce(s, t, 'none')", "if(b, s, 'no')", "greatest(s, t)",
        "least(s, t)", "cast(i as string)", "nullif(s, 'a')", "plane.model", "i",
    ],
    "boolean": [
        "b and c", "b or c", "not b", "i = j", "i <> j", "i < j", "i <= x", "x > y", "x >= i", "s = t", "s < t",
        "s >= 'b'", "d = e", "d < date '2024-02-29'", "b = c", "i <=> j", "s <=> t", "x <=> y", "i is null",
        "s is not null", "i between 1 and k", "x between 0 and 1.5", "i in (1, 2, 3)", "s in ('a', 'é', '')",
        "i not in (1, k)", "i > 1 and (x < 2 or s = 'a')", "b and null", "x = y", "i > 0.5", "i <= -0.1",
        "x = 0.1", "i between 0.5 and 3",
    ],
}  # fmt: skip
REFUSED = [
    "upper(s)", "lower(s)", "trim(s)", "round(x)", "round(x, 2)", "exp(x)", "log(x)", "power(x, 2)", "sqrt(x)",
    "rand()", "current_date()", "s + 1", "i + s", "s > 1", "d > '2024-01-01'", "cast(s as int)",
    "try_cast(s as int)", "b + 1", "cast(x as string)", "substring(s, 0, 1)", "substring(s, -1)",
    "substring(s, i)", "concat(s, i)", "s like 'a%'", "try_divide(i, j)", "x % y", "x div y", "i * 0.1",
    "0.1 + 0.2", "(case when b then 1 else 0.5 end) * 2", "0.5 * i", "i / 0.5", "floor(0.5)",
    "i > 0.1234567890123456", "if(b, s, 'it''s')", "s = 'a\\\\n'", "bigint(x)", "d + interval 1 day",
    "date_add(d, 1)", "hour(d)", "unknown", "plane.absent", "coalesce(i, s)", "if(i, 1, 2)", "i in (select 1)",
    "b > c or i", "cast(d as string)", "greatest(b, c)",
]  # fmt: skip


def rows(count: int = 400) -> pa.Table:
    """Rows with what tends to differ: signs, zeros, gaps, large numbers, other alphabets, ends of years."""
    random = np.random.default_rng(7)

    def chosen(values: list[Any], kind: pa.DataType, divisor: bool = False) -> pa.Array:
        gaps = [] if divisor else [None]
        return pa.array(
            [(values + gaps)[place] for place in random.integers(len(values) + len(gaps), size=count)], kind
        )

    integers = [0, 1, 2, 3, 7, 59, 60, 100, 2359, -1, -7, -100, 2**40, -(2**40) - 3]
    numbers = [0.0, -0.0, 0.1, 0.2, 0.3, 1.5, -2.5, 2.675, 1e-300, 1e17, -1e15, 1 / 3, math.pi, 5e-324]
    texts = ["", "a", "ab", "B", "é", "e\u0301a", "日本語", "😀x", "ß", "it's", " a ", "10", "9"]
    days = [
        date(2024, 2, 29),
        date(2023, 12, 31),
        date(2024, 1, 1),
        date(2021, 1, 3),
        date(1969, 12, 31),
        date(2020, 12, 28),
    ]
    instants = [datetime(2024, 3, 31, 1, 30, 59, 999_999, UTC), datetime(1969, 12, 31, 23, 59, 59, 1, UTC)]
    instants += [datetime(2024, 12, 31, 23, 0, tzinfo=UTC)]
    plane = pa.StructArray.from_arrays(
        [chosen([1999, 2004, 0], pa.int64()), chosen(["A320", "é"], pa.string())],
        ["year", "model"],
        mask=pa.array(random.random(count) < 0.2),
    )
    return pa.table(
        {
            "i": chosen(integers, pa.int64()),
            "j": chosen(integers, pa.int64()),
            "k": chosen([value for value in integers if 0 < abs(value) < 2**20], pa.int64(), divisor=True),
            "x": chosen(numbers, pa.float64()),
            "y": chosen(numbers, pa.float64()),
            "s": chosen(texts, pa.string()),
            "t": chosen(texts, pa.string()),
            "b": chosen([True, False], pa.bool_()),
            "c": chosen([True, False], pa.bool_()),
            "d": chosen(days, pa.date32()),
            "e": chosen(days, pa.date32()),
            "at": chosen(instants, pa.timestamp("us", "UTC")),
            "plane": plane,
        }
    )


def bits(value: Any) -> Any:
    return struct.pack("<d", value) if isinstance(value, float) else value


def by_duckdb(table: pa.Table, expressions: list[str]) -> list[list[Any]]:
    with duckdb.connect() as database:
        database.execute("set TimeZone = 'UTC'")
        database.register("observed", table)
        found = database.execute(f"select {', '.join(expressions)} from observed").fetchall()
    return [[bits(value) for value in column] for column in zip(*found, strict=True)]


@pytest.mark.parametrize("kind", EXPRESSIONS)
def test_values_are_those_of_spark(spark: SparkSession, kind: str) -> None:
    from pyspark.sql import functions as F

    from nightshift.features.compute import typed

    table, expressions = rows(), EXPRESSIONS[kind]
    if kind == "integer":  # where one overflows, both give an error, which is another test's
        table = table.filter(pa.compute.less(pa.compute.abs(pa.compute.fill_null(table["i"], 0)), 2**31))
    frame = spark.createDataFrame(table)
    expected = frame.select(*[typed(F.expr(text), kind).alias(str(n)) for n, text in enumerate(expressions)]).collect()
    received = by_duckdb(table, [exact_sql(text, COLUMNS, kind) for text in expressions])
    for number, text in enumerate(expressions):
        wanted = [bits(row[number]) for row in expected]
        differing = [(place, w, r) for place, (w, r) in enumerate(zip(wanted, received[number], strict=True)) if w != r]
        assert not differing, (text, [(table.slice(place, 1).to_pylist(), w, r) for place, w, r in differing[:3]])


@pytest.mark.parametrize(
    ("expression", "kind", "row"),
    [
        ("i / j", "number", {"i": 1, "j": 0}),
        ("x / y", "number", {"x": 1.0, "y": 0.0}),
        ("x / y", "number", {"x": 0.0, "y": -0.0}),
        ("i div j", "integer", {"i": 1, "j": 0}),
        ("i % j", "integer", {"i": 1, "j": 0}),
        ("i + j", "integer", {"i": 2**63 - 1, "j": 1}),
        ("i * j", "integer", {"i": 2**62, "j": 4}),
        ("-i", "integer", {"i": -(2**63), "j": 0}),
        ("cast(i as int)", "integer", {"i": 2**31, "j": 0}),
        ("cast(x as bigint)", "integer", {"x": 1e19}),
        ("x", "integer", {"x": 1e300}),
    ],
)
def test_an_error_of_spark_is_an_error(spark: SparkSession, expression: str, kind: str, row: dict[str, Any]) -> None:
    from pyspark.errors import PySparkException
    from pyspark.sql import functions as F

    from nightshift.features.compute import typed

    table = pa.table({name: pa.array([value]) for name, value in row.items()})
    with pytest.raises(PySparkException):
        spark.createDataFrame(table).select(typed(F.expr(expression), kind)).collect()
    with pytest.raises(duckdb.Error):
        by_duckdb(table, [exact_sql(expression, COLUMNS, kind)])


@pytest.mark.parametrize("expression", REFUSED)
def test_what_may_differ_is_refused_by_name(expression: str) -> None:
    with pytest.raises(
        ValueError, match=r"only Spark evaluates `.+`|there is no column `.+`|it has a text with a quote or a backslash"
    ):
        exact_sql(expression, COLUMNS, "number")


@pytest.mark.parametrize(("expression", "kind"), [("s", "number"), ("x", "string"), ("i", "boolean"), ("d", "string")])
def test_conversions_that_may_differ_are_refused(expression: str, kind: str) -> None:
    with pytest.raises(ValueError, match="only Spark evaluates"):
        exact_sql(expression, COLUMNS, kind)
