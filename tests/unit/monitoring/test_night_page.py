from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

import pytest

from nightshift.definition.schedule import Schedule
from nightshift.monitoring.histograms import Histogram
from nightshift.monitoring.history_plots import plot_history
from nightshift.monitoring.night_page import movers, render_night
from unit.training.test_report import HOSTILE, Page

FIRST, NIGHT = date(2024, 1, 1), date(2024, 1, 20)


def row(monitor: str, statistic: str, value: float | None = None, **given: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "score_date": NIGHT, "subject": "night", "threshold": None, "sample_size": 40, "verdict": "pass", "detail": "",
        "model_version": 3,
    }  # fmt: skip
    return {"monitor": monitor, "statistic": statistic, "value": value} | usual | given


def history() -> list[dict[str, Any]]:
    rows = []
    for number in range(20):
        if number != 7:  # nobody monitored that night
            when = FIRST + timedelta(days=number)
            value, verdict = 0.1 + number / 50, "warn" if number > 10 else "pass"
            rows.append(row("drift", "input_drift", value, threshold=0.3, verdict=verdict, score_date=when))
            rows.append(row("estimate", "roc_auc", 0.7 - number / 200, threshold=0.62, score_date=when))
            if number < 18:
                rows.append(row("outcome", "roc_auc", 0.68, score_date=when))
                for who, worth in (("champion", 10.0), ("challenger 4", 12.0), ("naive", -3.0)):
                    number_of = 4 if who == "challenger 4" else 3
                    rows.append(row("value", "value", worth, subject=who, score_date=when, model_version=number_of))
    return rows


TONIGHT = [
    row("drift", "psi", 0.3, subject="busy", threshold=0.1, verdict="warn"),
    row("drift", "wasserstein", 0.1, subject="busy", threshold=0.2),
    row("drift", "total_variation", 0.2, subject=HOSTILE, threshold=0.1, verdict="warn"),
    row("drift", "psi", None, subject="gone", verdict="unknown"),
    row("decision", "retrain", verdict="suppressed_by_cooldown", detail=f"requested on {FIRST}"),
    row("decision", "breaches", 2.0, subject="drift", threshold=2.0, sample_size=3, verdict="warn", detail=HOSTILE),
    row("decision", "breaches", 0.0, subject="performance", threshold=2.0, sample_size=0, verdict="unknown"),
    row("shadow", "nights", 1.0, subject="challenger 4", model_version=4),
    row("quality.raw", "not_null", subject="raw.plan: load", verdict="warn", model_version=None),
    row("quality.scores", "mix", subject="scores.tiny: score", model_version=None),
]


@pytest.fixture(scope="module")
def page() -> Page:
    shown = [Histogram("busy", ["a", "b", "other"], [0.5, 0.4, 0.1], [0.2, 0.5, 0.3])]
    return Page(render_night("tiny", NIGHT, [*history(), *TONIGHT], "euros", shown))


def test_the_decision_and_its_reason_come_first(page: Page) -> None:
    assert f"tiny: the night of {NIGHT} retraining suppressed by cooldown requested on {FIRST}" in page.text
    assert (
        "Scored by version 3 Rows 40 Drift input drift 1.6 times its threshold Quality 1 warning in 2 checks"
        in page.text
    )
    assert re.search(r"drift yes breach .*performance no unknown", page.text)


def test_a_night_without_a_request_has_a_short_reason() -> None:
    breach = row(
        "decision", "breaches", 1.0, subject="drift", threshold=2.0, verdict="warn", detail="drift: 30% drifted"
    )
    decision = row("decision", "retrain", verdict="nothing", detail="drift: 30% drifted")
    page = Page(render_night("tiny", NIGHT, [decision, breach]))
    assert f"the night of {NIGHT} no retraining No trigger fires. Scored by" in page.text
    assert "drift no breach 30% drifted" in page.text
    elsewhere = {**decision, "detail": "drift: 30% drifted; version 4 is the champion by now"}
    page = Page(render_night("tiny", NIGHT, [elsewhere, {**breach, "value": 2.0}]))
    assert "no retraining drift: 30% drifted; version 4 is the champion by now" in page.text


def test_a_challenger_is_not_named_as_the_version_of_the_night(page: Page) -> None:
    assert not any("version" in "".join(plot.itertext()) for plot in page.plots)


def test_where_another_version_scored_plots_say_so() -> None:
    rows = [{**night, "model_version": 3 if night["score_date"] < date(2024, 1, 10) else 4} for night in history()]
    plots = Page(render_night("tiny", NIGHT, rows)).plots
    assert all("".join(plot.itertext()).count("version 4") == 1 for plot in plots[:2])
    assert not any("version 3" in "".join(plot.itertext()) for plot in plots)


def test_movers_are_sorted_by_the_multiple_of_their_threshold() -> None:
    assert [(mover["subject"], mover["statistic"], mover["times"]) for mover in movers(TONIGHT)] == [
        ("busy", "psi", pytest.approx(3.0)),
        (HOSTILE, "total_variation", pytest.approx(2.0)),
    ]


def test_what_is_missing_every_night_is_no_mover_before_it_is_beyond_its_threshold() -> None:
    moved = row("drift", "psi", 0.05, subject="busy", threshold=0.1)
    level = row("drift", "missing_share", 0.75, subject="survey", threshold=0.8)
    assert [mover["subject"] for mover in movers([level, moved])] == ["busy", "survey"]
    assert [mover["subject"] for mover in movers([{**level, "value": 0.85}, moved])] == ["survey", "busy"]


def test_the_plots_show_values_with_their_thresholds_up_to_the_night(page: Page) -> None:
    assert page.titles == ["busy", "Input drift, all features together", "ROC AUC", "Value"]
    _, drift, performance, value = page.plots
    assert {line.get("class") for line in drift.iter("polyline")} == {"challenger dotted", "bound"}
    assert {line.get("class") for line in performance.iter("polyline")} == {
        "challenger",
        "champion dotted",
        "challenger limit",
    }
    assert {line.get("class") for line in value.iter("polyline")} == {
        "champion champion", "challenger challenger-4", "ideal naive",
    }  # fmt: skip
    assert "euros" in "".join(value.itertext())


def test_where_a_night_is_missing_a_line_is_interrupted(page: Page) -> None:
    measured = [line for line in page.plots[1].iter("polyline") if line.get("class") == "challenger dotted"]
    assert [len(str(line.get("points")).split()) for line in measured] == [7, 12]


def test_value_is_cumulative(page: Page) -> None:
    lines = [line for line in page.plots[3].iter("polyline") if line.get("class") == "champion champion"]
    heights = [float(point.split(",")[1]) for line in lines for point in str(line.get("points")).split()]
    assert heights == sorted(heights, reverse=True) and len(set(heights)) == 17


def test_a_page_loads_nothing_and_markup_in_data_is_text(page: Page) -> None:
    assert {"script", "link", "img", "iframe", "object"}.isdisjoint(tag for tag, _ in page.tags)
    assert not any(
        name.startswith("on") or name in {"src", "href"} for _, attributes in page.tags for name in attributes
    )
    assert not re.search(r"https?:|url\(|@import", page.page)
    assert HOSTILE in page.text and HOSTILE not in page.page


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [row("drift", "input_drift", None, verdict="unknown")],
        [row("estimate", "roc_auc", 0.7)],
        [row("value", "value", None, subject="champion", verdict="unknown")],
        [row("drift", "input_drift", 0.0, threshold=0.0)],
    ],
)
def test_a_night_with_few_measurements_has_a_page(rows: list[dict[str, Any]]) -> None:
    page = Page(render_night("tiny", NIGHT, rows))
    assert f"tiny: the night of {NIGHT} not decided yet" in page.text
    assert all(len(list(plot.iter("polyline"))) > 0 for plot in page.plots)


def test_the_page_says_what_an_estimate_does_not_notice(page: Page) -> None:
    assert "a changed concept" in page.text


def test_a_line_is_interrupted_where_a_night_is_missing_and_not_between_weekly_nights() -> None:
    mondays = Schedule(timezone="UTC", cron="0 6 * * 1", start=FIRST)
    values = {FIRST + timedelta(weeks=week): week / 10 for week in (0, 1, 2, 4, 5)}
    plot = plot_history("drift", "", "", {"challenger": values}, schedule=mondays)
    assert [line.points.count(",") for line in plot.lines] == [3, 2]
    assert len(plot_history("drift", "", "", {"challenger": values}).lines) == 5
    years = {FIRST + timedelta(weeks=week): 0.1 for week in range(60)}
    assert plot_history("drift", "", "", {"challenger": years}).x.ticks[0][1] == "2024-01"


def test_a_night_without_neighbours_is_visible_with_its_threshold_on_its_own_date() -> None:
    lines = {"challenger dotted": {FIRST: 0.96}, "bound": {FIRST: 1.0}}
    plot = plot_history("Drift", "", "times its threshold", lines)
    measured, bound = (line.points.split() for line in plot.lines)
    assert measured == [f"{plot.x.pixel(FIRST.toordinal())},{plot.y.pixel(0.96)}"]  # has a dot
    (left, height), (right, same) = (map(float, point.split(",")) for point in bound)
    assert left < plot.x.pixel(FIRST.toordinal()) < right and height == same == plot.y.pixel(1.0)
    assert [text for _, text in plot.x.ticks] == ["01-01"]


@pytest.mark.parametrize(("values", "lowest"), [((0.0, 0.0), 0.0), ((0.0, 0.2), 0.0), ((-1.0, 1.0), -1.16)])
def test_an_axis_goes_below_zero_only_where_a_value_does(values: tuple[float, float], lowest: float) -> None:
    series = dict(zip((FIRST, NIGHT), values, strict=True))
    assert plot_history("", "", "", {"challenger": series}).y.low == pytest.approx(lowest)


def test_the_numbers_of_an_axis_end_beside_its_title() -> None:
    series = {FIRST: 0.8694, NIGHT: 0.8712}
    plot = plot_history("", "", "roc_auc", {"challenger": series})
    longest = max(len(text) for _, text in plot.y.ticks)
    letter, gap, title = 6.2, 6, 12 + 6  # pixels: of a digit of 11 pixels, before the axis, of the title's lower edge
    assert longest == 6 and plot.x.start - gap - longest * letter > title


def test_a_class_is_shown_by_the_metrics_that_gates_judge_it_by() -> None:
    metrics = {"accuracy": 0.71, "macro_roc_auc": 0.75, "log_loss": 0.93, "macro_f1": 0.13}
    page = Page(render_night("tiny", NIGHT, [row("outcome", name, value) for name, value in metrics.items()]))
    assert page.titles == ["ROC AUC, mean of the classes", "Log loss", "Accuracy"]
