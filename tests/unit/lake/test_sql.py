from __future__ import annotations

import pytest

from nightshift.errors import TerminalError
from nightshift.lake.catalog import Lake
from nightshift.lake.sql import open_sql, run_sql
from nightshift.lake.tables import Layer, TableSpec
from unit.tables import DAY, day, publish_rows, stage


def test_a_query_reads_published_rows_and_no_staged_ones(lake: Lake, readings: TableSpec) -> None:
    publish_rows(lake, readings, {day(1): [("a", 1.0)], day(2): [("b", 2.0)]})
    publish_rows(lake, readings, {day(1): [("a", 3.0)]})
    stage(lake, readings, {day(3): [("c", 9.0)]})
    names, rows = run_sql(lake, "select source_date, sum(load) as total from raw.readings group by 1 order by 1")
    assert names == ["source_date", "total"]
    assert rows == [(day(1), 3.0), (day(2), 2.0)]


def test_a_table_without_rows_can_be_queried(lake: Lake, readings: TableSpec) -> None:
    lake.ensure(readings)
    assert run_sql(lake, "select * from raw.readings") == (["source_date", "machine", "load"], [])


def test_every_published_table_is_a_view_under_its_name(lake: Lake, readings: TableSpec) -> None:
    publish_rows(lake, readings, {DAY: [("a", 1.0)]})
    publish_rows(lake, TableSpec(Layer.SCORES, "tiny", readings.columns, "source_date", ()), {DAY: [("a", 1.0)]})
    with open_sql(lake) as connection:
        tables = connection.execute(TABLES).fetchall()
    assert sorted(tables) == [("raw.readings",), ("scores.tiny",)]


TABLES = "select table_schema || '.' || table_name from information_schema.tables"
ALL = ["features.tiny", "raw.readings", "scores.tiny"]


@pytest.mark.parametrize(
    ("query", "tables"),
    [
        ("select * from scores.tiny", ["scores.tiny"]),
        ('SELECT * FROM "Scores".tiny', ["scores.tiny"]),
        ("from scores.tiny select count(*)", ["scores.tiny"]),
        ("select * from scores.tiny join raw.readings using (machine)", ["raw.readings", "scores.tiny"]),
        ("with tiny as (select * from scores.tiny) select * from tiny", ["scores.tiny"]),
        ("select (select max(load) from raw.readings)", ["raw.readings"]),
        ("select 1", ALL),
        ("select * from scores.other", ALL),
        ("select * from information_schema.tables", ALL),
        ("select * from read_parquet('a.parquet')", ALL),
        ("show all tables", ALL),
        ("with t as (show all tables) select count(*) from t", ALL),
        ("summarize scores.tiny", ["scores.tiny"]),
        ("describe scores.tiny", ["scores.tiny"]),
        ("explain select * from scores.tiny", ALL),
        ("from scores.tiny, query_table('raw.readings')", ALL),
        ("from scores.tiny, query('from raw.readings')", ALL),
        ("select * from", ALL),
        ("select 1; show all tables", ALL),
        ("select * from scores.tiny t; from raw.readings", ["raw.readings", "scores.tiny"]),
        (f"select {'(' * 300}1{')' * 300} from scores.tiny", ["scores.tiny"]),
        (f"select {'-(' * 900}1{')' * 900} from scores.tiny", ALL),
        ("select * from scores.tiny;", ["scores.tiny"]),
        ("", ALL),
    ],
)
def test_a_query_opens_the_tables_that_it_may_read(
    lake: Lake, readings: TableSpec, query: str, tables: list[str]
) -> None:
    for layer, name in ((Layer.RAW, "readings"), (Layer.FEATURES, "tiny"), (Layer.SCORES, "tiny")):
        lake.ensure(TableSpec(layer, name, readings.columns, "source_date", ()))
    with open_sql(lake, query) as connection:
        views = connection.execute(TABLES).fetchall()
    assert sorted(name for (name,) in views) == tables


@pytest.mark.parametrize(
    "query", ["select nothing from raw.readings", "select * from raw.unknown", "not sql at all", "", ";"]
)
def test_an_invalid_query_is_reported_in_one_line_with_a_fix(lake: Lake, readings: TableSpec, query: str) -> None:
    publish_rows(lake, readings, {DAY: [("a", 1.0)]})
    with pytest.raises(
        TerminalError, match=r"the query failed: .*fix: see the tables with `show all tables`"
    ) as caught:
        run_sql(lake, query)
    assert "\n" not in str(caught.value)
