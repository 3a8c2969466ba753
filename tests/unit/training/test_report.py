from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from nightshift.definition.gate import AgainstChampion, Gate, Slices
from nightshift.pages.plots import Axis
from nightshift.training.gate import judge
from nightshift.training.report import render_gate
from nightshift.training.results import Baseline, Holdout
from unit.training.test_gate import STORED, labelled, simulated, unopposed
from unit.training.test_number_gate import simulated as number_holdout
from unit.training.worlds import World

HOSTILE = "<script>alert('x')</script>"
GATE = Gate(
    minimum={"roc_auc": 0.6, "calibration_error": 0.2},
    against_champion=AgainstChampion(metric="roc_auc", margin=0.05),
    slices=Slices(columns=("airport",), regression=0.1),
    speed=10,
)


class Page(HTMLParser):
    """A page as a browser reads it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.page, self.tags, self.words = page, list[tuple[str, dict[str, str | None]]](), list[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def plots(self) -> list[ElementTree.Element]:
        return [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", self.page, re.DOTALL)]

    @property
    def titles(self) -> list[str | None]:
        return [plot.get("aria-label") for plot in self.plots]


def with_slices(holdout: Holdout) -> Holdout:
    names = np.array(["EWR", "JFK", HOSTILE])[np.arange(len(holdout.labels)) % 3]
    names[:20] = "tiny"
    return replace(holdout, columns={"airport": names})


def rendered(gate: Gate, holdout: Holdout, against: str = "against version 3") -> Page:
    return Page(render_gate("tiny: the gate of 2024-01-31", gate, holdout, judge(gate, holdout, STORED, 1), against))


@pytest.fixture(scope="module")
def page() -> Page:
    return rendered(GATE, with_slices(simulated(World(0.3, 0.5))))


def test_every_rule_is_there_with_its_numbers_and_its_verdict(page: Page) -> None:
    assert "tiny: the gate of 2024-01-31 passed" in page.text
    for rule in ("rows", "scores", "leak", "minimum.calibration_error", "baseline.roc_auc", "smoke", "speed"):
        assert f" {rule} " in page.text
    assert re.search(
        r"against_champion\.roc_auc [+-]0\.\d{4} -0\.0500 [+-]0\.\d{4} to [+-]0\.\d{4} 1,400 passed", page.text
    )
    assert "speed 20,000 10 – 100 passed" in page.text
    assert "against version 3" in page.text and "1,000 resamples of whole nights" in page.text
    assert "airport=tiny is not judged: 20 rows, fewer than 200" in page.text


def test_the_plots_show_both_models_the_difference_and_the_slices(page: Page) -> None:
    assert page.titles == ["Challenger against champion", "ROC curves", "Calibration", "Scores", "Slices"]
    for plot in page.plots[1:4]:
        lines = {str(line.get("class")).split()[0]: line for line in plot.iter("polyline")}
        assert {"challenger", "champion"} <= set(lines)
        assert len(str(lines["challenger"].get("points")).split()) > 5
    assert [plot.get("class") for plot in page.plots[0].iter("line") if "mark" in str(plot.get("class"))] == [
        "mark zero",
        "mark bound",
        "mark passed",
        "mark value",
    ]
    assert len(list(page.plots[0].iter("rect"))) > 10
    assert len(list(page.plots[4].iter("circle"))) == 3


def test_a_page_refers_to_nothing_outside_of_itself_and_whatever_data_holds_is_text(page: Page) -> None:
    assert {"script", "link", "img", "iframe", "object"}.isdisjoint(tag for tag, _ in page.tags)
    assert not any(name.startswith("on") or name in {"src", "href"} for _, values in page.tags for name in values)
    assert not re.search(r"https?:|url\(|@import", page.page)
    assert any(str(values.get("content")).startswith("default-src 'none'") for _, values in page.tags)
    assert HOSTILE in page.text and HOSTILE not in page.page
    assert "prefers-color-scheme: dark" in page.page


def test_everything_drawn_is_within_its_plot(page: Page) -> None:
    for plot in page.plots:
        width, height = (float(side) for side in str(plot.get("viewBox")).split()[2:])
        for line in plot.iter("polyline"):
            for point in str(line.get("points")).split():
                x, y = map(float, point.split(","))
                assert 0 <= x <= width and 0 <= y <= height
        for bar in plot.iter("rect"):
            assert float(str(bar.get("x"))) >= 0 and float(str(bar.get("height"))) > 0


def test_a_refused_model_shows_first_what_it_failed() -> None:
    page = rendered(GATE, with_slices(simulated(World(3.0, 0.2))))
    assert "tiny: the gate of 2024-01-31 refused" in page.text
    assert page.text.index("against_champion.roc_auc") < page.text.index(" rows 1,400 100 ")
    assert "mark failed" in page.page


def test_a_first_model_has_no_champion_in_its_plots() -> None:
    page = rendered(GATE, unopposed(with_slices(simulated(World(0.3, 0.3)))), "no champion to compare with")
    assert page.titles == ["ROC curves", "Calibration", "Scores"]
    assert "no champion to compare with" in page.text
    assert 'class="champion"' not in page.page


NUMBERS = Gate(
    minimum={"mae": 99.0, "bias": 99.0},
    against_champion=AgainstChampion(metric="mae", margin=2),
    slices=Slices(columns=("airport",), regression=5),
)


def test_the_page_of_numbers_shows_predictions_errors_and_residuals_of_both() -> None:
    page = rendered(NUMBERS, with_slices(number_holdout(World(0.3, 0.5))))
    assert page.titles == [
        "Challenger against champion",
        "Predicted against actual",
        "Error by prediction",
        "Residuals",
        "Outcomes and predictions",
        "Slices",
    ]
    for plot in page.plots[1:5]:
        kinds = {str(line.get("class")).split()[0] for line in plot.iter("polyline")}
        assert {"challenger", "champion"} <= kinds
        assert all(text.text for text in plot.iter("text"))
    assert "with a mean label of 1" in page.text and "a period with a mean label of 1" in page.text
    assert "positive" not in page.text and "ROC" not in page.text
    for word in ("labels", "minimum.bias", "baseline.mae", "against_champion.mae"):
        assert f" {word} " in page.text
    test_everything_drawn_is_within_its_plot(page)


def test_scores_that_are_too_high_are_below_the_diagonal() -> None:
    holdout = unopposed(simulated(World(0.3, 0.3)))
    page = rendered(GATE, replace(holdout, challenger=0.5 + holdout.challenger / 2))
    plot = page.plots[page.titles.index("Calibration")]
    diagonal, curve = (
        next(line for line in plot.iter("polyline") if str(line.get("class")).startswith(kind))
        for kind in ("ideal", "challenger")
    )
    (left, bottom), (right, top) = _points(diagonal)
    for x, y in _points(curve):
        assert y > bottom + (x - left) * (top - bottom) / (right - left)  # pixels count downwards


def _points(line: ElementTree.Element) -> list[tuple[float, ...]]:
    return [tuple(map(float, point.split(","))) for point in str(line.get("points")).split()]


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_numbers_of_any_size_have_a_page(scale: float) -> None:
    holdout = number_holdout(World(0.3, 0.5))
    assert holdout.champion is not None
    sized = replace(
        holdout,
        labels=scale * holdout.labels,
        challenger=scale * holdout.challenger,
        champion=scale * holdout.champion,
        baseline=Baseline(scale * holdout.baseline.mean, scale * holdout.baseline.median),
    )
    margin = AgainstChampion(metric="mae", margin=2 * scale)
    page = rendered(Gate(minimum={"mae": 99 * scale}, against_champion=margin), sized)
    assert "the gate of 2024-01-31 passed" in page.text
    for label in page.plots[1].iter("text"):
        assert len(str(label.text)) < 20


def test_a_first_model_of_numbers_whose_labels_are_mostly_the_same_has_a_page() -> None:
    holdout = number_holdout(World(0.3, 0.5))
    rare = np.where(np.arange(len(holdout.labels)) % 500 == 0, 100.0, 0.0)
    page = rendered(NUMBERS, unopposed(replace(holdout, labels=rare, challenger=rare + 0.5)))
    assert "Residuals" in page.titles and "champion" not in {
        str(line.get("class")) for plot in page.plots for line in plot.iter("polyline")
    }


def test_what_the_challenger_does_without_is_told() -> None:
    holdout = unopposed(simulated(World(0.3, 0.3)))
    page = Page(render_gate("t", GATE, holdout, judge(GATE, holdout, STORED, 1), "none", ("busy", HOSTILE)))
    assert f"busy, {HOSTILE}: no value in any row of the training period" in page.text


def test_an_unfit_holdout_has_a_page_without_plots() -> None:
    page = rendered(GATE, labelled(3, 20))
    assert page.plots == [] and "at least 100 are needed" in page.text


def test_models_that_score_alike_have_a_page() -> None:
    holdout = with_slices(simulated(World(0.3, 0.3)))
    page = rendered(GATE, replace(holdout, champion=holdout.challenger.copy()))
    assert "mark passed" in page.page and len(page.plots) == 5


def test_a_difference_of_which_nothing_is_known_has_a_page() -> None:
    holdout = with_slices(simulated(World(0.3, 0.5)))
    once = replace(holdout, labels=np.where(holdout.days == 3, holdout.labels, 0.0))
    page = rendered(GATE, once)
    assert "-inf to +inf" in page.text and "refused" in page.text
    assert "nan" not in page.page.lower().replace("finance", "")


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (-0.013, 0.021, ["-0.010", "-0.005", "0.000", "0.005", "0.010", "0.015", "0.020"]),
        (0, 1200, ["0", "200", "400", "600", "800", "1000", "1200"]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, ticks: list[str]) -> None:
    assert [text for _, text in Axis("", low, high, 0, 100).ticks] == ticks
