from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from nightshift.definition.model import ModelDefinition
from nightshift.errors import DataError, NotYetAvailable, TerminalError
from nightshift.lake.catalog import Lake
from nightshift.lake.files import as_uri, local_path
from nightshift.lake.publish import publish
from nightshift.lake.read import data_files, landed_partitions, published_dates, read_dates, snapshot_of
from nightshift.lake.sql import run_sql
from nightshift.lake.staging import read_staged, seal, stage_arrow, staging_folder
from nightshift.lake.tables import Layer, TableSpec, monitoring_table
from nightshift.settings import PROJECT, Settings
from nightshift.types import Staged
from unit.examples import examples
from unit.tables import DAY, EARLY, LATE, Rows, arrow, day, publish_rows, published_rows, stage

A, B = [("a", 1.0)], [("b", 2.0)]


def snapshots(lake: Lake, spec: TableSpec) -> int:
    return len(lake.table(spec.name).metadata.snapshots)


def test_nothing_is_visible_before_it_is_published(lake: Lake, readings: TableSpec) -> None:
    publish_rows(lake, readings, {day(1): A})
    stage(lake, readings, {day(2): B})
    assert published_rows(lake, readings) == {day(1): A}


def test_publishing_makes_the_rows_visible(lake: Lake, readings: TableSpec) -> None:
    snapshot = publish_rows(lake, readings, {day(1): A, day(2): B})
    assert published_rows(lake, readings) == {day(1): A, day(2): B}
    assert snapshot_of(lake, readings.name) == snapshot
    assert published_dates(lake, readings) == {day(1): 1, day(2): 1}


def test_publishing_the_same_set_again_changes_nothing(lake: Lake, readings: TableSpec) -> None:
    staged = stage(lake, readings, {day(1): A, day(2): B})
    first = publish(lake, readings, staged)
    assert publish(lake, readings, staged) == first
    assert snapshots(lake, readings) == 1


def test_publishing_a_set_again_after_another_night_was_published_changes_nothing(
    lake: Lake, readings: TableSpec
) -> None:
    staged = stage(lake, readings, {day(1): A})
    publish(lake, readings, staged)
    second = publish_rows(lake, readings, {day(2): B})
    assert publish(lake, readings, staged) == second
    assert snapshots(lake, readings) == 2


def test_replacing_a_night_leaves_other_nights_unchanged(lake: Lake, readings: TableSpec) -> None:
    publish_rows(lake, readings, {day(n): A for n in (1, 2, 3)})
    publish_rows(lake, readings, {day(2): B})
    assert published_rows(lake, readings) == {day(1): A, day(2): B, day(3): A}


def test_published_rows_stay_if_replacing_is_not_allowed(lake: Lake, readings: TableSpec) -> None:
    first = publish(lake, readings, stage(lake, readings, {day(1): A}), replace=False)
    assert publish(lake, readings, stage(lake, readings, {day(1): B}), replace=False) == first
    publish_rows(lake, readings, {day(2): A})
    publish(lake, readings, stage(lake, readings, {day(3): B}), replace=False)
    assert published_rows(lake, readings) == {day(1): A, day(2): A, day(3): B}
    assert snapshots(lake, readings) == 3


def test_replacing_a_night_is_one_snapshot(lake: Lake, readings: TableSpec) -> None:
    publish_rows(lake, readings, {day(1): A})
    publish_rows(lake, readings, {day(1): B})
    assert snapshots(lake, readings) == 2


def test_dates_that_are_covered_without_rows_become_empty(lake: Lake, readings: TableSpec) -> None:
    publish_rows(lake, readings, {day(n): A for n in (1, 2, 3, 4)})
    publish_rows(lake, readings, {day(2): B}, first=day(2), last=day(3))
    assert published_rows(lake, readings) == {day(1): A, day(2): B, day(4): A}
    publish_rows(lake, readings, {}, first=day(1), last=day(2))
    assert published_rows(lake, readings) == {day(4): A}


def test_a_table_can_begin_with_a_night_without_rows(lake: Lake, readings: TableSpec) -> None:
    publish_rows(lake, readings, {}, first=DAY, last=DAY)
    assert published_rows(lake, readings) == {}
    assert published_dates(lake, readings) == {}
    assert data_files(lake, readings, EARLY, LATE) == {}


def test_the_dates_of_files_without_rows_are_known_at_every_snapshot(lake: Lake, readings: TableSpec) -> None:
    def publish_days(rows: Rows, last: int, without_rows: tuple[int, ...]) -> int:
        staged = stage(lake, readings, rows, first=day(1), last=day(last))
        return publish(lake, readings, replace(staged, without_rows=tuple(map(day, without_rows))))

    def landed(snapshot: int | None = None, within: tuple[date, date] | None = None) -> set[date]:
        return set(landed_partitions(lake, readings, snapshot, within))

    assert landed() == set()
    first = publish_days({day(1): A}, 3, (2,))  # no file of the third date has landed
    assert landed() == {day(1), day(2)} and set(published_dates(lake, readings)) == {day(1)}
    second = publish_days({day(1): A}, 3, (2, 3))  # the same rows
    assert second != first and landed() == {day(1), day(2), day(3)}
    assert publish_days({day(1): A}, 1, ()) and landed() == {day(1), day(2), day(3)}
    assert publish_days({day(1): A, day(2): B}, 2, ())  # the second landed again, with rows
    assert landed() == {day(1), day(2), day(3)} and set(published_dates(lake, readings)) == {day(1), day(2)}
    assert landed(first) == {day(1), day(2)} and landed(within=(day(3), LATE)) == {day(3)}


def test_a_reader_at_an_older_snapshot_reads_the_older_night(lake: Lake, readings: TableSpec) -> None:
    old = publish_rows(lake, readings, {day(1): A})
    new = publish_rows(lake, readings, {day(1): B})
    assert published_rows(lake, readings, old) == {day(1): A}
    assert published_rows(lake, readings, new) == {day(1): B}
    assert data_files(lake, readings, DAY, DAY, old) != data_files(lake, readings, DAY, DAY, new)


def test_only_the_dates_asked_for_are_read(lake: Lake, readings: TableSpec) -> None:
    publish_rows(lake, readings, {day(n): A for n in (1, 2, 3, 4)})
    rows = read_dates(lake, readings, day(2), day(3), columns=("source_date",))
    assert rows.column_names == ["source_date"]
    assert sorted(rows["source_date"].to_pylist()) == [day(2), day(3)]
    assert len(data_files(lake, readings, day(2), day(3))) == 2


def test_a_table_nobody_published_to_is_worth_waiting_for(lake: Lake, readings: TableSpec) -> None:
    with pytest.raises(NotYetAvailable, match=r"raw\.readings: the table does not exist yet"):
        read_dates(lake, readings, DAY, DAY)
    assert published_dates(lake, readings) == {}


def test_a_table_without_a_snapshot_has_no_rows_at_the_snapshot_it_names(lake: Lake, readings: TableSpec) -> None:
    lake.ensure(readings)
    snapshot = snapshot_of(lake, readings.name)
    assert published_rows(lake, readings, snapshot) == {}
    assert data_files(lake, readings, EARLY, LATE, snapshot) == {}


def test_a_reader_at_no_snapshot_reads_no_rows(lake: Lake, readings: TableSpec) -> None:
    lake.ensure(readings)
    pinned = snapshot_of(lake, readings.name)
    publish_rows(lake, readings, {day(1): A})
    assert data_files(lake, readings, EARLY, LATE, pinned) == {}


def by_hand(lake: Lake, spec: TableSpec, rows: pa.Table) -> Staged:
    """One file that nothing has sorted into partitions."""
    folder = staging_folder(lake.warehouse, spec.name, "by-hand")
    file = Path(local_path(folder)) / "part-0.parquet"
    file.parent.mkdir(parents=True)
    pq.write_table(rows, file)
    return Staged(spec.name, "by-hand", folder, (as_uri(file),), rows.num_rows, day(2), day(3))


def test_folders_as_spark_names_them_add_no_column(lake: Lake, readings: TableSpec) -> None:
    folder = staging_folder(lake.warehouse, readings.name, "spark")
    file = Path(local_path(folder)) / "_date=2024-01-01" / "part-0.parquet"
    file.parent.mkdir(parents=True)
    pq.write_table(arrow(readings, {day(1): A}), file)
    staged = seal(folder, readings.name, "spark", day(1), day(1), {}, row_counts={as_uri(file): len(A)})
    assert read_staged(staged, readings).column_names == list(readings.columns)
    publish(lake, readings, staged)
    assert published_rows(lake, readings) == {day(1): A}
    assert run_sql(lake, "select * from raw.readings") == (list(readings.columns), [(day(1), "a", 1.0)])


@pytest.mark.parametrize("number", [1, 4])
def test_a_file_outside_the_dates_of_its_night_is_refused_and_nothing_changes(
    lake: Lake, readings: TableSpec, number: int
) -> None:
    before = publish_rows(lake, readings, {day(2): A})
    staged = by_hand(lake, readings, arrow(readings, {day(number): B}))
    with pytest.raises(DataError) as caught:
        publish(lake, readings, staged)
    assert str(caught.value).startswith(f"{staged.files[0]}: a staged file lies outside the partitions of its night")
    assert f"received ['{day(number)}']" in str(caught.value)
    assert snapshot_of(lake, readings.name) == before


def test_a_file_without_a_date_is_refused(lake: Lake, readings: TableSpec) -> None:
    rows = pa.table({"source_date": [None], "machine": ["a"], "load": [1.0]}, schema=readings.schema)
    with pytest.raises(DataError, match="outside the partitions of its night"):
        publish(lake, readings, by_hand(lake, readings, rows))


def test_a_file_of_two_dates_is_never_published(lake: Lake, readings: TableSpec) -> None:
    before = publish_rows(lake, readings, {day(1): A})
    with pytest.raises((TerminalError, ValueError)):
        publish(lake, readings, by_hand(lake, readings, arrow(readings, {day(2): A, day(3): B})))
    assert snapshot_of(lake, readings.name) == before


def test_a_missing_staged_file_is_a_terminal_error(lake: Lake, readings: TableSpec) -> None:
    before = publish_rows(lake, readings, {day(1): A})
    staged = stage(lake, readings, {day(1): B, day(2): B})
    Path(local_path(staged.files[1])).unlink()
    with pytest.raises(TerminalError) as caught:
        publish(lake, readings, staged)
    assert str(caught.value) == (
        f"{staged.files[1]}: a staged file no longer exists; fix: clear the task that stages it and run it again"
    )
    assert snapshot_of(lake, readings.name) == before


def test_the_snapshot_names_the_attempt_and_its_inputs(lake: Lake, readings: TableSpec) -> None:
    rows = arrow(readings, {DAY: A})
    staged = stage_arrow(lake, readings, rows, DAY, DAY, {"file:///plan.csv": "abc"})
    publish(lake, readings, staged)
    head = lake.table(readings.name).current_snapshot()
    assert head is not None and head.summary is not None
    assert head.summary["nightshift.attempt"] == staged.attempt
    assert head.summary["nightshift.input.file:///plan.csv"] == "abc"


# ---- columns that come, change and go


def wider(spec: TableSpec) -> TableSpec:
    return replace(spec, columns={**spec.columns, "heat": "number"})


def test_a_new_column_is_added_and_older_rows_read_it_as_null(lake: Lake, readings: TableSpec) -> None:
    publish_rows(lake, readings, {day(1): A})
    publish_rows(lake, wider(readings), {day(2): [("b", 2.0, 40.0)]})
    assert published_rows(lake, wider(readings)) == {day(1): [("a", 1.0, None)], day(2): [("b", 2.0, 40.0)]}


def test_sql_reads_a_new_column_as_null_in_older_rows(lake: Lake, readings: TableSpec) -> None:
    publish_rows(lake, readings, {day(1): A})
    publish_rows(lake, wider(readings), {day(2): [("b", 2.0, 40.0)]})
    names, rows = run_sql(lake, "select machine, heat from raw.readings order by machine")
    assert names == ["machine", "heat"]
    assert rows == [("a", None), ("b", 40.0)]


def test_sql_reads_a_new_column_as_null_while_no_row_has_it(lake: Lake, readings: TableSpec) -> None:
    publish_rows(lake, readings, {day(1): A})
    lake.ensure(wider(readings))
    assert run_sql(lake, "select machine, heat + 1 from raw.readings")[1] == [("a", None)]


def test_an_older_snapshot_reads_a_column_it_did_not_have_as_null(lake: Lake, readings: TableSpec) -> None:
    old = publish_rows(lake, readings, {day(1): A})
    publish_rows(lake, wider(readings), {day(2): [("b", 2.0, 40.0)]})
    assert published_rows(lake, wider(readings), old) == {day(1): [("a", 1.0, None)]}


def test_a_declared_column_that_no_night_was_published_with_yet_reads_as_null(lake: Lake, readings: TableSpec) -> None:
    publish_rows(lake, readings, {day(1): A})
    assert published_rows(lake, wider(readings)) == {day(1): [("a", 1.0, None)]}


def test_a_new_column_alone_reads_null_for_every_row(lake: Lake, readings: TableSpec) -> None:
    publish_rows(lake, readings, {day(1): A, day(2): B})
    rows = read_dates(lake, wider(readings), EARLY, LATE, columns=("heat",))
    assert rows["heat"].to_pylist() == [None, None]


def test_a_column_that_is_declared_no_more_stays_readable_and_new_nights_go_without(
    lake: Lake, readings: TableSpec
) -> None:
    publish_rows(lake, wider(readings), {day(1): [("a", 1.0, 40.0)]})
    publish_rows(lake, readings, {day(2): B})
    assert published_rows(lake, readings) == {day(1): A, day(2): B}
    assert published_rows(lake, wider(readings)) == {day(1): [("a", 1.0, 40.0)], day(2): [("b", 2.0, None)]}


def test_a_column_of_another_type_is_refused_with_both_types(lake: Lake, readings: TableSpec) -> None:
    publish_rows(lake, readings, {day(1): A})
    with pytest.raises(TerminalError) as caught:
        lake.ensure(replace(readings, columns={**readings.columns, "load": "string"}))
    assert str(caught.value) == (
        "raw.readings: column 'load' changed its type; received 'string'; allowed: double; "
        "fix: give the changed column a new name"
    )
    assert published_rows(lake, readings) == {day(1): A}


def test_several_new_columns_are_each_of_their_own_type_wherever_they_are_declared(
    lake: Lake, readings: TableSpec
) -> None:
    publish_rows(lake, readings, {day(1): A})
    date_, *columns = readings.columns.items()
    kinds = {f"a_{kind}": kind for kind in ("integer", "number", "boolean", "string", "date", "timestamp")}
    wide = replace(readings, columns=dict([date_, *kinds.items(), *columns]))
    lake.ensure(wide)
    fields = {field.name: str(field.field_type) for field in lake.table(readings.name).schema().fields}
    assert [fields[name] for name in kinds] == ["long", "double", "boolean", "string", "date", "timestamptz"]
    row = {"source_date": day(2), "machine": "b", "load": 2.0, "a_integer": 7, "a_number": 0.5, "a_boolean": True}
    rows = pa.Table.from_pylist([row], schema=wide.schema)
    publish(lake, wide, stage_arrow(lake, wide, rows, day(2), day(2), {}))
    assert read_dates(lake, wide, day(2), day(2)).equals(rows)


def test_ensuring_a_table_twice_is_ensuring_it_once(lake: Lake, readings: TableSpec) -> None:
    first = lake.ensure(readings).metadata_location
    assert lake.ensure(readings).metadata_location == first


def test_every_type_a_definition_can_name_survives_publishing_reading_and_sql(lake: Lake) -> None:
    kinds = ["string", "category", "integer", "number", "boolean", "date", "timestamp"]
    spec = TableSpec(
        Layer.RAW, "kinds", {"source_date": "date", **{f"a_{kind}": kind for kind in kinds}}, "source_date", ()
    )
    full = ["x", "y", 2**60, 0.1, False, date(1969, 12, 31), pa.scalar(-1, pa.timestamp("us", tz="UTC")).as_py()]
    rows = pa.Table.from_pylist(
        [dict(zip(spec.columns, [DAY, *values], strict=True)) for values in (full, [None] * 7)], schema=spec.schema
    )
    publish(lake, spec, stage_arrow(lake, spec, rows, DAY, DAY, {}))
    assert read_dates(lake, spec, DAY, DAY).equals(rows)
    queried = run_sql(lake, "select a_integer, a_boolean, a_date, epoch_us(a_timestamp) from raw.kinds order by 1")[1]
    assert queried == [(2**60, False, date(1969, 12, 31), -1), (None, None, None, None)]


# ---- a table that is split by a constant as well


def monitored(lake: Lake, spec: TableSpec, monitor: str, when: date, value: float, split: str | None = None) -> int:
    row = {"monitor": monitor, "score_date": when, "subject": "night", "statistic": "psi", "value": value}
    data = pa.Table.from_pylist([row], schema=spec.schema)
    return publish(lake, spec, stage_arrow(lake, spec, data, when, when, {}, {"monitor": split or monitor}))


def values(lake: Lake, spec: TableSpec) -> dict[tuple[str, date], float]:
    rows = read_dates(lake, spec, EARLY, LATE).to_pylist()
    return {(str(row["monitor"]), row["score_date"]): row["value"] for row in rows}


def test_monitors_of_the_same_night_do_not_replace_each_other(lake: Lake, tiny: ModelDefinition) -> None:
    spec = monitoring_table(tiny)
    monitored(lake, spec, "drift", day(1), 0.1)
    monitored(lake, spec, "outcome", day(1), 0.7)
    monitored(lake, spec, "drift", day(2), 0.2)
    monitored(lake, spec, "drift", day(1), 0.3)
    assert values(lake, spec) == {("drift", day(1)): 0.3, ("outcome", day(1)): 0.7, ("drift", day(2)): 0.2}
    assert published_dates(lake, spec) == {day(1): 2, day(2): 1}


def test_rows_of_another_monitor_are_refused(lake: Lake, tiny: ModelDefinition) -> None:
    spec = monitoring_table(tiny)
    monitored(lake, spec, "drift", day(1), 0.1)
    with pytest.raises(DataError, match="outside the partitions of its night"):
        monitored(lake, spec, "outcome", day(1), 0.7, split="drift")
    assert values(lake, spec) == {("drift", day(1)): 0.1}


# ---- at the same time, and in any order


def test_threads_that_publish_different_nights_at_once_all_end_up_visible(
    settings: Settings, readings: TableSpec
) -> None:
    gate = threading.Barrier(4)

    def work(number: int) -> None:
        thread_lake = Lake(settings)
        staged = stage(thread_lake, readings, {day(number): [("a", float(number))]})
        gate.wait()
        publish(thread_lake, readings, staged)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(1, 5)))
    assert published_rows(Lake(settings), readings) == {day(n): [("a", float(n))] for n in range(1, 5)}


def test_threads_that_publish_the_same_night_at_once_leave_one_set(settings: Settings, readings: TableSpec) -> None:
    gate = threading.Barrier(4)

    def work(number: int) -> None:
        thread_lake = Lake(settings)
        staged = stage(thread_lake, readings, {DAY: [("a", float(number)), ("b", float(number))]})
        gate.wait()
        publish(thread_lake, readings, staged)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(1, 5)))
    [(first, left), (second, right)] = published_rows(Lake(settings), readings)[DAY]
    assert (first, second) == ("a", "b")
    assert left == right


PROCESS = """
import sys
from nightshift.lake.catalog import Lake
from nightshift.lake.tables import Layer, TableSpec
from nightshift.settings import Settings
from unit.tables import day, publish_rows

columns = {"source_date": "date", "machine": "string", "load": "number"}
spec = TableSpec(Layer.RAW, "readings", columns, "source_date", ("source_date", "machine"))
print("ready", flush=True)
sys.stdin.readline()
lake = Lake(Settings(home=sys.argv[1], var=sys.argv[2]))
for number in sys.argv[3:]:
    publish_rows(lake, spec, {day(int(number)): [("a", float(number))]})
"""


@pytest.mark.slow
def test_processes_that_publish_different_nights_at_once_all_end_up_visible(
    settings: Settings, readings: TableSpec
) -> None:
    tests = str(PROJECT / "tests")
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {tests!r})\n{PROCESS}", str(PROJECT)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    workers = [
        subprocess.Popen([*command, str(settings.var_path), *days], **pipes)
        for days in (["1", "3", "5"], ["2", "4", "6"])
    ]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("\n")
        worker.stdin.flush()
    for worker in workers:
        worker.communicate()
    assert [worker.returncode for worker in workers] == [0, 0]
    assert published_rows(Lake(settings), readings) == {day(n): [("a", float(n))] for n in range(1, 7)}


loads = st.lists(st.sampled_from([0.25, 0.5]), max_size=2)
spans = st.tuples(st.integers(1, 4), st.lists(loads, min_size=1, max_size=3))
# Either a new set that covers some days from a first one on, or one of those published before, again.
steps = st.lists(st.one_of(spans, st.integers(0, 5)), min_size=2, max_size=6)
numbers = itertools.count()


@examples(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_any_sequence_of_publishing_leaves_what_a_dictionary_would_hold(
    lake: Lake, readings: TableSpec, steps: list[tuple[int, list[list[float]]] | int]
) -> None:
    spec = replace(readings, local_name=f"sequence_{next(numbers)}")
    expected: Rows = {}
    history: list[tuple[Staged, Rows]] = []
    for step in steps:
        if isinstance(step, int):
            if not history:
                continue
            staged, rows = history[step % len(history)]
        else:
            start, loads_by_day = step
            rows = {
                day(start + i): [(f"m{j}", load) for j, load in enumerate(loads)]
                for i, loads in enumerate(loads_by_day)
            }
            staged = stage(lake, spec, rows)
            history.append((staged, rows))
        publish(lake, spec, staged)
        expected = {when: of_night for when, of_night in (expected | rows).items() if of_night}
        assert published_rows(lake, spec) == expected
        assert publish(lake, spec, staged) == snapshot_of(lake, spec.name)
        assert published_dates(lake, spec) == {when: len(of_night) for when, of_night in expected.items()}


def test_an_installation_may_be_below_a_folder_with_a_space(tmp_path: Path, readings: TableSpec) -> None:
    lake = Lake(Settings(home=PROJECT, var=tmp_path / "my project" / "var"))
    publish_rows(lake, readings, {day(1): A})
    assert published_rows(lake, readings) == {day(1): A}
    assert run_sql(lake, "select machine from raw.readings")[1] == [("a",)]
    assert [folder.name for folder in tmp_path.iterdir()] == ["my project"]
