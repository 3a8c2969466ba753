"""A source whose rows are those of a query on PostgreSQL: waited for, read, noticed when it is corrected."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from adbc_driver_postgresql import dbapi
from servers import postgresql
from unit.cli.commands import Command, commands_in_this_process
from unit.stages.test_landed_parts import land_plan, machines, publish, restated
from unit.tables import day

from nightshift.definition.source import Source
from nightshift.definition.source_places import DatabaseQuery
from nightshift.errors import DataError, NightshiftError, NotYetAvailable, TerminalError, TransientError
from nightshift.lake import databases
from nightshift.lake.databases import Database, address_of
from nightshift.lake.landed_files import read_landed
from nightshift.lake.query_partitions import QueryPartition
from nightshift.lake.read import read_dates
from nightshift.lake.tables import Layer, TableSpec, raw_table
from nightshift.project import Project
from nightshift.settings import PROJECT, Settings, get_settings
from nightshift.stages.ingest import ingest_history
from nightshift.stages.wait import describe_missing, files_not_landed

pytestmark = [pytest.mark.database, pytest.mark.slow]

QUERY = """query:
      connection: shop
      sql: select machine, failed from failures where day = {date}
      dates: select day from loads
    restates: 3d
    timezone: UTC"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgresql() as url:
        yield url.replace("+psycopg2", "")


@pytest.fixture
def shop(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A cursor on the database, which `connection: shop` names."""
    monkeypatch.setenv("NIGHTSHIFT_CONNECTIONS__SHOP", server)
    get_settings.cache_clear()
    with dbapi.connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        for statement in (
            "drop table if exists failures, loads",
            "create table failures (day date, machine text, failed bool)",
            "create table loads (day date)",
        ):
            cursor.execute(statement)
        yield cursor
    get_settings.cache_clear()


@pytest.fixture
def project(models: Path, tmp_path: Path, shop: Any) -> Project:
    file = models / "tiny" / "model.yaml"
    text = file.read_text()
    assert text.count("path: outcomes/{date}.parquet") == 1
    file.write_text(text.replace("path: outcomes/{date}.parquet", QUERY))
    return Project("tiny", Settings(home=PROJECT, var=tmp_path / "var", models_folder=models))


def load(shop: Any, when: date, *machines: str) -> None:
    for machine in machines:
        shop.execute(f"insert into failures values ('{when}', '{machine}', {machine == 'a'})")
    shop.execute(f"insert into loads values ('{when}')")


def missing(project: Project) -> list[str]:
    return [describe_missing(part) for part in files_not_landed(project, day(2)) if part.source == "failures"]


def test_a_night_waits_for_the_date_and_for_a_database_that_is_away(
    project: Project, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = "the date is not among those that `dates` lists"
    assert missing(project) == [f"failures on shop of 2024-01-01 ({reason})"]
    load(shop, day(1), "a")
    assert missing(project) == []
    monkeypatch.setenv("NIGHTSHIFT_CONNECTIONS__SHOP", "postgresql://nobody@127.0.0.1:1/away")
    get_settings.cache_clear()
    [line] = missing(project)
    assert "the database does not answer: connection to server at" in line


def test_history_late_and_corrected_dates(project: Project, shop: Any) -> None:
    for number in (1, 2):
        load(shop, day(number), "a", "b")
    publish(project, ingest_history(project, day(1), day(1)), day(1))
    assert machines(project, day(1)) == ["a", "b"]
    land_plan(project, day(3))
    assert restated(project) == ""
    # The same rows in another order, stored again, are no correction; another value is.
    shop.execute("create table copied as select * from failures order by machine desc")
    shop.execute("drop table failures")
    shop.execute("alter table copied rename to failures")
    assert restated(project) == ""
    shop.execute(f"update failures set failed = true where day = '{day(1)}' and machine = 'b'")
    assert "failures on shop of 2024-01-01 landed again, corrected" in restated(project)
    assert restated(project) == ""
    rows = read_dates(project.lake, raw_table(project.definition, "failures"), day(1), day(1))
    assert rows["failed"].to_pylist() == [True, True]


@pytest.fixture
def nightshift(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    with commands_in_this_process(project.settings.as_environment(), monkeypatch, capsys) as command:
        yield command


def test_validate_asks_the_database_if_it_can(nightshift: Command, project: Project, shop: Any) -> None:
    for number in range(1, 5):
        load(shop, day(number), "a")
    assert nightshift("validate", "tiny").code == 0
    shop.execute("alter table failures rename machine to engine")
    ended = nightshift("validate", "tiny")
    assert ended.code == 2
    assert "sources.failures.query: failures on shop of 2024-01-04: the database answered: column" in ended.err
    shop.execute("drop table loads")
    assert (
        '`dates` of the query on shop: the database answered: relation "loads" does not'
        in nightshift("validate", "tiny").err
    )


def test_validate_does_without_a_database_that_it_does_not_reach(
    nightshift: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTSHIFT_CONNECTIONS__SHOP", "postgresql://nobody@127.0.0.1:1/away")
    assert nightshift("validate", "tiny").code == 0
    monkeypatch.delenv("NIGHTSHIFT_CONNECTIONS__SHOP")
    get_settings.cache_clear()
    assert nightshift("validate", "tiny").code == 0


def test_a_contract_is_proposed_from_the_rows(nightshift: Command, shop: Any) -> None:
    for number in range(1, 5):
        load(shop, day(number), "a", "b")
    ended = nightshift("profile-source", "tiny", "failures")
    assert ended.code == 0, ended.err
    assert "4 files, 2024-01-01 to 2024-01-04, 8 rows" in ended.out
    assert "type: boolean" in ended.out


def test_a_night_that_stops_names_the_query(project: Project, shop: Any) -> None:
    for number in (1, 2):
        load(shop, day(number), "a")
    staged = ingest_history(project, day(1), day(1))
    shop.execute("update failures set machine = null where machine = 'a'")
    publish(project, staged, day(1))
    with pytest.raises(DataError, match=r"^failures on shop of 2024-01-02: raw\.failures"):
        publish(project, ingest_history(project, day(2), day(2)), day(2))


def of(sql: str, dates: str = "select current_date") -> DatabaseQuery:
    return DatabaseQuery(connection="shop", sql=sql, dates=dates)


def rows_of(sql: str) -> pa.Table:
    return pa.concat_tables(Database("shop", "Europe/Berlin").rows(sql, day(1), "rows"))


def test_the_date_is_a_value_wherever_it_stands(shop: Any) -> None:
    rows = rows_of("select {date} as day, {date} + 1 as next, {date}::timestamp as at -- the end\n;")
    assert rows.to_pylist()[0]["day"] == day(1)
    assert rows.to_pylist()[0]["next"] == day(2)


def test_instants_are_compared_by_the_clock_of_the_source(shop: Any) -> None:
    sql = (
        "select at from (values ('2023-12-31 23:30Z'::timestamptz), ('2024-01-01 22:30Z')) as v (at) where at >= {date}"
    )
    for zone, count in (("UTC", 1), ("Europe/Berlin", 2), ("America/New_York", 1)):
        rows = pa.concat_tables(Database("shop", zone).rows(sql, day(1), "rows"))
        assert rows.num_rows == count, zone


def test_a_database_in_another_encoding(server: str, shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.execute("drop database if exists old")
    shop.execute("create database old encoding 'LATIN1' template template0 locale 'C'")
    monkeypatch.setenv("NIGHTSHIFT_CONNECTIONS__SHOP", server.replace("/postgres", "/old"))
    get_settings.cache_clear()
    assert rows_of("select 'Stra\u00dfe' as street, {date}")["street"].to_pylist() == ["Straße"]


def test_rows_come_in_tables_of_bounded_size(shop: Any) -> None:
    sizes = [
        t.nbytes
        for t in Database("shop", "Europe/Berlin").rows(
            "select repeat('x', 1000) as t from generate_series(1, 60000)", day(1), ""
        )
    ]
    assert len(sizes) > 3
    assert max(sizes) < 2**25


@pytest.mark.parametrize(
    ("sql", "kind", "message"),
    [
        ("selec {date}", TerminalError, 'the database answered: syntax error at or near "selec"'),
        ("select * from nothing", TerminalError, 'relation "nothing" does not exist'),
        ("select 1) as a; select (2", TerminalError, "the database answered: "),
        ("delete from loads where day = {date}", TerminalError, "read-only transaction"),
        ("with gone as (delete from loads returning 1) select * from gone", TerminalError, "the database answered: "),
        ("select pg_sleep(0), setval('numbers', 7)", TerminalError, "read-only transaction"),
        ("select 1/0", DataError, "division by zero; fix: mend the rows, or the query"),
        ("select 1/(i - 40000) from generate_series(1, 50000) i", TransientError, "stopped .*: division by zero"),
        ("select 3.5::money as price", DataError, "column 'price' is of type money; allowed: .*price::numeric"),
    ],
)
def test_a_wrong_query_is_one_clear_line(shop: Any, sql: str, kind: type[NightshiftError], message: str) -> None:
    shop.execute("create sequence if not exists numbers")
    with pytest.raises(kind, match=message) as raised:
        rows_of(sql)
    assert str(raised.value).startswith("rows: ")
    assert "\n" not in str(raised.value)


def test_dates_that_are_none(shop: Any) -> None:
    with pytest.raises(TerminalError, match=r"`dates` of the query on shop: not dates; received 'now: timestamp"):
        QueryPartition("orders", day(1), of("select {date}", "select now()"), "UTC").why_incomplete()


def test_a_date_that_is_not_complete_is_not_read(shop: Any) -> None:
    with pytest.raises(NotYetAvailable, match="not among those"):
        QueryPartition("orders", day(1), of("select {date}"), "UTC").tables()


def test_a_database_that_goes_away_in_the_middle_stages_nothing(project: Project, shop: Any) -> None:
    shop.execute(
        f"insert into failures select '{day(1)}', repeat('m', 200) || i, true from generate_series(1, 300000) i"
    )
    shop.execute(f"insert into loads values ('{day(1)}')")
    tables = QueryPartition("failures", day(1), project.definition.sources["failures"].query, "UTC").tables()
    assert next(tables).num_rows == 0
    assert next(tables).num_rows
    shop.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'nightshift'")
    shop.fetchall()
    with pytest.raises(TransientError, match="the database stopped while its rows were read: "):
        list(tables)


COLUMNS = {
    "price": ("12.50::numeric(10, 2)", "number", 12.5),
    "big": ("9007199254740993::bigint", "integer", 9007199254740993),
    "small": ("0.1::real", "number", 0.10000000149011612),
    "missing": ("null::numeric", "number", None),
    "no_number": ("'NaN'::float8", "number", None),
    "id": ("'0123abcd-0123-4567-89ab-0123456789ab'::uuid", "string", "0123abcd-0123-4567-89ab-0123456789ab"),
    "body": ("""'{"a": 1}'::jsonb""", "string", '{"a": 1}'),
    "padded": ("'x'::char(3)", "string", "x  "),
    "on": ("'2024-01-01'::date", "date", date(2024, 1, 1)),
    "at": ("'2024-01-01 01:00+01'::timestamptz", "timestamp", datetime(2024, 1, 1, tzinfo=UTC)),
    "clock": ("'2024-01-01 01:00'::timestamp", "timestamp", datetime(2024, 1, 1, tzinfo=UTC)),
}


def declared(columns: dict[str, str]) -> Source:
    sql = ", ".join(f"{COLUMNS[name][0] if name in COLUMNS else name} as {name}" for name in columns)
    return Source.model_validate(
        {
            "description": "",
            "available": {"after": "1h"},
            "query": {
                "connection": "shop",
                "sql": f"select {sql}, {{date}} as day",
                "dates": "select '2024-01-01'::date",
            },
            "columns": {name: {"type": kind} for name, kind in columns.items()},
        }
    )


def read(source: Source) -> pa.Table:
    kinds = {name: str(column.type) for name, column in source.columns.items()}
    spec = TableSpec(Layer.RAW, "orders", {"source_date": "date", **kinds}, "source_date", ())
    return read_landed(QueryPartition("orders", day(1), source.query, "UTC"), source, spec, "Europe/Berlin")[0]


def test_stored_types_are_read_as_declared(shop: Any) -> None:
    rows = read(declared({name: kind for name, (_, kind, _) in COLUMNS.items()}))
    [row] = rows.drop_columns("source_date").to_pylist()
    assert row == {name: value for name, (_, _, value) in COLUMNS.items()}


@pytest.mark.parametrize(
    ("sql", "kind", "message"),
    [
        (
            "'x'::text",
            "number",
            "orders on shop of 2024-01-01 row 1: column 'odd' holds a value that is not of type number",
        ),
        ("array[1, 2]", "string", "is stored as list<item: int32>, which is not converted to string"),
        ("interval '1 day'", "string", "is stored as month_day_nano_interval"),
        ("'infinity'::timestamptz", "timestamp", "column 'odd' "),
    ],
)
def test_a_value_of_another_type_is_named(
    shop: Any, monkeypatch: pytest.MonkeyPatch, sql: str, kind: str, message: str
) -> None:
    monkeypatch.setitem(COLUMNS, "odd", (sql, kind, None))
    with pytest.raises(DataError, match=re.escape(message)):
        read(declared({"odd": kind}))


def test_a_column_that_the_query_does_not_give(shop: Any) -> None:
    source = declared({"price": "number"})
    other = source.model_copy(update={"columns": {**source.columns, "colour": source.columns["price"]}})
    with pytest.raises(
        DataError, match="column 'colour' is missing; received 'price, day'; fix: select it in the query"
    ):
        read(other)


@pytest.mark.parametrize(
    ("address", "libpq"),
    [
        ("postgresql://u:p@h:1/d", "postgresql://u:p@h:1/d?"),
        ("postgres://u:p%2Fq@h/d", "postgresql://u:p%2Fq@h/d?"),
        ("postgresql+psycopg2://u:p@q@h/d", "postgresql://u:p%40q@h/d?"),
        ("postgresql://h", "postgresql://h?"),
        ("postgresql://[::1]:5/d", "postgresql://[::1]:5/d?"),
        (
            "postgresql://h/d?sslmode=require&__extra__=%7B%7D",
            "postgresql://h/d?connect_timeout=30&application_name=nightshift&sslmode=require&client_encoding=UTF8",
        ),
    ],
)
def test_addresses_for_libpq(monkeypatch: pytest.MonkeyPatch, address: str, libpq: str) -> None:
    monkeypatch.setenv("NIGHTSHIFT_CONNECTIONS__SHOP", address)
    get_settings.cache_clear()
    assert address_of("shop").startswith(libpq)
    get_settings.cache_clear()


@pytest.mark.parametrize(
    "address", ["mysql://u:secret@h/d", "secret", "postgresql://u:sec/ret@h/d", "postgresql://u:secret@h:x/d"]
)
def test_an_address_that_is_none_is_not_repeated(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("NIGHTSHIFT_CONNECTIONS__SHOP", address)
    get_settings.cache_clear()
    with pytest.raises(TerminalError, match="NIGHTSHIFT_CONNECTIONS__SHOP: not the address of a database") as raised:
        address_of("shop")
    assert "sec" not in str(raised.value)
    get_settings.cache_clear()


def test_where_addresses_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    get_settings.cache_clear()
    monkeypatch.setattr(databases, "_elsewhere", [])
    with pytest.raises(
        TerminalError, match="store: there is no connection of this name; fix: set NIGHTSHIFT_CONNECTIONS__STORE"
    ):
        address_of("store")
    monkeypatch.setenv("AIRFLOW_CONN_STORE", "postgres://u@environment/d")
    assert "environment" in address_of("store")
    databases.look_up_connections(lambda name: f"postgres://u@airflow/{name}")
    assert "airflow/store" in address_of("store")
    monkeypatch.setenv("NIGHTSHIFT_CONNECTIONS__STORE", "postgres://u@settings/d")
    get_settings.cache_clear()
    assert "settings" in address_of("store")
    get_settings.cache_clear()


def test_airflow_has_addresses_in_any_form(tmp_path: Path) -> None:
    connection = {
        "conn_type": "postgres",
        "host": "h",
        "login": "u",
        "password": "p/q@long",
        "port": 5432,
        "schema": "d",
    }
    code = "from nightshift_airflow.projects import airflow_address as f; print(f('plant')); print(f('nothing'))"
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path), "AIRFLOW_CONN_PLANT": json.dumps(connection)}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["postgres://u:p%2Fq%40long@h:5432/d", "None"]
