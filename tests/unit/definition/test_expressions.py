from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.definition.expressions import Dialect, Fault, find_faults
from nightshift.definition.known_functions import DETERMINISTIC, FOLDER, REFUSED_KINDS, function_kinds

DIALECTS: tuple[Dialect, ...] = ("spark", "duckdb")
COLUMNS = {
    "score_date": "date",
    "carrier": "string",
    "arr_delay": "number",
    "sched_dep_time": "integer",
    "hour": "integer",
    "date": "date",
    "a": "number",
    "b": "number",
    "c": "number",
    "x": "timestamp",
}
STRUCTS = {"plane": {"year": "integer", "seats": "integer"}, "airport": {"altitude": "number"}}
NAMES = (*COLUMNS, "plane.year", "plane.seats", "airport.altitude")

REFUSED = "not allowed in an expression"
CLOCK = "reads the clock"
CHANCE = "returns another value on every call"
SESSION = "depends on who runs it, where and by which version"
INVALID = "not valid SQL"


def faults(expression: str, dialect: Dialect = "spark") -> list[Fault]:
    return find_faults(expression, dialect, COLUMNS, STRUCTS)


def marks(expression: str, dialect: Dialect = "spark") -> list[tuple[str, str]]:
    return [(fault.message, fault.marked) for fault in faults(expression, dialect)]


# What is accepted


@pytest.mark.parametrize(
    "expression",
    [
        "carrier",
        "1",
        "year(score_date) - plane.year",
        "PLANE.Year + Arr_DELAY",
        "(sched_dep_time div 100) * 60 + sched_dep_time % 100",
        "dayofweek(score_date)",
        "timestampadd(MINUTE, a, b)",
        "timestampadd(MINUTE, (sched_dep_time div 100) * 60 + cast(arr_delay as int), cast(date as timestamp_ntz))",
        "timestampdiff(hour, a, b) + datediff(DAY, a, b) + date_diff(WEEK, a, b)",
        "dateadd(MONTH, 1, score_date)",
        "make_timestamp_ntz(year(score_date), 1, 1, hour, 0, 0)",
        "make_timestamp_ntz(2013, 1, 1, 0, 0, 0) + make_dt_interval(0, a)",
        "cast(x as timestamp_ntz)",
        "x::date",
        "carrier rlike 'A.'",
        "carrier like any ('A%', 'B%') or carrier like some ('C%') or carrier not like all ('D%')",
        "try_divide(a, b)",
        "if(a > 1, b, c)",
        "case when a > 1 then b else c end + case a when 1 then 2 end",
        "hour(x) + hour",
        "year(date)",
        "a <=> b",
        "x + interval '1' day - interval 2 hours + interval a minutes + interval '1 02:03' day to minute",
        "extract(hour from x) + date_part('hour', x) + extract(DOW from x)",
        "date_trunc('MONTH', x) = trunc(x, 'MM')",
        "`arr_delay` + plane.`seats` + `plane`.year",
        "plane['year']",
        "plane is null",
        "trim(both 'x' from carrier) || substring(carrier from 1 for 2)",
        "carrier in ('AA', 'UA') and a not between 1 and 2 and not b is distinct from c",
        '"double quotes are text in Spark" = carrier',
        "'it''s' = carrier",
        "unix_timestamp(x)",
        "transform(array(1, 2), v -> v + a)",
        "transform(array(1, 2), (V, i) -> v + I)",
        "transform(array(a), v -> transform(array(b), w -> v + w))",
        "aggregate(array(1, 2), 0, (acc, v) -> acc + v, acc -> acc * 2)",
        "filter(array(named_struct('n', a)), v -> v.n > 1 and v['n'] < 3)",
        "exists(array(a), v -> v > 1)",
        "named_struct('n', a).n + map('k', b)['k']",
        "date '2013-01-01' = date 'nowhere' or carrier = 'now' or carrier = 'today'",
        "typeof(a) = 'int' and LOG1P(b) > 0",
        "a -- a comment",
        "a /* a comment */ + b",
        "a\n  + b",
    ],
)
def test_spark_sql_over_one_row_has_no_fault(expression: str) -> None:
    assert faults(expression) == []


@pytest.mark.parametrize(
    "expression",
    [
        "arr_delay >= 15",
        '"arr_delay" >= 15 and "ARR_delay" < 90',
        "a % 2 + b // 3 + c ** 2",
        "x::date - interval 3 days + interval (a) minutes",
        "date_diff('day', score_date, x)",
        "extract(hour from x) + date_part('hour', x)",
        "list_transform([1, 2], lambda v : v + a)",
        "list_filter([1, 2], lambda v, i : v > i)",
        "[v + a for v in [1, 2] if v > 1]",
        "[v + i for v, i in [1, 2]]",
        "a = any([1, 2]) or a in [3]",
        "list_sum([a, b])",
        "arr_delay.abs()",
        "age(x, score_date)",
        "case when carrier similar to 'A.' then 1 end",
        "{'k': a}.k",
        "coalesce(try_cast(carrier as integer), 0)",
    ],
)
def test_duckdb_sql_over_one_row_has_no_fault_and_duckdb_agrees(expression: str) -> None:
    kinds = {"string": "varchar", "number": "double", "boolean": "boolean"}
    columns = ", ".join(f'"{name}" {kinds.get(kind, kind)}' for name, kind in COLUMNS.items())
    database = duckdb.connect()
    database.execute(f"create table rows ({columns})")
    database.execute(f"select {expression} from rows")
    assert faults(expression, "duckdb") == []


# Names


def test_an_unknown_column_is_marked_with_the_names_there_are_and_the_closest() -> None:
    assert faults("arr_delai * 2") == [Fault("no such column", ">>>arr_delai<<< * 2", NAMES, "write 'arr_delay'")]


@pytest.mark.parametrize(
    ("expression", "dialect", "marked", "fix"),
    [
        ("uper(carrier)", "spark", ">>>uper<<<(carrier)", "write 'upper'"),
        ("a + UPER (carrier)", "duckdb", "a + >>>UPER<<< (carrier)", "write 'upper'"),
        ("isoweek(score_date)", "spark", ">>>isoweek<<<(score_date)", "write 'dayofweek'"),
        ("zzzzzz(a)", "spark", ">>>zzzzzz<<<(a)", "name a function of Spark SQL"),
        ("zzzzzz(a)", "duckdb", ">>>zzzzzz<<<(a)", "name a function of DuckDB"),
        ("try_divide(a, b)", "duckdb", ">>>try_divide<<<(a, b)", "write 'divide'"),
        ("arr_delay.abz()", "duckdb", "arr_delay.>>>abz<<<()", "write 'abs'"),
    ],
)
def test_a_function_that_the_engine_does_not_have_is_refused_without_it(
    expression: str, dialect: Dialect, marked: str, fix: str
) -> None:
    [fault] = faults(expression, dialect)
    assert (fault.message.removesuffix("DuckDB").removesuffix("Spark SQL"), fault.marked, fault.fix) == (
        "no such function of ", marked, fix,
    )  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_function_is_sorted_once(dialect: Dialect) -> None:
    file = FOLDER / f"{dialect}.txt"
    names = [name for line in file.read_text().splitlines() if not line.startswith("#") for name in line.split()]
    assert len(names) == len(set(names))
    assert set(function_kinds(dialect).values()) <= {DETERMINISTIC, *REFUSED_KINDS}


def test_the_functions_of_duckdb_are_those_of_the_installed_version() -> None:
    names = duckdb_functions("true")
    assert names - set(function_kinds("duckdb")) == set(), "sort them into definition/functions/duckdb.txt"
    assert set(function_kinds("duckdb")) - names == {"coalesce", "ifnull", "try"}  # DuckDB does not list them


@pytest.mark.parametrize(
    ("expression", "fix"),
    [("seats", "write 'plane.seats'"), ("altitud", "write 'airport.altitude'"), ("zzz", "name a column")],
)
def test_an_unknown_column_may_be_a_look_ups_field(expression: str, fix: str) -> None:
    assert [fault.fix for fault in faults(expression)] == [fix]


def test_names_may_be_declared_in_any_case_and_are_proposed_as_declared() -> None:
    columns, structs = {"ArrDelay": "number"}, {"Plane": {"Year": "integer"}}
    assert find_faults("arrdelay + plane.YEAR + ARRDELAY", "spark", columns, structs) == []
    faults_of_names = find_faults("arrdelai + plane.yeer + plan.year + yar", "spark", columns, structs)
    assert [fault.fix for fault in faults_of_names] == [
        f"write '{name}'" for name in ("ArrDelay", "Year", "Plane", "Plane.Year")
    ]


def test_a_columns_name_goes_before_the_same_name_of_a_field() -> None:
    [fault] = find_faults("yaer", "spark", {"year": "integer"}, {"plane": {"year": "integer"}})
    assert fault.fix == "write 'year'"


def test_the_field_of_a_look_up_is_not_a_column_of_its_own() -> None:
    assert marks("year") == [("no such column", ">>>year<<<")]


def test_an_unknown_field_is_marked_with_the_fields_there_are() -> None:
    assert faults("year(score_date) - plane.yaer") == [
        Fault("no such field", "year(score_date) - plane.>>>yaer<<<", ("year", "seats"), "write 'year'")
    ]
    assert faults("plane['zzz']") == [
        Fault("no such field", "plane[>>>'zzz'<<<]", ("year", "seats"), "name one of its fields")
    ]


def test_an_unknown_look_up_is_marked_with_those_there_are() -> None:
    assert faults("plain.year") == [Fault("no such look-up", ">>>plain<<<.year", ("plane", "airport"), "write 'plane'")]
    assert [fault.fix for fault in faults("zzz.zzz")] == ["name a column, or a look-up's field"]
    assert find_faults("plane.year", "duckdb", {"a": "number"})[0].message == "no such look-up"


def test_a_column_needs_no_table() -> None:
    assert [(fault.marked, fault.fix) for fault in faults("arrivals.Arr_delay")] == [
        (">>>arrivals<<<.Arr_delay", "write 'arr_delay'")
    ]


@pytest.mark.parametrize(
    ("expression", "marked", "fix"),
    [
        ("carrier.code", "carrier.>>>code<<<", "write 'carrier'"),
        ("plane.year.of", "plane.year.>>>of<<<", "write 'plane.year'"),
        ("a + plane.year.of.it", "a + plane.year.>>>of<<<.it", "write 'plane.year'"),
    ],
)
def test_only_look_ups_have_fields(expression: str, marked: str, fix: str) -> None:
    assert faults(expression) == [Fault("no such field", marked, (), fix)]


@pytest.mark.parametrize(
    ("expression", "dialect", "marked"),
    [
        ("`arr delai` + 1", "spark", ">>>`arr delai`<<< + 1"),
        ("plane.`yaer`", "spark", "plane.>>>`yaer`<<<"),
        ('"arr_delai" + 1', "duckdb", '>>>"arr_delai"<<< + 1'),
        ("arr_delai.abs()", "duckdb", ">>>arr_delai<<<.abs()"),
        ("plane.yaer.abs()", "duckdb", "plane.>>>yaer<<<.abs()"),
        ("transform(array(1), v -> v + w)", "spark", "transform(array(1), v -> v + >>>w<<<)"),
        ("transform(array(v), v -> 1)", "spark", "transform(array(>>>v<<<), v -> 1)"),
        ("transform(array(1), v -> 1) = array(v)", "spark", "transform(array(1), v -> 1) = array(>>>v<<<)"),
        ("[v + w for v in [1]]", "duckdb", "[v + >>>w<<< for v in [1]]"),
        ("timestampadd(MINUTE, d, a)", "spark", "timestampadd(MINUTE, >>>d<<<, a)"),
        ("x + interval d days", "spark", "x + interval >>>d<<< days"),
        ("case when d then a end", "spark", "case when >>>d<<< then a end"),
        ("cast(d as date)", "spark", "cast(>>>d<<< as date)"),
        ("log(a, d)", "spark", "log(a, >>>d<<<)"),
    ],
)
def test_an_unknown_name_is_reported_wherever_it_is(expression: str, dialect: Dialect, marked: str) -> None:
    assert [mark for _, mark in marks(expression, dialect)] == [marked]


def test_the_same_name_wrong_twice_is_one_fault() -> None:
    assert marks("foo + a * Foo - `foo`") == [("no such column", ">>>foo<<< + a * >>>Foo<<< - >>>`foo`<<<")]
    assert len(faults("plane.foo + airport.foo + foo")) == 3
    alike = {"plane": {"year": "integer"}, "engine": {"year": "integer"}}
    assert [fault.marked for fault in find_faults("plane.yaer + engine.yaer", "spark", {}, alike)] == [
        "plane.>>>yaer<<< + engine.yaer",
        "plane.yaer + engine.>>>yaer<<<",
    ]


def test_all_faults_are_reported_in_the_order_of_the_text() -> None:
    assert marks("foo + rand() + plane.bar + sum(baz) + now()") == [
        ("no such column", ">>>foo<<< + rand() + plane.bar + sum(baz) + now()"),
        (CHANCE, "foo + >>>rand<<<() + plane.bar + sum(baz) + now()"),
        ("no such field", "foo + rand() + plane.>>>bar<<< + sum(baz) + now()"),
        (REFUSED, "foo + rand() + plane.bar + >>>sum<<<(baz) + now()"),
        ("no such column", "foo + rand() + plane.bar + sum(>>>baz<<<) + now()"),
        (CLOCK, "foo + rand() + plane.bar + sum(baz) + >>>now<<<()"),
    ]


# Syntax


@pytest.mark.parametrize(
    ("expression", "dialect", "marked", "fix"),
    [
        ("a b", "spark", "a >>>b<<<", "correct the syntax; write a name that is also a word of SQL as `name`"),
        ("a b", "duckdb", "a >>>b<<<", 'correct the syntax; write a name that is also a word of SQL as "name"'),
        ("a + b as d", "spark", "a + b >>>as<<< d", None),
        ("a, b", "spark", "a>>>,<<< b", None),
        ("a +", "spark", "a >>>+<<<", None),
        ("(a + (b", "spark", "(a + (>>>b<<<", "correct the syntax: expecting )"),
        ("a) + b", "spark", "a>>>)<<< + b", None),
        ("a + 'it\\'s", "spark", "a + >>>'it\\'s<<<", "close it with '"),
        ("a + `b", "spark", "a + >>>`b<<<", "close it with `"),
        ("a /* b", "spark", ">>>a /* b<<<", None),
        ("if(a)", "spark", "if(a>>>)<<<", None),
        ("year(a, b)", "spark", "year(a, b>>>)<<<", None),
        ("insert into d values (1)", "spark", ">>>insert<<< into d values (1)", None),
        ("a\n  +\tb d", "spark", "a + b >>>d<<<", None),
        (f"{'a + ' * 200}b d", "spark", f"{'a + ' * 200}b >>>d<<<", None),
    ],
)
def test_a_syntax_error_is_marked_where_parsing_stopped(
    expression: str, dialect: Dialect, marked: str, fix: str | None
) -> None:
    [fault] = faults(expression, dialect)
    assert (fault.message, fault.marked, fault.allowed) == (INVALID, marked, ())
    assert fix is None or fault.fix == fix


def test_refused_parts_are_reported_even_after_a_syntax_error() -> None:
    assert marks("rand() + (a") == [(CHANCE, ">>>rand<<<() + (a"), (INVALID, "rand() + (>>>a<<<")]


@pytest.mark.parametrize(
    "expression", ["map(a: b)", "1BD <> try div ||", "map ( a order : { distinct describe analyze"]
)
def test_no_text_makes_the_check_itself_fail(expression: str) -> None:
    assert [fault.message for fault in faults(expression)] == [INVALID]


def test_an_expression_nested_too_deeply_is_a_fault_of_its_own() -> None:
    assert faults("abs(" * 30 + "a" + ")" * 30) == []
    assert [fault.message for fault in faults("abs(" * 3000 + "a" + ")" * 3000)] == ["nested too deeply"]


@pytest.mark.parametrize("expression", ["", "  \n", "-- only a comment"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_empty_expression_is_a_fault(expression: str, dialect: Dialect) -> None:
    assert [fault.message for fault in faults(expression, dialect)] == ["empty expression"]


# What is refused


@pytest.mark.parametrize(
    ("expression", "dialect", "marked"),
    [
        ("sum(a) / 2", "spark", ">>>sum<<<(a) / 2"),
        ("a > AVG (b)", "spark", "a > >>>AVG<<< (b)"),
        ("count(*)", "spark", ">>>count<<<(*)"),
        ("count(distinct a)", "spark", ">>>count<<<(distinct a)"),
        ("`max`(a)", "spark", ">>>`max`<<<(a)"),
        ("any(a > 1)", "spark", ">>>any<<<(a > 1)"),
        ("percentile_approx(a, 0.5)", "spark", ">>>percentile_approx<<<(a, 0.5)"),
        ("first_value(a, true)", "spark", ">>>first_value<<<(a, true)"),
        ("sum(a) filter (where b > 1)", "spark", ">>>sum<<<(a) filter (where b > 1)"),
        ("explode(array(a))", "spark", ">>>explode<<<(array(a))"),
        ("a.max()", "duckdb", "a.>>>max<<<()"),
        ("unnest([a])", "duckdb", ">>>unnest<<<([a])"),
        ("row_number() over w", "duckdb", ">>>row_number<<<() over w"),
        ("abs(a) over (order by b)", "spark", "abs(a) >>>over<<< (order by b)"),
        ("abs(a) ignore nulls over (order by b)", "spark", "abs(a) ignore nulls >>>over<<< (order by b)"),
        ("a in (select d from e)", "spark", "a in (>>>select<<< d from e)"),
        ("exists (select 1)", "spark", "exists (>>>select<<< 1)"),
        ("select a", "spark", ">>>select<<< a"),
        ("select a from d", "duckdb", ">>>select<<< a from d"),
        ("with d as (select 1) select 2", "spark", "with d as (>>>select<<< 1) >>>select<<< 2"),
        ("a in (from d)", "duckdb", ">>>a in (from d)<<<"),
        ("(values (1))", "duckdb", ">>>(values (1))<<<"),
        ("a; b", "spark", "a>>>;<<< b"),
        ("a;", "duckdb", "a>>>;<<<"),
        ("*", "spark", ">>>*<<<"),
        ("plane.*", "spark", "plane.>>>*<<<"),
        ("struct(*)", "spark", "struct(>>>*<<<)"),
        ("columns('a.*')", "duckdb", ">>>columns<<<('a.*')"),
        ("a > :limit", "spark", ">>>a > :limit<<<"),
        ("a > ?", "duckdb", ">>>a > ?<<<"),
        ("a > $1", "duckdb", ">>>a > $1<<<"),
        ("a + #1", "duckdb", ">>>a + #1<<<"),
        ("a > ${limit}", "spark", ">>>a > ${limit}<<<"),
        ("a > {{ limit }}", "spark", ">>>a > {{ limit }}<<<"),
        ("if < 3", "spark", ">>>if < 3<<<"),
        ("broadcast(a)", "spark", ">>>broadcast(a)<<<"),
    ],
)
def test_anything_but_an_expression_over_one_row_is_refused(expression: str, dialect: Dialect, marked: str) -> None:
    assert marks(expression, dialect) == [(REFUSED, marked)]


def test_both_the_function_and_its_window_are_marked() -> None:
    assert marks("sum(a) over (partition by b)") == [
        (REFUSED, ">>>sum<<<(a) over (partition by b)"),
        (REFUSED, "sum(a) >>>over<<< (partition by b)"),
    ]


def test_names_inside_a_query_are_not_checked_but_names_outside_it_are() -> None:
    assert marks("a in (select d from e) or foo") == [
        (REFUSED, "a in (>>>select<<< d from e) or foo"),
        ("no such column", "a in (select d from e) or >>>foo<<<"),
    ]


def test_every_statement_is_checked() -> None:
    assert marks("foo; bar")[::2] == [("no such column", ">>>foo<<<; bar"), ("no such column", "foo; >>>bar<<<")]


@pytest.mark.parametrize(
    ("expression", "dialect", "marked"),
    [
        ("current_date", "spark", ">>>current_date<<<"),
        ("year(CURRENT_DATE) - a", "spark", "year(>>>CURRENT_DATE<<<) - a"),
        ("current_date()", "spark", ">>>current_date<<<()"),
        ("curdate()", "spark", ">>>curdate<<<()"),
        ("current_timestamp - x", "spark", ">>>current_timestamp<<< - x"),
        ("localtimestamp", "spark", ">>>localtimestamp<<<"),
        ("localtimestamp()", "spark", ">>>localtimestamp<<<()"),
        ("now()", "spark", ">>>now<<<()"),
        ("`now`()", "spark", ">>>`now`<<<()"),
        ("unix_timestamp()", "spark", ">>>unix_timestamp<<<()"),
        ("unix_timestamp( ) - unix_timestamp(x)", "spark", ">>>unix_timestamp<<<( ) - unix_timestamp(x)"),
        ("date 'today'", "spark", "date >>>'today'<<<"),
        ("timestamp ' NOW UTC'", "spark", "timestamp >>>' NOW UTC'<<<"),
        ("timestamp_ntz 'yesterday'", "spark", "timestamp_ntz >>>'yesterday'<<<"),
        ("today() - score_date", "duckdb", ">>>today<<<() - score_date"),
        ("current_date", "duckdb", ">>>current_date<<<"),
        ("localtimestamp", "duckdb", ">>>localtimestamp<<<"),
        ("get_current_timestamp()", "duckdb", ">>>get_current_timestamp<<<()"),
        ("current_localtimestamp()", "duckdb", ">>>current_localtimestamp<<<()"),
        ("age(x)", "duckdb", ">>>age<<<(x)"),
        ("x.age()", "duckdb", "x.>>>age<<<()"),
    ],
)
def test_reading_the_clock_is_refused(expression: str, dialect: Dialect, marked: str) -> None:
    assert marks(expression, dialect) == [(CLOCK, marked)]
    assert faults(expression, dialect)[0].fix.startswith("use a date of the row")


@pytest.mark.parametrize(
    "expression", ["rand()", "randn(1)", "random()", "uuid()", "shuffle(array(a))", "uniform(0, 1)"]
)
def test_functions_that_return_another_value_on_every_call_are_refused(expression: str) -> None:
    name, rest = expression.split("(", 1)
    assert marks(expression) == [(CHANCE, f">>>{name}<<<({rest}")]


@pytest.mark.parametrize("name", ["current_date", "rand", "count", "now", "first", "select"])
def test_a_quoted_column_may_have_a_refused_name(name: str) -> None:
    columns, structs = {name: "number"}, {"plane": {name: "number"}}
    assert find_faults(f"`{name}` + plane.`{name}`", "spark", columns, structs) == []
    assert find_faults(f'"{name}" + 1', "duckdb", columns) == []


def test_a_quoted_name_is_a_name_and_no_keyword() -> None:
    assert marks("`current_date`") == [("no such column", ">>>`current_date`<<<")]
    assert marks("`select` + 1") == [("no such column", ">>>`select`<<< + 1")]


@pytest.mark.parametrize("name", ["current_date", "rand", "count", "now", "first", "over"])
def test_a_column_may_have_a_refused_name(name: str) -> None:
    assert find_faults(f"{name} + 1", "spark", {name: "number"}) == []
    assert find_faults(f"plane.{name}", "spark", {}, {"plane": {name: "number"}}) == []


# What Spark and DuckDB themselves say


def duckdb_functions(condition: str) -> set[str]:
    rows = duckdb.sql(f"select distinct function_name from duckdb_functions() where {condition}").fetchall()
    return {name.lower() for (name,) in rows if name.isidentifier()}


def spark_functions() -> tuple[set[str], set[str]]:
    """Spark's functions over rows, and those over one: read as text, since importing PySpark takes long."""
    spec = importlib.util.find_spec("pyspark")
    assert spec is not None and spec.origin is not None
    folder = Path(spec.origin).parent / "sql/functions"
    many, single, heading = set(), set(), ""
    for line in (folder / "__init__.py").read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r"    # ([\w ,]+)", line):
            heading = match[1]
        elif match := re.fullmatch(r'    "(\w+)",', line):
            (many if heading in {"Aggregate Functions", "Window Functions", "Generator Functions"} else single).add(
                match[1]
            )
    for part in ast.parse((folder / "builtin.py").read_text(encoding="utf-8")).body:
        if isinstance(part, ast.FunctionDef) and (ast.get_docstring(part) or "").startswith(("Aggregate", "Window")):
            many.add(part.name)
    many -= {"sumDistinct"}  # is no function of SQL
    assert len(many) > 100 and len(single) > 300
    return many, single - many


def refused(names: Iterable[str], dialect: Dialect, *whats: str) -> set[str]:
    """Those of the names that are refused as functions, for one of these reasons."""

    def is_refused(name: str) -> bool:
        return any(
            f">>>{name}<<<(a)" == fault.marked and fault.message in whats for fault in faults(f"{name}(a)", dialect)
        )

    return {name for name in names if is_refused(name)}


def test_every_aggregate_function_of_duckdb_is_refused() -> None:
    names = duckdb_functions("function_type = 'aggregate'")
    assert len(names) > 50
    assert names - refused(names, "duckdb", REFUSED) == set()


def test_every_aggregate_window_and_generator_function_of_spark_is_refused() -> None:
    names, _ = spark_functions()
    names &= set(function_kinds("spark"))  # the others are functions of Python only
    assert len(names) > 90
    assert names - refused(names, "spark", REFUSED) == set()


def test_no_function_over_one_row_is_refused_as_if_over_several() -> None:
    _, names = spark_functions()
    # Several columns, and as many rows as they like.
    assert refused(names, "spark", REFUSED) == {
        *("json_tuple", "schema_of_variant_agg", "session_window", "window", "window_time")
    }
    names = {
        name for name in duckdb_functions("function_type = 'scalar'") if function_kinds("duckdb")[name] != "engine"
    }
    assert len(names) > 300
    assert refused(names, "duckdb", REFUSED) == set()


def test_every_function_of_duckdb_that_varies_is_refused() -> None:
    names = duckdb_functions("function_type = 'scalar' and stability <> 'CONSISTENT'")
    assert len(names) > 25
    assert names - refused(names, "duckdb", *(refusal.message for refusal in REFUSED_KINDS.values())) == set()


def test_functions_of_tables_and_statements_of_duckdb_are_refused() -> None:
    values = duckdb_functions("function_type in ('scalar', 'macro')")
    names = duckdb_functions("function_type not in ('scalar', 'macro')") - values
    assert len(names) > 150
    assert names - refused(names, "duckdb", *(refusal.message for refusal in REFUSED_KINDS.values())) == set()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_function_of_a_kind_is_refused_for_its_reason_however_it_is_called(dialect: Dialect) -> None:
    quote = QUOTE[dialect]
    forms = [">>>{}<<<(a)", "{q}system{q}.builtin.>>>{}<<<(a)", "cast(>>>{}<<<() as date)", ">>>{q}{}{q}<<<(a)"]
    forms += {
        "spark": ["transform(array(a), v -> >>>{}<<<(v))", "case when a > 1 then >>>{}<<< /* x */ () end"],
        "duckdb": ["a.>>>{}<<<()", "[>>>{}<<<(v) for v in [a]]", "list_transform([a], lambda v : v.>>>{}<<<())"],
    }[dialect]
    for name, kind in function_kinds(dialect).items():
        for form in forms if kind != DETERMINISTIC else ():
            marked = form.format(name, q=quote)
            assert (REFUSED_KINDS[kind].message, marked) in marks(re.sub(">>>|<<<", "", marked), dialect)


@pytest.mark.parametrize(
    ("expression", "dialect", "marked"),
    [
        ("current_user", "spark", ">>>current_user<<<"),
        ("concat(SESSION_USER, carrier)", "spark", "concat(>>>SESSION_USER<<<, carrier)"),
        ("current_path", "spark", ">>>current_path<<<"),
        ("current_catalog", "duckdb", ">>>current_catalog<<<"),
        ("current_role || current_schema", "duckdb", ">>>current_role<<< || current_schema"),
    ],
)
def test_functions_that_are_called_by_their_name_alone_are_refused(
    expression: str, dialect: Dialect, marked: str
) -> None:
    assert (SESSION, marked) in marks(expression, dialect)


def test_a_name_that_is_computed_is_refused() -> None:
    for expression in ("identifier('version')()", "identifier('ver' || 'sion')()", "identifier('current_user')"):
        assert faults(expression)[0].message == "no such function of Spark SQL"


CONSTANTS = ["date({})", "year({})", "cast({} as timestamp)", "score_date - {}", "timestamp {}", "x >= {}"]
CONSTANTS += ["coalesce(score_date, {})", "map('k', {})['k']::date", "date in ({}, '2024-01-01')", "upper({})"]


@pytest.mark.parametrize(
    "text", ["'today'", '"NOW"', "' now UTC'", "r'yesterday'", "'tomorrow+1'", r"'n\u006fw'", "'no' 'w'"]
)
@pytest.mark.parametrize("form", CONSTANTS)
def test_a_text_that_spark_reads_as_the_clock_is_refused_wherever_it_may_be_a_date(form: str, text: str) -> None:
    marked = form.format(f">>>{text}<<<")
    assert (CLOCK, marked) in marks(form.format(text))
    assert find_faults(form.format("'nowhere'"), "spark", COLUMNS, STRUCTS) == []


@pytest.mark.parametrize(
    "expression",
    [
        "carrier = 'now'",
        "'today' <> `carrier`",
        "carrier not in ('x', 'now', 'today')",
        "a > 1 and plane.make = 'tomorrow'",
        "carrier in ('Knowles', 'now or never')",
        "carrier like 'now%'",
    ],
)
def test_a_text_of_the_clock_may_be_compared_with_text(expression: str) -> None:
    assert find_faults(expression, "spark", COLUMNS, {"plane": {"make": "category"}}) == []


@pytest.mark.parametrize("expression", ["plane.make = 'now'", "carrier = concat('now', 'today')"])
def test_a_text_is_compared_with_the_clock_where_the_column_may_be_a_date(expression: str) -> None:
    structs = {"plane": {"make": "category"}, "engine": {"make": "date"}}
    assert CLOCK in [fault.message for fault in find_faults(expression, "spark", COLUMNS, structs)]


# Properties

names = st.from_regex(r"[a-z][a-z0-9]{0,8}_[a-z0-9_]{1,8}", fullmatch=True)
COMMON = (
    "{} + {}",
    "({} - {}) * 2",
    "(-{})",
    "abs({})",
    "coalesce({}, {}, 0)",
    "case when {} > 1 then {} else {} end",
    "cast({} as double)",
    "({} is null or {} in (1, 2))",
    "({} between {} and 3)",
    "year({})",
)
FORMS = {
    "spark": (*COMMON, "if({}, {}, {})", "({} div 100)", "({} <=> {})", "transform(array({}), v -> v + {})"),
    "duckdb": (
        *COMMON,
        "({} // 100)",
        "list_transform([{}], lambda v : v + {})",
        "[v + {} for v in [{}]]",
        "{}::double",
    ),
}
QUOTE = {"spark": "`", "duckdb": '"'}


@st.composite
def expressions(draw: st.DrawFn, dialect: Dialect) -> tuple[str, list[str]]:
    """An expression with places such as `<0>` for columns, and their names: at least that of the first is used."""
    columns = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    leaves = st.sampled_from([*(f"<{at}>" for at in range(len(columns))), "1", "'text'"])
    forms = st.sampled_from(FORMS[dialect])

    def extend(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.tuples(forms, parts, parts, parts).map(lambda drawn: drawn[0].format(*drawn[1:]))

    return f"<0> = ({draw(st.recursive(leaves, extend, max_leaves=8))})", columns


def render(text: str, columns: list[str]) -> str:
    return re.sub(r"<(\d)>", lambda match: columns[int(match[1])], text)


def spelled(name: str, style: str, dialect: Dialect) -> str:
    return {"plain": name, "upper": name.upper(), "quoted": QUOTE[dialect] + name + QUOTE[dialect]}[style]


styles = st.lists(st.sampled_from(["plain", "upper", "quoted"]), min_size=4, max_size=4)


@pytest.mark.parametrize("dialect", DIALECTS)
@given(data=st.data(), styles=styles)
def test_an_expression_over_known_columns_has_no_fault(
    dialect: Dialect, data: st.DataObject, styles: list[str]
) -> None:
    text, columns = data.draw(expressions(dialect))
    spellings = [spelled(name, style, dialect) for name, style in zip(columns, styles, strict=False)]
    assert find_faults(render(text, spellings), dialect, dict.fromkeys(columns, "number")) == []


@pytest.mark.parametrize("dialect", DIALECTS)
@given(data=st.data(), unknown_name=names, styles=styles)
def test_one_unknown_name_is_one_fault_that_marks_each_of_its_places(
    dialect: Dialect, data: st.DataObject, unknown_name: str, styles: list[str]
) -> None:
    text, columns = data.draw(expressions(dialect).filter(lambda drawn: unknown_name not in drawn[1]))
    unknown, *spellings = [
        spelled(name, style, dialect) for name, style in zip([unknown_name, *columns[1:]], styles, strict=False)
    ]
    [fault] = find_faults(render(text, [unknown, *spellings]), dialect, dict.fromkeys(columns, "number"))
    assert fault.message == "no such column"
    assert fault.marked == render(text, [f">>>{unknown}<<<", *spellings])
    assert fault.allowed == tuple(columns)


PIECES = re.findall(
    r"\S+|\n",
    """a b foo plane plane.year 1 'text' "b" `a` ( ) ( ) [ ] { } , . : :: ; + - * / % || = <> <=> -> => := ? @ # $1
    ${a} {{ }} /* -- \\ and not in is null like any case when then else end cast as date interval day extract from
    select 2.5 values over filter exists if count max lambda distinct map array struct unnest current_date now rand
    try div escape pivot set \x00 é 0x1 x'1' 1e 1BD""",
)


@pytest.mark.parametrize("dialect", DIALECTS)
@given(expression=st.text(max_size=20) | st.lists(st.sampled_from(PIECES), max_size=8).map(" ".join))
def test_the_faults_of_any_text_are_single_lines(dialect: Dialect, expression: str) -> None:
    for fault in faults(expression, dialect):
        assert ">>>" in fault.marked and "<<<" in fault.marked
        assert fault.marked.splitlines() == [fault.marked]
        marked_again = fault.marked.replace(">>>", "").replace("<<<", "")
        plain = " ".join(expression.split()).replace(">>>", "").replace("<<<", "")
        assert "".join(marked_again.split()) == "".join(plain.split())


# Weight


def test_importing_the_module_does_not_import_sqlglot() -> None:
    code = (
        "import sys; import nightshift.definition.expressions as e; assert 'sqlglot' not in sys.modules; "
        "e.find_faults('a', 'spark', {}); e.find_faults('a', 'duckdb', {}); assert 'sqlglot' in sys.modules; "
        "assert not {'pandas', 'pyspark', 'duckdb', 'numpy', 'pyarrow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
