"""Outcomes over a window, against a plain loop over events."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.errors import TerminalError
from nightshift.lake.label_windows import outcomes_by_brute_force
from nightshift.lake.window_labels import window_labels
from unit.examples import examples
from unit.shops import ZONE, shops


class Sale(NamedTuple):
    """A row of the label source."""

    source_date: date
    shop: str | None
    customer: int | None
    sold_at: datetime | None
    amount: float | None


def table_of(sales: list[Sale]) -> pa.Table:
    types = [pa.date32(), pa.string(), pa.int64(), pa.timestamp("us", "UTC"), pa.float64()]
    schema = pa.schema(list(zip(Sale._fields, types, strict=True)))
    return pa.Table.from_pylist([sale._asdict() for sale in sales], schema=schema)


def observed(*rows: tuple[date, str, int]) -> pa.Table:
    schema = pa.schema([("score_date", pa.date32()), ("shop", pa.string()), ("customer", pa.int64())])
    names = schema.names
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema=schema)


def days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def clock(day: date, hour: float = 6.0) -> datetime:
    """An hour of a day by the clock of New York."""
    return datetime.combine(day, time(int(hour), round(hour % 1 * 60)), ZoneInfo(ZONE))


def counts(sale: Sale, night: date, shop: str, customer: int, begin: int, end: int) -> bool:
    """Whether a sale is of a customer's window, which begins and ends at 06:00."""
    if (sale.shop, sale.customer) != (shop, customer) or sale.sold_at is None:
        return False
    first, last = (clock(night + timedelta(days=number)).astimezone(UTC) for number in (begin, end))
    at, available = sale.sold_at.astimezone(UTC), clock(sale.source_date + timedelta(days=1)).astimezone(UTC)
    return first <= at < min(last, available) and sale.source_date <= night + timedelta(days=end)


def plain_label(agg: str, chosen: list[Sale], empty: float | None) -> float | None:
    """The outcome of the sales of a window, by a loop."""
    amounts = [float(sale.amount) for sale in chosen if sale.amount is not None]
    match agg:
        case "any":
            return float(bool(chosen))
        case "none":
            return float(not chosen)
        case "count":
            return float(len(chosen))
    if not amounts:
        return empty
    match agg:
        case "sum":
            return math.fsum(amounts)
        case "mean":
            return math.fsum(amounts) / len(amounts)
        case "last":
            return max((sale.sold_at, sale.amount) for sale in chosen if sale.amount is not None)[1]  # type: ignore[type-var]
        case _:
            return {"min": min, "max": max}[agg](amounts)


FIRST = date(2024, 3, 5)  # the clocks change in the week after
SPAN = days(FIRST - timedelta(days=4), FIRST + timedelta(days=24))
_sale = st.builds(
    lambda file, shop, customer, hours, amount: Sale(
        file, shop, customer, None if hours is None else clock(file, 0) + timedelta(hours=hours), amount
    ),
    st.sampled_from(SPAN),
    st.sampled_from(["north", "south", None]),
    st.sampled_from([1, 2, None]),
    # Mostly of its file's day; some late, some before it, some at a boundary, some from the future.
    st.one_of(st.none(), st.sampled_from([0.0, 6.0, 29.75, 30.0, 30.25, -18.0]), st.floats(-80, 40)),
    st.one_of(st.none(), st.integers(-50, 50).map(float), st.floats(-1e6, 1e6)),
)


@pytest.mark.slow
@pytest.mark.parametrize("agg", ["any", "none", "count", "sum", "mean", "max", "min", "last"])
@pytest.mark.parametrize(("window", "begin", "end"), [("3d", 0, 3), ("{from: 2d, to: 7d}", 2, 7)])
def test_a_label_is_that_of_a_loop_over_the_events(tmp_path: Path, agg: str, window: str, begin: int, end: int) -> None:
    valued = agg in {"sum", "mean", "max", "min", "last"}
    operand = "value: amount, empty: -7" if valued else "where: amount > 0"
    definition = shops(tmp_path, f"{{source: sales, window: {window}, agg: {agg}, {operand}}}")
    keys = [("north", 1), ("north", 3), ("south", 1), ("south", 3)]
    rows = observed(*((night, *key) for night in days(FIRST, FIRST + timedelta(days=8)) for key in keys))

    @examples(max_examples=5)
    @given(sales=st.lists(_sale, min_size=10, max_size=80), seed=st.integers(0, 9))
    def agrees(sales: list[Sale], seed: int) -> None:
        labels = window_labels(definition, rows, table_of(sales), SPAN).to_pylist()
        random.Random(seed).shuffle(sales)
        assert labels == window_labels(definition, rows, table_of(sales), SPAN).to_pylist(), "the order of rows matters"
        expected = []
        for row in rows.to_pylist():
            chosen = [sale for sale in sales if counts(sale, *row.values(), begin, end)]
            chosen = [sale for sale in chosen if valued or (sale.amount or 0) > 0]
            expected.append(plain_label(agg, chosen, -7.0))
        assert [row["label"] for row in labels] == pytest.approx(expected, rel=1e-12, abs=1e-9)
        directly = outcomes_by_brute_force(definition, rows.slice(0, len(keys)), table_of(sales), SPAN)
        by_key = {(row["shop"], row["customer"]): row["label"] for row in directly.to_pylist()}
        assert [by_key[key] for key in keys] == pytest.approx(expected[: len(keys)], rel=1e-9, abs=1e-9)

    agrees()


def most(chosen: list[Sale], weighted: bool) -> str | None:
    """The kind of amount with the most sales, or the largest sum; of equal ones the first by name."""
    totals: dict[str, float] = {}
    for sale in chosen:
        if sale.amount is not None:
            kind = f"kind {int(sale.amount) % 3}"
            totals[kind] = totals.get(kind, 0.0) + (sale.amount if weighted else 1)
    return min(totals, key=lambda kind: (-totals[kind], kind)) if totals else None


def latest(chosen: list[Sale], weighted: bool) -> str | None:
    """The kind of amount of the last sale; of several at an instant, the last by name."""
    kinds = [(sale.sold_at, f"kind {int(sale.amount) % 3}") for sale in chosen if sale.amount is not None]
    return max(kinds)[1] if kinds else None  # type: ignore[type-var]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("agg", "plain"),
    [("agg: most", most), ("agg: most, weight: amount", most), ("agg: last, type: category", latest)],
    ids=["most", "weighted", "last"],
)
@pytest.mark.parametrize("empty", [None, "kind 9"])
def test_a_class_is_that_of_a_loop_over_the_events(
    tmp_path: Path, agg: str, plain: Callable[[list[Sale], bool], str | None], empty: str | None
) -> None:
    value = "value: \"'kind ' || cast(amount as integer) % 3\""
    classes = "classes: {rows: 1}, other: null"
    definition = shops(tmp_path, f"{{source: sales, window: 3d, {agg}, {value}, {classes}, empty: {empty or 'null'}}}")
    rows = observed(
        *((night, "north", customer) for night in days(FIRST, FIRST + timedelta(days=8)) for customer in (1, 3))
    )
    amounts = st.one_of(st.none(), st.integers(0, 12).map(float))  # sums of these are equal now and then

    @examples(max_examples=6)
    @given(sales=st.lists(_sale, min_size=10, max_size=80), data=st.data())
    def agrees(sales: list[Sale], data: st.DataObject) -> None:
        sales = [sale._replace(amount=data.draw(amounts)) for sale in sales]
        labels = {
            tuple(row.values())[:3]: row["label"]
            for row in window_labels(definition, rows, table_of(sales), SPAN).to_pylist()
        }
        expected = {}
        for row in rows.to_pylist():
            chosen = [sale for sale in sales if counts(sale, *row.values(), 0, 3)]
            if (outcome := plain(chosen, "weight" in agg) or empty) is not None:
                expected[tuple(row.values())] = outcome
        assert labels == expected
        directly = outcomes_by_brute_force(definition, rows.slice(0, 2), table_of(sales), SPAN).to_pylist()
        assert {tuple(row.values())[:3]: row["label"] for row in directly} == {
            key: outcome for key, outcome in expected.items() if key[0] == FIRST
        }

    agrees()


NIGHT = date(2024, 3, 8)


@pytest.mark.parametrize(
    ("hours", "counts"),
    [(-0.001, False), (0, True), (47.99, True), (46.999, True), (47, False)],
    ids=["just before the cutoff", "at the cutoff", "an hour too late: a day has 23 hours", "last", "at the end"],
)
def test_the_window_is_half_open_and_its_days_are_the_clocks(tmp_path: Path, hours: float, counts: bool) -> None:
    """From 9 March, 06:00 to 11 March, 06:00, are 47 hours: clocks go forward on the 10th."""
    definition = shops(tmp_path, "{source: sales, window: {from: 1d, to: 3d}, agg: any}")
    begin = clock(NIGHT + timedelta(days=1)).astimezone(UTC)
    at = begin + timedelta(hours=hours)
    sale = Sale(at.astimezone(ZoneInfo(ZONE)).date(), "north", 1, at, 1.0)
    files = days(NIGHT, NIGHT + timedelta(days=4))
    [label] = window_labels(definition, observed((NIGHT, "north", 1)), table_of([sale]), files)["label"].to_pylist()
    assert label == float(counts and hours < 47)


@pytest.mark.parametrize(
    ("hours", "counts"), [(0, True), (24, True), (24.999, True), (25, False)], ids=["begin", "24 h", "last", "end"]
)
def test_the_day_on_which_a_clock_goes_back_has_25_hours(tmp_path: Path, hours: float, counts: bool) -> None:
    """From 2 November, 06:00 to 3 November, 06:00: clocks go back at 02:00 on the 3rd."""
    definition, night = shops(tmp_path, "{source: sales, window: 1d, agg: any}"), date(2024, 11, 2)
    at = clock(night).astimezone(UTC) + timedelta(hours=hours)
    sale = Sale(at.astimezone(ZoneInfo(ZONE)).date(), "north", 1, at, 1.0)
    files = days(night, night + timedelta(days=2))
    [label] = window_labels(definition, observed((night, "north", 1)), table_of([sale]), files)["label"].to_pylist()
    assert label == float(counts)


def test_a_date_that_a_clock_skips_has_a_window_without_time(tmp_path: Path) -> None:
    """Samoa had no 30 December 2011: its cutoff is that of the 31st, whose window has the events of after it."""
    definition = shops(tmp_path, "{source: sales, window: 1d, agg: any}", zone="Pacific/Apia")
    dates = days(date(2011, 12, 29), date(2011, 12, 31))
    noon = datetime(2011, 12, 31, 12, tzinfo=ZoneInfo("Pacific/Apia"))
    rows, files = observed(*((night, "north", 1) for night in dates)), days(dates[0], date(2012, 1, 2))
    labels = window_labels(definition, rows, table_of([Sale(dates[-1], "north", 1, noon, 1.0)]), files)
    assert labels["label"].to_pylist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("missing", [1, 2, 3, None])
def test_a_window_without_all_of_its_files_has_no_label(tmp_path: Path, missing: int | None) -> None:
    definition = shops(tmp_path, "{source: sales, window: {from: 1d, to: 3d}, agg: none}")
    files = days(NIGHT, NIGHT + timedelta(days=3))
    if missing is not None:
        files.remove(NIGHT + timedelta(days=missing))
    labels = window_labels(definition, observed((NIGHT, "north", 1)), table_of([]), files)
    assert labels["label"].to_pylist() == ([] if missing is not None else [1.0])


@pytest.mark.parametrize(("empty", "labels"), [("0", [0.0]), ("-3.5", [-3.5]), ("null", [])])
def test_a_window_without_an_event_has_the_declared_outcome(tmp_path: Path, empty: str, labels: list[float]) -> None:
    definition = shops(tmp_path, f"{{source: sales, window: 2d, agg: sum, value: amount, empty: {empty}}}")
    files = days(NIGHT, NIGHT + timedelta(days=2))
    without = Sale(NIGHT, "north", 1, clock(NIGHT, 12), None)  # an event without a value is none
    labelled = window_labels(definition, observed((NIGHT, "north", 1)), table_of([without]), files)
    assert labelled["label"].to_pylist() == labels


def test_events_are_matched_by_a_part_of_the_key(tmp_path: Path) -> None:
    definition = shops(tmp_path, "{source: sales, by: [shop], window: 1d, agg: count}")
    sales = [Sale(NIGHT, "north", customer, clock(NIGHT, 12), 1.0) for customer in (1, 2, None)]
    rows = observed((NIGHT, "north", 7), (NIGHT, "north", 8), (NIGHT, "south", 7))
    labels = window_labels(definition, rows, table_of(sales), days(NIGHT, NIGHT + timedelta(days=1)))
    assert labels["label"].to_pylist() == [3.0, 3.0, 0.0]


@pytest.mark.parametrize("amount", [math.inf, math.nan, 1e30])
def test_a_sum_of_what_is_no_number_names_the_definition(tmp_path: Path, amount: float) -> None:
    definition = shops(tmp_path, "{source: sales, window: 1d, agg: sum, value: amount, empty: 0}")
    sale = Sale(NIGHT, "north", 1, clock(NIGHT, 12), amount)
    with pytest.raises(
        TerminalError, match=r"model.yaml: label: the label cannot be computed: .*received 'amount'"
    ) as caught:
        window_labels(definition, observed((NIGHT, "north", 1)), table_of([sale]), days(NIGHT, NIGHT + timedelta(1)))
    assert "allowed: finite numbers below 1e18" in str(caught.value)
