"""What leakcheck and skew say of labels: sales of shops, with computations that look too far planted by hand."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from nightshift.definition import calendar
from nightshift.definition.schedule import Schedule
from nightshift.features.compare import WHOLE_ROW
from nightshift.lake import window_labels
from nightshift.lake.publish import publish
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import TableSpec, features_table, raw_table
from nightshift.project import Project
from nightshift.settings import PROJECT, Settings
from nightshift.stages.label_checks import check_label_leaks, check_label_skew
from unit.shops import ZONE, shops

pytestmark = pytest.mark.database

FIRST, LAST = date(2024, 3, 1), date(2024, 3, 24)  # clocks go forward on the 10th
CUSTOMERS = range(1, 9)
NIGHTS = [date(2024, 3, 7), date(2024, 3, 8)]
# At 06:00 on the 24th the file of the 23rd is there, and so windows of three days from the 20th on are over.
NEWEST = date(2024, 3, 20)
SUM = "{source: sales, window: 3d, agg: sum, value: amount, empty: 0}"


def clock(day: date, hour: int, minute: int = 0) -> datetime:
    """An hour of a day by the clock of New York."""
    return datetime.combine(day, time(hour, minute), ZoneInfo(ZONE))


def publish_table(project: Project, spec: TableSpec, rows: list[dict[str, object]], first: date, last: date) -> None:
    table = pa.Table.from_pylist(rows, schema=spec.schema)
    publish(project.lake, spec, stage_arrow(project.lake, spec, table, first, last, {}))


Shops = Callable[..., Project]


@pytest.fixture
def shops_with(tmp_path: Path) -> Shops:
    """An installation in which shops sold something on every day, with the observations of some nights."""

    def build(label: str, extra: Iterable[tuple[date, int, datetime, float]] = (), **changes: str) -> Project:
        definition = shops(tmp_path, label, **changes)
        settings = Settings(home=PROJECT, var=tmp_path / "var", models_folder=tmp_path / "models")
        project, chance = Project("shops", settings), random.Random(1)
        sold = [
            (
                day,
                chance.choice(CUSTOMERS),
                clock(day, chance.randrange(24), chance.randrange(60)),
                chance.uniform(-9, 9),
            )
            for day in calendar.date_range(FIRST, LAST)
            for _ in range(6)
        ]
        sales = [
            {"source_date": day, "shop": "north", "customer": customer, "sold_at": at.astimezone(UTC), "amount": amount}
            for day, customer, at, amount in [*sold, *extra]
        ]
        publish_table(project, raw_table(definition, "sales"), sales, FIRST, LAST)
        observed = [
            {"score_date": night, "shop": "north", "customer": customer, "of_shop": "north"}
            for night in (*NIGHTS, NEWEST, NEWEST + timedelta(days=1), LAST)
            for customer in CUSTOMERS
        ]
        publish_table(project, features_table(definition), observed, FIRST, LAST)
        return project

    return build


@pytest.mark.parametrize("agg", ["none", "mean", "last"])
def test_a_label_is_of_its_window_alone(shops_with: Shops, agg: str) -> None:
    operand = "" if agg == "none" else ", value: amount, empty: -7"
    project = shops_with(f"{{source: sales, window: {{from: 1d, to: 4d}}, agg: {agg}{operand}, where: amount > -5}}")
    checks = check_label_leaks(project, NIGHTS)
    assert checks.nights == tuple(NIGHTS)
    assert checks.without_later.differences == () and checks.without_later.cells == len(NIGHTS) * len(CUSTOMERS)
    assert checks.without_events is not None
    assert checks.without_events.differences == () and checks.without_events.cells == len(NIGHTS) * len(CUSTOMERS)
    skew = check_label_skew(project, NIGHTS[-1])
    assert skew is not None and skew.differences == () and skew.cells == len(CUSTOMERS)


def test_an_event_at_the_end_of_the_window_that_a_label_counts_is_a_difference(
    shops_with: Shops, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = NIGHTS[0]
    at_end = clock(night + timedelta(days=3), 6)
    project = shops_with(SUM, [(at_end.date(), 1, at_end, 1000.0), (night, 2, clock(night, 6), 500.0)])
    assert check_label_leaks(project, [night]).without_later.differences == ()

    def a_little_late(schedule: Schedule, day: date) -> datetime:
        return calendar.cutoff(schedule, day) + timedelta(minutes=1)

    monkeypatch.setattr(window_labels, "cutoff", a_little_late)
    checks = check_label_leaks(project, [night])
    by_customer = {cell.key[2]: cell for cell in checks.without_later.differences}
    assert by_customer[1].published - by_customer[1].recomputed == pytest.approx(1000)
    assert 2 not in by_customer  # its event is lost, which a leak is not: skew says so
    assert checks.without_events is not None
    [emptied] = checks.without_events.differences
    assert (emptied.key[2], emptied.published, emptied.recomputed) == (1, 0.0, 1000.0)
    skew = check_label_skew(project, night)
    assert skew is not None and {cell.key[2] for cell in skew.differences} == {1, 2}


@pytest.mark.parametrize("restates", ["", "restates: 2d"])
def test_a_label_that_is_given_before_it_is_final_is_a_difference(
    shops_with: Shops, monkeypatch: pytest.MonkeyPatch, restates: str
) -> None:
    project = shops_with(SUM, restates=restates)
    assert check_label_leaks(project, NIGHTS).without_later.differences == ()
    newest_labelled = calendar.newest_labelled
    monkeypatch.setattr(calendar, "newest_labelled", lambda *given: newest_labelled(*given) + timedelta(days=1))
    differences = check_label_leaks(project, NIGHTS).without_later.differences
    assert len(differences) == len(NIGHTS) * len(CUSTOMERS)
    assert {(cell.feature, cell.recomputed) for cell in differences} == {(WHOLE_ROW, "missing")}


def test_nights_without_a_final_label_are_not_checked(shops_with: Shops) -> None:
    project = shops_with(SUM)
    checks = check_label_leaks(project, [NEWEST, NEWEST + timedelta(days=1), LAST])
    assert checks.nights == (NEWEST,)
    assert check_label_leaks(project, [LAST]).nights == ()
    assert check_label_skew(project, LAST) is None


def test_a_label_without_a_window_is_of_its_own_dates_rows(tiny_outcomes: Project) -> None:
    checks = check_label_leaks(tiny_outcomes, [FIRST, FIRST + timedelta(days=1)])
    assert checks.nights == (FIRST, FIRST + timedelta(days=1)) and checks.without_events is None
    assert checks.without_later.differences == () and checks.without_later.cells == 4
    assert check_label_skew(tiny_outcomes, FIRST) is None


@pytest.fixture
def tiny_outcomes(settings: Settings) -> Project:
    """Machines of four days: all observed, of which some failed, and one that was not observed."""
    project = Project("tiny", settings)
    definition, dates = project.definition, list(calendar.date_range(FIRST, FIRST + timedelta(days=3)))
    failures = [
        {"source_date": day, "machine": machine, "failed": machine == "a"}
        for day in dates
        for machine in ("a", "b", "c")
    ]
    publish_table(project, raw_table(definition, "failures"), failures, dates[0], dates[-1])
    observed = [{"score_date": day, "machine": machine} for day in dates for machine in "ab"]
    publish_table(project, features_table(definition), observed, dates[0], dates[-1])
    return project
