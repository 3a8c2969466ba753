"""Labels over a window: what may be declared, when they are final, and what lies between training and holdout."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from nightshift.definition.calendar import is_available, label_dates, newest_labelled
from nightshift.errors import DefinitionError
from unit.shops import ZONE, shops

SUM = "agg: sum, value: amount, empty: 0"
MOST = "source: sales, window: 7d, agg: most, value: shop"


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("{source: sales}", "label: no outcome; allowed: `expression`, or `window` with `agg`"),
        ("{source: sales, expression: amount > 0, agg: any}", "without a window, but with agg; fix: add `window:`"),
        ("{source: sales, expression: amount > 0, window: 7d}", "two outcomes"),
        ("{source: sales, window: 7d}", "a window without aggregation"),
        ("{source: sales, window: 7d, agg: mode}", "label.agg: "),
        ("{source: sales, window: 7d, agg: any, value: amount}", "an aggregation that takes no value"),
        ("{source: sales, window: 7d, agg: none, empty: 0}", "an aggregation that takes no empty"),
        ("{source: sales, window: 7d, agg: sum, empty: 0}", "aggregation without a value"),
        ("{source: sales, window: 7d, agg: max, value: amount}", "no outcome of a window without an event"),
        (f"{{source: sales, window: 7d, {SUM}, type: boolean}}", "a sum is a number, not a condition"),
        (f"{{source: sales, window: {{from: 7d, to: 7d}}, {SUM}}}", "label.window: a window without a day"),
        (f"{{source: sales, window: {{from: 1d, to: 36h}}, {SUM}}}", "label.window.to: not a whole number of days"),
        (f"{{source: sales, window: 7h, {SUM}}}", "label.window: not a whole number of days; received '7h'"),
        (f"{{source: sales, window: 0d, {SUM}}}", "label.window: not a whole number of days; received '0d'"),
        (f"{{source: sales, window: 7d, by: [amount], {SUM}}}", "label.by: is no column of the observations' key"),
        (f"{{source: sales, window: 7d, by: [region], {SUM}}}", "label.by: source 'sales' has no such column"),
        (f"{{source: sales, window: 7d, where: price > 0, {SUM}}}", "label.where: no such column in >>>price<<< > 0"),
        (f"{{source: customers, window: 7d, {SUM}}}", "label.window: a window is by event time, and 'customers' has"),
        (f"{{source: sales, window: 7d, by: [shop, shop], {SUM}}}", "label.by: a column is listed twice"),
        ("{source: sales, expression: amount > 0}", "needs at most one row per observation"),
        (f"{{{MOST}, empty: null}}", "a category without classes; allowed: a list, or {most: 10}"),
        (f"{{{MOST}, empty: null, classes: [a]}}", "fewer than two classes; allowed: two or more"),
        (f"{{{MOST}, empty: null, classes: [a, b, a]}}", "a class that is listed twice"),
        (f"{{{MOST}, empty: null, classes: [a, ' ']}}", "a class without a name"),
        (f"{{{MOST}, empty: null, classes: [a, b], other: c}}", "`other` is no class: c; allowed: a, b"),
        (f"{{{MOST}, empty: null, classes: {{most: 5}}}}", "no outcome of rare classes; allowed: a name, or null"),
        (f"{{{MOST}, empty: null, classes: {{most: 1}}, other: null}}", "label.classes"),
        (f"{{{MOST}, empty: null, classes: {{most: 5}}, other: ' '}}", "a class without a name"),
        (f"{{{MOST}, empty: '', classes: {{most: 5}}, other: null}}", "a class without a name"),
        (f"{{{MOST}, empty: c, classes: [a, b]}}", "a window without an event is no class: c; allowed: a, b"),
        (
            f"{{{MOST}, empty: 0, classes: [a, b]}}",
            "a window without an event is no category; allowed: a class, or null",
        ),
        (f"{{{MOST}, classes: [a, b]}}", "no outcome of a window without an event; allowed: a class, or null"),
        (f"{{{MOST}, empty: null, classes: [a, b], type: number}}", "a number with classes"),
        (f"{{{MOST}, empty: null, type: number}}", "a most frequent value is a class"),
        (f"{{{MOST}, empty: null, classes: [Red wine, red-wine]}}", "its column would have the name of that of 'Red w"),
        (f"{{source: sales, window: 7d, {SUM}, type: category, classes: [a, b]}}", "a sum is a number, not a class"),
        (f"{{source: sales, window: 7d, {SUM}, weight: amount}}", "a sum takes no weight; allowed: `agg: most`"),
        (f"{{source: sales, window: 7d, {SUM}, classes: [a, b]}}", "a number with classes; allowed: `type: category`"),
        ("{source: sales, window: 7d, agg: sum, value: amount, empty: none}", "without an event is no number"),
        (f"{{{MOST}, weight: price, empty: null, classes: [a, b]}}", "label.weight: no such column in >>>price<<<"),
    ],
)
def test_a_label_that_means_nothing_is_refused_with_its_line(tmp_path: Path, label: str, message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        shops(tmp_path, label)
    messages = str(caught.value).splitlines()
    assert any(message in line and "model.yaml:28: label" in line for line in messages), messages


def test_a_key_of_another_type_matches_no_outcome(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"label\.source: 'customer' has another type in the observations"):
        shops(tmp_path, "{source: sales, window: 7d, agg: any}", customer="string")


def test_an_event_time_that_only_spark_evaluates_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="labels over a window are computed without Spark: only Spark evaluates"):
        shops(tmp_path, "{source: sales, window: 7d, agg: any}", event_time="to_utc_timestamp(sold_at, 'UTC')")


@pytest.mark.parametrize(
    ("at", "last_file"), [("00:00", 13), ("06:00", 14)], ids=["ends with the day before", "ends within a day"]
)
@pytest.mark.parametrize("restates", ["", "restates: 3d"])
def test_a_label_is_final_when_its_last_file_is_available_and_restated_no_more(
    tmp_path: Path, at: str, last_file: int, restates: str
) -> None:
    """By the definition of both, for every night of a year with both changes of the clocks."""
    definition = shops(tmp_path, "{source: sales, window: {from: 7d, to: 14d}, agg: any}", at=at, restates=restates)
    source, schedule = definition.sources["sales"], definition.schedule
    for number in range(366):
        night = date(2024, 1, 1) + timedelta(days=number)
        labelled = newest_labelled(definition, night)
        later = 4 if restates else 0  # the file of three days after is there, and so no longer restates it
        for day, final in ((labelled, True), (labelled + timedelta(days=1), False)):
            last = label_dates(definition, day)[1]
            assert last == day + timedelta(days=last_file)
            assert is_available(schedule, source, last + timedelta(days=later), night) is final


def test_the_dates_of_a_window_are_those_of_the_sources_zone(tmp_path: Path) -> None:
    label = "{source: sales, window: 2d, agg: any}"
    tokyo = shops(tmp_path, label, at="00:00", restates="timezone: Asia/Tokyo")
    assert ZONE == "America/New_York"
    # Midnight of the 1st in New York is 14:00 in Tokyo, and that of the 3rd 14:00 of the 3rd.
    assert label_dates(tokyo, date(2024, 2, 1)) == (date(2024, 2, 1), date(2024, 2, 3))
