"""What becomes of a night for which a faulty file lands: every fault of the corpus, on real files, without Spark."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pyarrow as pa
import pytest
from corpus.catalogue import FAULTS
from corpus.fault import Fault, Harmless, Outcome, Refused, SetAside, Warned
from corpus.not_caught import NOT_CAUGHT
from corpus.rows import parse
from corpus.scene import NIGHT, NIGHTLY, Scene, Tables, in_order

from nightshift.lake.files import read_bytes
from nightshift.stages.ingest import ingest


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Six weeks of published history before the night."""
    return Scene(tmp_path_factory.mktemp("corpus"))


def faults(kind: type[Outcome] | None, at: str = "") -> pytest.MarkDecorator:
    """Every fault of an outcome, by name."""
    found = [
        pytest.param(fault, id=name)
        for name, fault in FAULTS.items()
        if (fault.outcome is None if kind is None else isinstance(fault.outcome, kind))
        and (not at or getattr(fault.outcome, "at", "") == at)
    ]
    return pytest.mark.parametrize("fault", found)


def kind_of(fault: Fault) -> tuple[object, ...]:
    return type(fault.outcome), fault.source, fault.form, fault.back


# One fault for each outcome and kind of file: a night replaces what the file before left, whatever that was.
MENDED = {kind_of(fault): name for name, fault in FAULTS.items()}.values()


def assert_mended(scene: Scene, fault: Fault) -> None:
    """The good file lands again: it passes, and gives what it would have given at once."""
    if fault.name not in MENDED:
        return
    assert scene.mend(fault).warnings == ()
    expected = scene.before if fault.back else scene.good
    assert scene.tables(fault.source).same_rows(expected.of(fault.source))


def assert_good_night(scene: Scene, fault: Fault) -> None:
    """The same of a night whose other files were published beside the fault, and of every table."""
    if fault.name not in MENDED:
        return
    assert scene.mend(fault).warnings == ()
    assert scene.tables().same_rows(scene.good)


def assert_unchanged(scene: Scene, source: str) -> None:
    """No table has another snapshot, and the source's rows are those of before, value by value."""
    after = scene.tables(source)
    assert after.snapshots == scene.before.snapshots
    assert after.same_rows(scene.before.of(source))


@pytest.fixture
def landed(scene: Scene, fault: Fault) -> Iterator[Fault]:
    """The fault in its place, before the night has run; the good file is put back afterwards."""
    scene.reset()
    good = scene.good_file(fault)
    assert scene.land(fault) != good
    yield fault
    scene.land_good(fault)


# ---- the corpus itself


def test_a_fault_is_the_same_bytes_every_time(scene: Scene) -> None:
    for fault in FAULTS.values():
        first = scene.land(fault)
        assert scene.land(fault) == first, fault.name
        scene.land_good(fault)


def test_every_fault_is_either_expected_to_end_somehow_or_listed_as_not_caught() -> None:
    assert {name for name, fault in FAULTS.items() if fault.outcome is None} == set(NOT_CAUGHT)


# ---- real nights


def test_no_real_night_raises_an_alarm(scene: Scene) -> None:
    assert [night for night, _ in scene.history][:1] == [NIGHTLY]
    assert [(night, run.verdict, run.says) for night, run in scene.history if run.verdict != "pass"] == []
    assert scene.good_run.verdict == "pass", scene.good_run.says


def test_what_a_source_usually_has_is_in_force(scene: Scene) -> None:
    subjects = {row["subject"] for row in scene.project().monitored(NIGHT, NIGHT)}
    assert "raw.schedule: rows of a usual Wednesday" in subjects


# ---- faults


@faults(Refused, at="ingest")
def test_what_cannot_be_read_as_declared_is_refused_and_named(scene: Scene, landed: Fault) -> None:
    run = scene.run(landed)
    assert run.ended == "ingest", run.says
    assert scene.file(landed).uri in run.says
    assert landed.outcome.says in run.says
    assert run.says.isprintable()
    assert len(run.says) < 1000
    assert_unchanged(scene, landed.source)
    scene.land_good(landed)
    assert len(ingest(scene.project(landed.source, landed.form), NIGHT)) == 4


def test_after_many_refused_files_the_good_ones_give_the_good_night(scene: Scene) -> None:
    """One after the other, nothing put back in between: what each leaves behind stays."""
    refused = [fault for fault in FAULTS.values() if isinstance(fault.outcome, Refused)]
    unread = [fault for fault in refused if fault.outcome.at == "ingest"]
    # Of what is refused by the audit one fault of every kind of file, as each takes a while.
    audited = {(fault.source, fault.form, fault.back): fault for fault in refused if fault.outcome.at == "audit"}
    scene.reset()
    for fault in [*unread, *audited.values()]:
        scene.land(fault)
        assert scene.run(fault).ended == fault.outcome.at
        scene.land_good(fault)
    assert scene.tables().snapshots == scene.before.snapshots
    for fault in {fault.form: fault for fault in audited.values()}.values():
        run = scene.run(fault)
        assert (run.ended, run.warnings) == ("published", ()), run.says
        assert scene.tables().same_rows(scene.good)


@faults(Refused, at="audit")
def test_what_breaks_the_contract_is_refused_and_named(scene: Scene, landed: Fault) -> None:
    run = scene.run(landed)
    assert run.ended == "audit", run.says
    assert scene.file(landed).uri in run.says
    assert f"raw.{landed.source} {scene.file(landed).day}: " in run.says
    assert landed.outcome.says in run.says
    assert run.checks, "no verdict was kept"
    assert_unchanged(scene, landed.source)
    assert_mended(scene, landed)


@faults(SetAside)
def test_rows_that_break_a_rule_of_their_own_are_set_aside_and_no_others(scene: Scene, landed: Fault) -> None:
    run, told = scene.run(landed), landed.outcome
    assert run.verdict == "warn", run.says
    assert run.warnings[0].endswith(f"; {told.rows} rows set aside")
    after, day = scene.tables(), scene.file(landed).day
    aside = of_day(after, f"quarantine.{landed.source}", day)
    assert aside["quarantine_column"].to_pylist() == [told.column] * told.rows
    good, kept = (of_day(tables, f"raw.{landed.source}", day).to_pylist() for tables in (scene.good, after))
    assert kept == [row for row in good if row in kept], "another row was changed"
    assert len(kept) + told.rows == len(good)
    assert_good_night(scene, landed)


@faults(Warned)
def test_what_is_doubtful_is_published_with_a_warning(scene: Scene, landed: Fault) -> None:
    run = scene.run(landed)
    assert run.verdict == "warn", run.says
    assert landed.outcome.says in "; ".join(run.warnings)
    after, day = scene.tables(), scene.file(landed).day
    good, kept = (of_day(tables, f"raw.{landed.source}", day) for tables in (scene.good, after))
    assert kept.num_rows == len(parse(read_bytes(scene.file(landed).uri))), "not every row was published"
    assert good != kept
    assert_good_night(scene, landed)


@faults(Harmless)
def test_what_is_written_otherwise_but_means_the_same_is_published_alike(scene: Scene, landed: Fault) -> None:
    run = scene.run(landed)
    assert run.verdict == "pass", run.says
    assert scene.tables().same_rows(scene.good)


@faults(None)
def test_what_is_listed_as_not_caught_still_gets_through_unnoticed(scene: Scene, landed: Fault) -> None:
    """A test that fails here is good news: give the fault the outcome it has now, and take it off the list."""
    run = scene.run(landed)
    assert run.verdict == "pass", run.says
    assert not scene.tables().same_rows(scene.good), "harmless"


def of_day(tables: Tables, name: str, day: date) -> pa.Table:
    """The rows of a date."""
    rows = tables.rows[name]
    return in_order(rows.filter(pa.compute.equal(rows[rows.column_names[0]], pa.scalar(day))))
