"""A source whose rows are those of a date of an Iceberg table that others write."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.transforms import DayTransform, IdentityTransform, Transform
from unit.stages.test_landed_parts import land_plan, machines, publish, restated
from unit.tables import day

from nightshift.definition.source import Completeness
from nightshift.definition.source_places import IcebergTable
from nightshift.errors import DataError, NotYetAvailable, TerminalError, TransientError
from nightshift.lake.files import local_path
from nightshift.lake.source_partitions import landed_dates
from nightshift.lake.table_partitions import TablePartition, table_dates
from nightshift.project import Project
from nightshift.settings import PROJECT, Settings
from nightshift.stages.ingest import ingest_history
from nightshift.stages.wait import describe_missing, files_not_landed

pytestmark = [pytest.mark.database, pytest.mark.slow]

PLACE = IcebergTable(catalog="theirs", name="shop.failures", date="day")


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """Another team's catalog, as PyIceberg's own configuration names it."""
    monkeypatch.setenv("PYICEBERG_CATALOG__THEIRS__TYPE", "sql")
    monkeypatch.setenv("PYICEBERG_CATALOG__THEIRS__URI", f"sqlite:///{tmp_path / 'theirs.db'}")
    monkeypatch.setenv("PYICEBERG_CATALOG__THEIRS__WAREHOUSE", f"file://{tmp_path / 'theirs'}")
    from pyiceberg import catalog

    monkeypatch.setattr(catalog, "_ENV_CONFIG", type(catalog._ENV_CONFIG)())
    opened = load_catalog("theirs")
    opened.create_namespace("shop")
    return opened


def create(theirs: Catalog, name: str, rows: pa.Table, column: str, transform: Transform) -> Table:
    table = theirs.create_table(name, rows.schema)
    with table.update_spec() as update:
        update.add_field(column, transform, "part")
    for when in sorted({str(value)[:10] for value in rows[column].to_pylist()}):
        part = rows.filter(pc.starts_with(rows[column].cast(pa.string()), when))
        # PyIceberg adds files by `day` of a time; it cannot write them.
        file = Path(local_path(table.location())).parent / f"{when}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(part, file)
        table.add_files([str(file)])
    return theirs.load_table(name)


def failures(when: date, *machines: str) -> pa.Table:
    columns = {
        "machine": list(machines),
        "failed": [machine == "a" for machine in machines],
        "day": [when] * len(machines),
    }
    return pa.table(columns, pa.schema({"machine": pa.string(), "failed": pa.bool_(), "day": pa.date32()}))


@pytest.fixture
def table(theirs: Catalog) -> Table:
    return create(theirs, "shop.failures", failures(day(1), "a", "b"), "day", IdentityTransform())


@pytest.fixture
def project(models: Path, tmp_path: Path, table: Table) -> Project:
    file = models / "tiny" / "model.yaml"
    place = "table: {catalog: theirs, name: shop.failures, date: day}\n    restates: 3d\n    timezone: UTC"
    text = file.read_text().replace("path: outcomes/{date}.parquet", place)
    assert place in text
    file.write_text(text)
    return Project("tiny", Settings(home=PROJECT, var=tmp_path / "var", models_folder=models))


def test_waited_for_read_and_read_again_once_it_is_corrected(project: Project, table: Table) -> None:
    def missing() -> list[str]:
        return [describe_missing(part) for part in files_not_landed(project, day(3)) if part.source == "failures"]

    assert missing() == ["table theirs.shop.failures of 2024-01-02 (it has no rows yet)"]
    table.append(failures(day(2), "c"))
    assert missing() == []
    publish(project, ingest_history(project, day(1), day(1)), day(1))
    assert machines(project, day(1)) == ["a", "b"]
    land_plan(project, day(3))
    assert restated(project) == ""
    table.overwrite(failures(day(1), "b", "a"), "day = '2024-01-01'")  # as a compaction does, in another order
    assert restated(project) == ""
    table.append(failures(day(1), "d"))
    assert "table theirs.shop.failures of 2024-01-01 landed again, corrected" in restated(project)
    assert machines(project, day(1)) == ["a", "b", "d"]


@pytest.mark.parametrize(
    ("value", "transform"),
    [
        (lambda when: when, IdentityTransform()),
        (lambda when: when.isoformat(), IdentityTransform()),
        (lambda when: datetime(when.year, when.month, when.day, 23, 59, 59, tzinfo=UTC), DayTransform()),
        (lambda when: datetime(when.year, when.month, when.day), DayTransform()),
    ],
)
def test_what_a_date_is_partitioned_by(theirs: Catalog, value: Callable[[date], object], transform: Transform) -> None:
    days = [day(1), day(1), day(2)]
    rows = pa.table({"number": [1, 2, 3], "day": [value(when) for when in days]})
    if isinstance(value(day(1)), datetime):
        rows = rows.set_column(1, "day", rows["day"].cast(pa.timestamp("us", rows["day"].type.tz)))
    create(theirs, "shop.failures", rows, "day", transform)
    assert table_dates(PLACE, "UTC", None) == [day(1), day(2)]
    if isinstance(transform, DayTransform):
        with pytest.raises(TerminalError, match="its days are those of UTC; received 'Asia/Tokyo'"):
            table_dates(PLACE, "Asia/Tokyo", None)
    read = pa.concat_tables(TablePartition("failures", day(1), PLACE, "UTC").tables())
    assert sorted(read["number"].to_pylist()) == [1, 2]


def test_rows_that_were_deleted_are_not_read(table: Table) -> None:
    table.delete("machine = 'a'")
    assert pa.concat_tables(TablePartition("failures", day(1), PLACE, "UTC").tables())["machine"].to_pylist() == ["b"]
    table.delete("machine = 'b'")
    assert TablePartition("failures", day(1), PLACE, "UTC").why_incomplete() == "it has no rows yet"


def test_a_date_settles_after_its_last_commit(table: Table) -> None:
    lately = TablePartition("failures", day(1), PLACE, "UTC", settled=timedelta(hours=1))
    assert "complete when it was not for 1h" in lately.why_incomplete()
    assert table_dates(PLACE, "UTC", timedelta(hours=1)) == []
    with pytest.raises(NotYetAvailable, match="the date is not complete: it was written"):
        next(lately.tables())
    assert TablePartition("failures", day(1), PLACE, "UTC", settled=timedelta(0)).why_incomplete() == ""


def test_a_marker_in_the_landing_folder(project: Project, table: Table) -> None:
    landing, source = Path(project.settings.landing_uri), project.definition.sources["failures"]
    marked = source.model_copy(update={"complete": Completeness(marker="done/{date}")})
    assert landed_dates(str(landing), marked) == []
    (landing / "done").mkdir(parents=True)
    (landing / "done" / "2024-01-01").touch()
    assert landed_dates(str(landing), marked) == [day(1)]


def test_mistakes_are_one_clear_line(theirs: Catalog, table: Table, tmp_path: Path) -> None:
    theirs.create_table("shop.whole", Schema(*table.schema().fields))
    for place, message in [
        ({"name": "shop.nothing"}, "table theirs.shop.nothing: there is no such table; fix: correct its name"),
        ({"name": "nowhere.failures"}, "there is no such table"),
        ({"name": "shop.whole"}, "not partitioned by the date in 'day'; received 'no partitions'; allowed: identity"),
        ({"date": "machine"}, r"not partitioned by the date in 'machine'; received 'identity\(day\)'"),
        ({"catalog": "ours"}, "the catalog cannot be opened: .*; fix: set PYICEBERG_CATALOG__OURS__URI"),
    ]:
        with pytest.raises(TerminalError, match=message):
            table_dates(PLACE.model_copy(update=place), "UTC", None)


def test_a_catalog_that_is_away_is_waited_for(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYICEBERG_CATALOG__AWAY__TYPE", "rest")
    monkeypatch.setenv("PYICEBERG_CATALOG__AWAY__URI", "http://127.0.0.1:1")
    from pyiceberg import catalog

    monkeypatch.setattr(catalog, "_ENV_CONFIG", type(catalog._ENV_CONFIG)())
    away = PLACE.model_copy(update={"catalog": "away"})
    assert TablePartition("failures", day(1), away, "UTC").why_incomplete().startswith("the catalog does not answer: ")
    with pytest.raises(TransientError, match=r"table away\.shop\.failures: the catalog does not answer"):
        table_dates(away, "UTC", None)


def test_a_data_file_that_is_gone_is_named(table: Table) -> None:
    [task] = table.scan().plan_files()
    Path(local_path(task.file.file_path)).unlink()
    with pytest.raises(DataError, match=r"table theirs.shop.failures of 2024-01-01: .*\.parquet: a data file cannot"):
        list(TablePartition("failures", day(1), PLACE, "UTC").tables())
