from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from nightshift.definition.calendar import available_at, cutoff, label_span, newest_labelled
from nightshift.definition.model import ModelDefinition
from nightshift.errors import NightshiftError, TerminalError
from nightshift.lake import key_shares
from nightshift.lake.catalog import Lake
from nightshift.lake.publish import publish
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import TableSpec, features_table, raw_table
from nightshift.training import dataset
from nightshift.training.dataset import (
    Split,
    check_purged,
    pin_snapshots,
    read_labelled,
    read_observed,
    split_dates,
)
from nightshift.training.fit import split_at
from nightshift.training.search import time_folds
from unit.conftest import Edit
from unit.examples import examples
from unit.shops import CLASSIFIER, REGRESSOR, shops
from unit.tables import day


def put(lake: Lake, spec: TableSpec, when: date, rows: list[dict[str, object]]) -> None:
    data = pa.Table.from_pylist([{spec.date_column: when, **row} for row in rows], schema=spec.schema)
    publish(lake, spec, stage_arrow(lake, spec, data, when, when, {}))


def history(lake: Lake, definition: ModelDefinition, when: date, failed: dict[str, object], busy: float = 0.5) -> None:
    """Publishes the features of machines on a day, and what became of them."""
    rows: list[dict[str, object]] = [
        {"machine": name, "busy": busy, "kind": "a", "machine_failures_3d": 0.1} for name in failed
    ]
    put(lake, features_table(definition), when, rows)
    outcomes: list[dict[str, object]] = [{"machine": name, "failed": value} for name, value in failed.items()]
    put(lake, raw_table(definition, "failures"), when, outcomes)


def test_the_tiny_models_dates_are_those_counted_by_hand(tiny: ModelDefinition) -> None:
    # At 06:00 on the 31st the outcomes of the 30th are six hours old.
    assert split_dates(tiny, date(2024, 1, 31)) == Split(
        date(2024, 1, 6), date(2024, 1, 25), date(2024, 1, 26), date(2024, 1, 30)
    )


@examples(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dates(date(2013, 1, 1), date(2014, 12, 31)))
def test_training_and_holdout_are_as_long_as_declared_meet_and_end_with_the_newest_final_label(
    flight_delay: ModelDefinition, as_of: date
) -> None:
    split, declared = split_dates(flight_delay, as_of), flight_delay.training
    assert split.holdout - split.first == declared.period
    assert split.last - split.holdout + timedelta(days=1) == declared.holdout
    schedule, source = flight_delay.schedule, flight_delay.sources["arrivals"]
    assert available_at(schedule, source, split.last) <= cutoff(schedule, as_of)
    assert available_at(schedule, source, split.last + timedelta(days=1)) > cutoff(schedule, as_of)


WINDOWED = "{source: sales, window: {from: 7d, to: 28d}, agg: any}"


@examples(max_examples=30)
@given(as_of=st.dates(date(2024, 6, 1), date(2025, 6, 1)))
def test_no_training_label_is_of_the_holdouts_time(tmp_path_factory: pytest.TempPathFactory, as_of: date) -> None:
    definition = shops(tmp_path_factory.mktemp("shops"), WINDOWED)
    split = split_dates(definition, as_of)
    assert label_span(definition, split.fitted)[1] <= cutoff(definition.schedule, split.holdout)
    assert label_span(definition, split.fitted + timedelta(days=1))[1] > cutoff(definition.schedule, split.holdout)
    assert split.fitted - split.first + timedelta(days=1) == definition.training.period
    assert split.last == newest_labelled(definition, as_of)


@pytest.mark.parametrize("overlap", [0, 1, 20])
def test_training_rows_whose_outcomes_reach_into_the_holdout_are_refused(tmp_path: Path, overlap: int) -> None:
    definition, holdout = shops(tmp_path, WINDOWED), date(2024, 6, 1)
    learned = [holdout - timedelta(days=28 - overlap), holdout - timedelta(days=90)]
    rows, judging = ({"score_date": pa.array(days, pa.date32())} for days in (learned, [holdout]))
    if not overlap:
        check_purged(definition, pa.table(rows), pa.table(judging))
        return
    with pytest.raises(TerminalError, match="training labels reach into the holdout") as caught:
        check_purged(definition, pa.table(rows), pa.table(judging))
    assert "fix: learn from rows up to 2024-05-04" in str(caught.value)


def test_folds_and_calibration_leave_out_the_days_whose_outcomes_overlap() -> None:
    first, overlap = date(2024, 1, 1), timedelta(days=6)
    days = [first + timedelta(days=number) for number in range(40)]
    rows = pa.table({"score_date": pa.array(days * 2, pa.date32()), "label": [0.0] * 40 + [1.0] * 40})
    parts = [*time_folds(rows, 3, overlap), split_at(rows, days[30], overlap)]
    assert len(parts) == 4
    for earlier, later in parts:
        gap = pc.min(later["score_date"]).as_py() - pc.max(earlier["score_date"]).as_py()
        assert gap == overlap + timedelta(days=1)


def test_labelled_rows_are_features_with_their_label(lake: Lake, tiny: ModelDefinition) -> None:
    history(lake, tiny, day(1), {"b": True, "a": False, "c": None})
    history(lake, tiny, day(2), {"a": True})
    rows = read_labelled(lake, tiny, day(1), day(1), pin_snapshots(lake, tiny))
    assert rows.select(["score_date", "machine", "label"]).to_pylist() == [
        {"score_date": day(1), "machine": "a", "label": 0.0},
        {"score_date": day(1), "machine": "b", "label": 1.0},
    ]
    assert set(tiny.feature_types) <= set(rows.column_names)


def test_what_the_join_of_labels_leaves_out_is_counted(lake: Lake, tiny: ModelDefinition) -> None:
    history(lake, tiny, day(2), {"b": True, "a": False, "c": None})
    history(lake, tiny, day(4), {"a": True})
    put(lake, raw_table(tiny, "failures"), day(4), [{"machine": name, "failed": True} for name in ("a", "x", "y")])
    put(lake, raw_table(tiny, "failures"), day(3), [{"machine": "a", "failed": True}])  # no features are published
    pinned = pin_snapshots(lake, tiny)
    counts = read_observed(lake, tiny, day(1), day(5), pinned).counts
    assert (counts.first, counts.labelled, counts.unlabelled, counts.unmatched) == (day(2), 3, 1, 2)
    assert counts.sentence() == "1 observations have no label, 2 labels have no observation"


def test_observations_without_a_label_are_those_of_dates_that_have_labels(lake: Lake, tiny: ModelDefinition) -> None:
    history(lake, tiny, day(1), {"a": None, "b": None})
    history(lake, tiny, day(2), {"b": True, "a": False, "c": None})
    observed = read_observed(lake, tiny, day(1), day(2), pin_snapshots(lake, tiny))
    assert observed.rows.select(["score_date", "machine", "label"]).to_pylist() == [
        {"score_date": day(2), "machine": "a", "label": 0.0},
        {"score_date": day(2), "machine": "b", "label": 1.0},
        {"score_date": day(2), "machine": "c", "label": None},
    ]
    assert observed.labelled.equals(observed.rows.slice(0, 2))


def test_a_sample_has_observations_of_every_date_that_has_a_label(lake: Lake, tiny: ModelDefinition) -> None:
    """Also of dates whose only label is outside of the sample."""
    for number in range(1, 9):
        outcomes: dict[str, object] = {f"m{machine}": None for machine in range(40)}
        history(lake, tiny, day(number), outcomes | {f"m{number + more}": bool(more % 2) for more in range(4)})
    observed = read_observed(lake, tiny, day(1), day(8), pin_snapshots(lake, tiny), 80)
    dates = observed.rows["score_date"]
    assert set(dates.to_pylist()) == {day(number) for number in range(1, 9)}
    assert len(set(observed.labelled["score_date"].to_pylist())) < 8
    assert 40 < len(dates) < 160


def test_of_a_sample_all_observations_are_counted(lake: Lake, tiny: ModelDefinition) -> None:
    history(lake, tiny, day(1), {f"m{number}": bool(number % 2) for number in range(60)} | {"none": None})
    observed = read_observed(lake, tiny, day(1), day(1), pin_snapshots(lake, tiny), 20)
    counts = observed.counts
    assert 0 < observed.labelled.num_rows < 60
    assert (counts.labelled, counts.unlabelled, counts.unmatched) == (60, 1, 0)


@pytest.mark.parametrize(("max_rows", "at_once"), [(None, 7), (60, 7), (None, 1)])
def test_dates_that_are_read_in_shares_give_the_same_rows_and_counts(
    lake: Lake, tiny: ModelDefinition, monkeypatch: pytest.MonkeyPatch, max_rows: int | None, at_once: int
) -> None:
    for number in range(1, 5):
        outcomes: dict[str, object] = {f"m{place}": [None, False, True][place % 3] for place in range(30)}
        history(lake, tiny, day(number), outcomes if number != 2 else dict.fromkeys(outcomes))
    put(lake, raw_table(tiny, "failures"), day(4), [{"machine": f"m{n}", "failed": True} for n in range(29, 50)])
    pinned = pin_snapshots(lake, tiny)
    whole = read_observed(lake, tiny, day(1), day(4), pinned, max_rows)
    monkeypatch.setattr(dataset, "AT_ONCE", 10)
    monkeypatch.setattr(key_shares, "AT_ONCE", at_once)
    in_shares = read_observed(lake, tiny, day(1), day(4), pinned, max_rows)
    assert in_shares.counts == whole.counts
    assert in_shares.counts.unmatched == 20
    assert in_shares.rows.equals(whole.rows)


def test_windows_that_are_read_in_shares_give_the_same_labels(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label = "{source: sales, window: 7d, agg: sum, value: amount, by: [shop], empty: 0}"
    definition = shops(tmp_path, label, estimator=REGRESSOR, gate="r2: 0.1")
    observed = [{"shop": f"s{place % 9}", "customer": place, "of_shop": "s"} for place in range(40)]
    put(lake, features_table(definition), day(1), observed)
    for number in range(1, 12):
        sold_at = datetime.combine(day(number), time(12), UTC)
        sale = {"customer": 1, "sold_at": sold_at, "amount": 0.1 + number}
        put(lake, raw_table(definition, "sales"), day(number), [{"shop": f"s{n}", **sale} for n in range(number)])
    pinned = pin_snapshots(lake, definition)
    whole = read_observed(lake, definition, day(1), day(1), pinned)
    monkeypatch.setattr(key_shares, "AT_ONCE", 9)
    in_shares = read_observed(lake, definition, day(1), day(1), pinned)
    assert len(set(whole.rows["label"].to_pylist())) > 5
    assert in_shares.counts == whole.counts
    assert in_shares.rows.equals(whole.rows)


def test_pinned_rows_stay_the_same_whatever_is_published_later(lake: Lake, tiny: ModelDefinition) -> None:
    history(lake, tiny, day(1), {"a": False, "b": True})
    pinned = pin_snapshots(lake, tiny)
    before = read_labelled(lake, tiny, day(1), day(2), pinned)
    history(lake, tiny, day(1), {"a": True, "b": False}, busy=0.9)
    history(lake, tiny, day(2), {"a": True})
    assert read_labelled(lake, tiny, day(1), day(2), pinned).equals(before)
    now = read_labelled(lake, tiny, day(1), day(1), pin_snapshots(lake, tiny))
    assert now.select(["busy", "label"]).to_pylist() == [{"busy": 0.9, "label": 1.0}, {"busy": 0.9, "label": 0.0}]


@pytest.mark.parametrize("failed", [{"a": True, "b": True}, {"a": False}])
def test_labels_of_one_class_only_are_refused_with_what_was_found(
    lake: Lake, tiny: ModelDefinition, failed: dict[str, object]
) -> None:
    history(lake, tiny, day(1), failed)
    with pytest.raises(TerminalError) as caught:
        read_labelled(lake, tiny, day(1), day(1), pin_snapshots(lake, tiny))
    message = str(caught.value)
    assert message.startswith("features.tiny from 2024-01-01 to 2024-01-01: a classifier needs observations of both")
    assert "fix: build more history, or train as of a later date" in message


def test_observations_without_any_label_are_one_line(lake: Lake, tiny: ModelDefinition) -> None:
    history(lake, tiny, day(1), {"a": None, "b": None})
    with pytest.raises(TerminalError) as caught:
        read_labelled(lake, tiny, day(1), day(1), pin_snapshots(lake, tiny))
    assert str(caught.value) == (
        "features.tiny from 2024-01-01 to 2024-01-01: no observation has a label; received '2 observations; files of "
        "failures: from 2024-01-01 to 2024-01-01'; allowed: observations with a row of their date and key in "
        "raw.failures; fix: build more history, or train as of a later date"
    )


@pytest.mark.parametrize(
    "label", ["agg: none", "agg: sum, value: amount, empty: 0", "agg: last, value: amount, empty: null"]
)
def test_a_window_that_is_longer_than_the_history_is_one_line(lake: Lake, tmp_path: Path, label: str) -> None:
    definition = shops(tmp_path, f"{{source: sales, window: 60d, {label}}}")
    for number in range(1, 11):
        put(lake, features_table(definition), day(number), [{"shop": "north", "customer": 1, "of_shop": "north"}])
        sale = {"shop": "north", "customer": 1, "sold_at": datetime(2024, 1, number, 17, tzinfo=UTC), "amount": 1.0}
        put(lake, raw_table(definition, "sales"), day(number), [sale])
    with pytest.raises(TerminalError) as caught:
        read_labelled(lake, definition, day(1), day(10), pin_snapshots(lake, definition))
    message = str(caught.value)
    assert message.startswith(
        "features.shops from 2024-01-01 to 2024-01-10: no observation has a label; received '10 obs"
    )
    assert "files of sales: from 2024-01-01 to 2024-01-10" in message and "\n" not in message
    assert "allowed: observations whose window, up to 60 days after them, has all its files in raw.sales" in message


def test_a_window_whose_value_is_no_condition_is_named_by_its_key(lake: Lake, tmp_path: Path) -> None:
    label = "{source: sales, window: 1d, agg: max, value: amount, type: boolean, empty: 0}"
    definition = shops(tmp_path, label, estimator=CLASSIFIER, gate="roc_auc: 0.5")
    for number in (1, 2):
        put(lake, features_table(definition), day(number), [{"shop": "north", "customer": 1, "of_shop": "north"}])
        sale = {"shop": "north", "customer": 1, "sold_at": datetime(2024, 1, number, 17, tzinfo=UTC), "amount": 5.0}
        put(lake, raw_table(definition, "sales"), day(number), [sale])
    says = r"model\.yaml: label\.value: a label is neither true nor false; received 5\.0"
    with pytest.raises(TerminalError, match=says):
        read_labelled(lake, definition, day(1), day(2), pin_snapshots(lake, definition))


def test_labels_that_are_neither_zero_nor_one_are_refused(lake: Lake, edit: Edit) -> None:
    definition = edit("  expression: failed", "  expression: length(machine)")
    history(lake, definition, day(1), {"a": True, "bb": True, "ccc": True})
    with pytest.raises(TerminalError, match="label"):
        read_labelled(lake, definition, day(1), day(1), pin_snapshots(lake, definition))


def test_before_anything_is_published_training_is_told_to_wait(lake: Lake, tiny: ModelDefinition) -> None:
    with pytest.raises(NightshiftError, match=r"features\.tiny: the table does not exist yet"):
        pin_snapshots(lake, tiny)


def test_a_feature_declared_after_the_history_was_built_does_not_break_reading_it(
    lake: Lake, models: Path, tiny: ModelDefinition, edit: Edit
) -> None:
    history(lake, tiny, day(1), {"a": False, "b": True})
    pinned = pin_snapshots(lake, tiny)
    wider = edit("    busy: {", "    idle: {expression: 1 - load, type: number, description: Idle}\n    busy: {")
    rows = read_labelled(lake, wider, day(1), day(1), pinned)
    assert rows["idle"].to_pylist() == [None, None]


def test_labels_of_a_number_may_be_any_finite_ones(lake: Lake, of_number: Callable[..., ModelDefinition]) -> None:
    definition = of_number(("  expression: failed\n", "  expression: length(machine) - 1.5\n"))
    history(lake, definition, day(1), {"a": True, "bb": True, "ccc": None})
    rows = read_labelled(lake, definition, day(1), day(1), pin_snapshots(lake, definition))
    assert rows["label"].to_pylist() == [-0.5, 0.5, 1.5]


@pytest.mark.parametrize(
    ("expression", "received"),
    [("-length(machine) / 0", "-inf"), ("length(machine) / 0", "inf"), ("cast('nan' as double)", "nan")],
)
def test_labels_that_are_no_finite_numbers_are_refused_with_the_expression(
    lake: Lake, of_number: Callable[..., ModelDefinition], expression: str, received: str
) -> None:
    definition = of_number(("  expression: failed\n", f"  expression: {expression}\n"))
    history(lake, definition, day(1), {"ccc": True, "aaa": True})
    with pytest.raises(TerminalError) as caught:
        read_labelled(lake, definition, day(1), day(1), pin_snapshots(lake, definition))
    message = str(caught.value)
    assert message.startswith(f"{definition.folder / 'model.yaml'}: label.expression: 2 of 2 labels are no finite num")
    assert f"received {received}; allowed: finite numbers, or null for no outcome" in message


def test_a_condition_that_is_a_number_is_told_of_the_type(lake: Lake, edit: Edit) -> None:
    definition = edit("  expression: failed", "  expression: length(machine)")
    history(lake, definition, day(1), {"a": True, "bb": True, "ccc": True})
    with pytest.raises(TerminalError, match=r"received 2\.0; .*`type: number` if it is a number that is predicted"):
        read_labelled(lake, definition, day(1), day(1), pin_snapshots(lake, definition))
