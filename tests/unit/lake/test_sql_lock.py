"""Queries read published tables, and reach nothing else of the machine."""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from nightshift.errors import TerminalError
from nightshift.lake.catalog import Lake
from nightshift.lake.in_memory import database_cursor
from nightshift.lake.read import data_files
from nightshift.lake.sql import run_sql
from nightshift.lake.tables import Layer, TableSpec
from nightshift.serving.row_engine import RowEngine
from unit.tables import EARLY, LATE, day, publish_rows

# {file} is a published file, {folder} its folder, {text} a file beside the installation.
COPY = "copy (select 5 as load) to '{file}' (format parquet, use_tmp_file false)"
HOSTILE = (
    "copy (select 5 as load) to '{file}' (format parquet)",
    COPY,
    "copy (select 5) to 'new.csv'",
    "copy raw.readings to 'new' (format parquet, partition_by machine)",
    "copy raw.readings from '{text}'",
    f"explain analyze {COPY}",
    f"explain (analyze, format json) {COPY}",
    f"with x as ({COPY}) select * from x",
    f"with x as ({COPY}) select * from raw.readings",
    f"with x as ({COPY}) select * from query('from raw.readings')",
    f"pivot (with x as ({COPY}) from x) on load using count(*)",
    f"select 1; {COPY}",
    "begin transaction read only; copy (select 5) to 'new.csv'",
    "from query('copy (select 5) to ''new.csv''')",
    "from json_execute_serialized_sql(json_serialize_sql('"
    + f"with x as ({COPY}) from x".replace("'", "''")
    + "'))",
    "select * from read_csv('/etc/passwd')",
    "select * from read_csv_auto('{text}')",
    "select * from read_text('{text}')",
    "select * from read_blob('{text}')",
    "select * from read_json('{text}')",
    "select * from read_parquet('{folder}/*.parquet')",
    "select * from parquet_metadata('{file}')",
    "select * from sniff_csv('{text}')",
    "select * from read_duckdb('{text}')",
    "select load from raw.readings union all select load from read_parquet('{file}')",
    "select (select content from read_text('{text}')), load from raw.readings",
    "from '{text}'",
    "from '{file}'",
    "select load from raw.readings, '{file}'",
    "from '/etc/passwd'",
    "from glob('/etc/*')",
    "from read_parquet('https://example.com/x.parquet')",
    "from read_parquet('s3://bucket/x.parquet')",
    "attach 'new.db'",
    "attach '{text}' (read_only)",
    "attach ':memory:' as new",
    "detach memory",
    "install httpfs",
    "load httpfs",
    "load '{text}'",
    "set threads = 1",
    "set lock_configuration = false",
    "set enable_external_access = true",
    "set allowed_directories = ['/']",
    "set variable x = 1",
    "reset threads",
    "pragma threads = 1",
    "pragma database_list",
    "call enable_logging(storage = 'file', storage_path = 'new')",
    "from enable_logging(storage = 'file', storage_config = {{'path': 'new'}})",
    "from enable_profiling(save_location = 'new.json')",
    "export database 'new'",
    "import database 'new'",
    "select getenv('HOME')",
    "create secret s (type s3)",
    "create persistent secret s (type s3)",
    "drop secret s",
    "from duckdb_extensions()",
    "create table new as select 1",
    "create view new as select 1",
    "create macro new() as 1",
    "insert into raw.readings values (null, 'a', 1)",
    "update raw.readings set load = 1",
    "delete from raw.readings",
    "merge into raw.readings t using raw.readings s on true when matched then delete",
    "with x as (delete from raw.readings returning *) from x",
    "drop view raw.readings",
    "alter view raw.readings rename to new",
    "comment on view raw.readings is 'new'",
    "prepare q as select 1",
    "execute q",
    "checkpoint",
    "vacuum",
    "use raw",
)  # fmt: skip
HONEST = {
    "select sum(load) from raw.readings": [(6.0,)],
    "from raw.readings select max(load)": [(3.0,)],
    "with t as (select * from raw.readings where load > 1) select count(*) from t": [(2,)],
    "with recursive t(n) as (select 1 union all select n + 1 from t where n < 3) select max(n) from t": [(3,)],
    "select machine, sum(load) over (order by machine) from raw.readings order by 1": [("a", 1), ("b", 3), ("c", 6)],
    "select count(*) from raw.readings r join scores.tiny s using (machine)": [(3,)],
    "select count(*) from raw.readings where machine in (select machine from scores.tiny where load > 2)": [(1,)],
    "select count(*) from raw.readings semi join scores.tiny using (machine)": [(3,)],
    "select load from raw.readings union all (values (9)) order by load desc limit 1": [(9.0,)],
    "select sum(n) from raw.readings, range(2) as t(n)": [(3,)],
    "select unnest([1, 2])": [(1,), (2,)],
    "pivot raw.readings on machine in ('a', 'b') using sum(load) group by source_date order by 1": [
        (day(1), 1, 2),
        (day(2), None, None),
    ],
    "pivot raw.readings on machine using sum(load) group by source_date order by 1": [
        (day(1), 1, 2, None),
        (day(2), None, None, 3),
    ],
    "select count(*) from (summarize raw.readings)": [(3,)],
    "select column_name from (describe raw.readings)": [("source_date",), ("machine",), ("load",)],
    "select schema, name from (show all tables)": [("raw", "readings"), ("scores", "tiny")],
    "select name from pragma_table_info('raw.readings') where cid = 2": [("load",)],
    "select table_name from information_schema.tables": [("readings",), ("tiny",)],
    "select count(*) from query_table('raw.readings')": [(3,)],
    "select sum(load) from query('from raw.readings')": [(6.0,)],
    "select 1; select sum(load) from raw.readings": [(6.0,)],
    "select timezone('Europe/Berlin', timestamp '2024-01-01') = timestamptz '2023-12-31 23:00:00+00'": [(True,)],
    "from duckdb_secrets()": [],
}


@pytest.fixture
def tables(lake: Lake, readings: TableSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """Two tables of three rows, and a folder that commands are called in."""
    rows = {day(1): [("a", 1.0), ("b", 2.0)], day(2): [("c", 3.0)]}
    publish_rows(lake, readings, rows)
    publish_rows(lake, TableSpec(Layer.SCORES, "tiny", readings.columns, "source_date", readings.key), rows)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "secret.csv").write_text("name,password\nmallory,secret\n")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return lake


def contents(folder: Path) -> dict[str, str]:
    """Every file and folder below a folder; SQLite's own are not compared."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in folder.rglob("*")
        if "catalog.db" not in path.name
    }


@pytest.mark.parametrize("query", HOSTILE)
def test_a_query_neither_writes_nor_reads_beyond_the_tables(
    tables: Lake, readings: TableSpec, tmp_path: Path, query: str
) -> None:
    file = next(iter(data_files(tables, readings, EARLY, LATE))).removeprefix("file://")
    text = tmp_path / "work" / "secret.csv"
    before = contents(tmp_path)
    with pytest.raises(TerminalError) as caught:
        run_sql(tables, query.format(file=file, folder=Path(file).parent, text=text))
    assert contents(tmp_path) == before
    line = str(caught.value)
    assert "the query failed: " in line and "fix: " in line and "\n" not in line and "secret\\n" not in line
    assert run_sql(tables, "select sum(load) from raw.readings")[1] == [(6.0,)]


@pytest.mark.parametrize("query", HONEST)
def test_a_query_reads_published_tables(tables: Lake, query: str) -> None:
    assert run_sql(tables, query)[1] == HONEST[query]


@pytest.mark.parametrize("query", ["explain from raw.readings", "explain analyze from raw.readings"])
def test_a_query_is_explained(tables: Lake, query: str) -> None:
    assert run_sql(tables, query)[1]


def test_a_query_that_does_not_fit_into_memory_leaves_no_file(
    tables: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = duckdb.connect
    small = {"memory_limit": "60MB", "threads": "1"}
    monkeypatch.setattr(duckdb, "connect", lambda config: connect(config=config | small))
    before = contents(tmp_path)
    large = "select range a, repeat('x', 50) || range s from range(1500000) order by hash(range)"
    assert run_sql(tables, f"select count(*), max(a) from ({large}) where s <> ''")[1] == [(1_500_000, 1_499_999)]
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "expression",
    ["(select content from read_text('/etc/hostname'))", "(select count(*) from glob('/etc/*'))", "getenv('HOME')"],
)
def test_an_expression_of_a_definition_reads_rows_alone(expression: str) -> None:
    rows = pa.table({"a": [1]})
    with pytest.raises(duckdb.Error):
        RowEngine().select(rows, [expression])
    with database_cursor() as cursor:
        cursor.register("registered", rows)
        cursor.execute("set timezone = 'UTC'")
        assert cursor.sql("from registered").fetchall() == [(1,)]
        for statement in (f"select {expression}", "from rows", "set threads = 1", "copy (select 1) to 'new.csv'"):
            with pytest.raises(duckdb.Error):
                cursor.execute(statement)
