"""The page of a gate: every rule with its numbers, and the plots that show why."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from jinja2 import Environment
from sklearn.metrics import roc_curve

from nightshift.definition.gate import Gate
from nightshift.pages import POLICY, plots, templates
from nightshift.pages.plots import Line, Mark, Plot
from nightshift.training.bootstrap import BINS, Vector
from nightshift.training.number_plots import number_plots
from nightshift.training.results import Constants, GateReport, Holdout, RuleResult, told

POINTS = 300  # of a curve
SHOWN = 60  # slices in the plot
TOLD_FIRST = ("against_champion", "slices", "minimum", "baseline")  # of the rules that hold


def render_gate(
    title: str,
    gate: Gate,
    holdout: Holdout,
    report: GateReport,
    against: str,
    without: Sequence[str] = (),
    *,
    period: str = "Holdout",
) -> str:
    """The page of a gate.

    Args:
        title: Of the page.
        gate: The rules.
        holdout: What they were held against.
        report: How they came out.
        against: Who the champion was, or why there is none to compare with.
        without: The features that the challenger does without, since they had no value.
        period: What the days of the holdout are.

    Returns:
        One HTML page that refers to nothing outside of itself.
    """
    days = f"{holdout.dates[0]} to {holdout.dates[-1]}, {len(holdout.dates)} days"
    labels, learned = (_numbers if holdout.regression else _conditions)(holdout)
    facts = {
        period: f"{days}, {report.rows:,} labelled rows, {labels}",
        "Learned from": f"a period with {learned}",
        **({"Without": f"{', '.join(without)}: no value in any row that was learned from"} if without else {}),
        "Compared": against,
        "Intervals": f"{gate.resamples:,} resamples of whole days; each end is one-sided, {gate.sure}",
    }
    judged = [result for result in report.results if result.passed is not None]
    return (
        _environment()
        .get_template("gate.j2")
        .render(
            title=title,
            outcome="pass" if report.passed else "fail",
            headline=_headline(judged),
            reasons=report.reasons(),
            facts=facts,
            results=sorted(judged, key=_place),
            skipped=[result.sentence for result in report.results if result.passed is None],
            plots=_plots(gate, holdout, report) if report.metrics else [],
            champion=holdout.champion is not None,
            policy=POLICY,
        )
    )


def _headline(judged: Sequence[RuleResult]) -> str:
    failed = sum(not result.passed for result in judged)
    return f"{failed} of {len(judged)} rules failed." if failed else f"All {len(judged)} rules hold."


def _place(result: RuleResult) -> tuple[bool, int]:
    """What failed comes first, then what says how good the model is."""
    last = len(TOLD_FIRST)
    return bool(result.passed), TOLD_FIRST.index(result.kind) if result.kind in TOLD_FIRST else last


def _conditions(holdout: Holdout) -> tuple[str, str]:
    """What the labels of the holdout are like, and those that were learned from."""
    return f"{holdout.labels.mean():.1%} of them positive", f"{holdout.constants.mean:.1%} positive rows"


def _numbers(holdout: Holdout) -> tuple[str, str]:
    """The same of labels that are numbers."""
    found = Constants(float(holdout.labels.mean()), float(np.median(holdout.labels)))
    here, there = (
        f"a mean label of {told(one.mean, 3)} and a median of {told(one.median, 3)}"
        for one in (found, holdout.constants)
    )
    return f"with {here}", there


def _plots(gate: Gate, holdout: Holdout, report: GateReport) -> list[Plot]:
    models = {"challenger": holdout.challenger}
    if holdout.champion is not None:
        models = {"champion": holdout.champion} | models
    if holdout.regression:
        drawn = number_plots(holdout.labels, models)
    else:
        drawn = [_roc(holdout.labels, models), _calibration(holdout.labels, models), _scores(models)]
    if report.difference is not None:
        drawn.insert(0, _difference(gate, report))
    slices = [r for r in report.results if r.kind == "slices" and r.low is not None]
    rule = gate.against_champion
    return [*drawn, _slices(slices, rule.metric)] if slices and rule is not None else drawn


def _roc(labels: Vector, models: dict[str, Vector]) -> Plot:
    x, y = plots.across("false positive rate", 0, 1), plots.up("true positive rate", 0, 1)
    lines = [plots.line("ideal", x, y, [(0, 0), (1, 1)])]
    for name, scores in models.items():
        wrong, right, _ = roc_curve(labels, scores)
        kept = np.unique(np.linspace(0, len(wrong) - 1, min(POINTS, len(wrong))).astype(int))
        lines.append(plots.line(name, x, y, np.column_stack([wrong[kept], right[kept]])))
    return Plot("ROC curves", "The further towards the upper left, the better rows are told apart.", x, y, lines)


def _calibration(labels: Vector, models: dict[str, Vector]) -> Plot:
    curves = {name: plots.by_bin(scores, BINS, scores, labels) for name, scores in models.items()}
    most = min(1.0, 1.05 * max(float(curve.max()) for curve in curves.values()))
    x, y = plots.across("mean score", 0, most), plots.up("share of positive rows", 0, most)
    lines = [plots.line("ideal", x, y, [(0, 0), (most, most)])]
    lines += [plots.line(f"{name} dotted", x, y, curve) for name, curve in curves.items()]
    return Plot("Calibration", f"{BINS} bins of equally many rows; on the diagonal, scores are true.", x, y, lines)


def _scores(models: dict[str, Vector]) -> Plot:
    most = max(float(scores.max()) for scores in models.values())
    found = {name: plots.histogram(scores, 0, most, 40) for name, scores in models.items()}
    x = plots.across("score", 0, most)
    y = plots.up("share of rows", 0, 1.05 * max(float(shares.max()) for _, shares in found.values()))
    lines: list[Line] = [plots.steps(name, x, y, *histogram) for name, histogram in found.items()]
    return Plot("Scores", "How many rows get which score.", x, y, lines)


def _difference(gate: Gate, report: GateReport) -> Plot:
    rule, difference = gate.against_champion, report.difference
    assert rule is not None and difference is not None
    result = next(one for one in report.results if one.kind == "against_champion")
    values = difference.resamples[np.isfinite(difference.resamples)]
    bound, low = result.bound or 0.0, result.low
    shown = np.array([*values, difference.value, bound, 0.0, *([low] if low is not None and np.isfinite(low) else [])])
    room = 0.05 * float(np.ptp(shown)) or 0.01
    least, most = float(shown.min()) - room, float(shown.max()) + room
    edges, shares = plots.histogram(values, least, most, 60)
    x = plots.across(f"by how much the challenger's {rule.metric} is better", least, most)
    y = plots.up("share of resamples", 0, 1.35 * float(shares.max(initial=0.01)))
    marks = [Mark("zero", x.place(0), "", 0), Mark("bound", x.place(bound), f"bound {_gain(bound)}", 0)]
    if low is not None:
        marks.append(Mark("held" if result.passed else "broken", x.place(low), f"lower end {_gain(low)}", 1))
    marks.append(Mark("value", x.place(difference.value), f"measured {_gain(difference.value)}", 2))
    note = "The difference on every resample. The lower end must be to the right of the bound."
    return Plot("Challenger against champion", note, x, y, bars=plots.bars(x, y, edges, shares), marks=marks)


def _slices(results: list[RuleResult], metric: str) -> Plot:
    rows = [
        (r.rule.removeprefix("slices."), r.n, r.low, r.value, r.high, bool(r.passed))
        for r in sorted(results, key=lambda result: result.low or 0.0)[:SHOWN]
        if r.low is not None and r.value is not None and r.high is not None
    ]
    note = "By how much the challenger is better in each slice. Every lower end must be to the right of the bound."
    if len(results) > SHOWN:
        note += f" The {SHOWN} lowest of {len(results)}."
    return plots.forest(
        "Slices", note, f"by how much the challenger's {metric} is better", results[0].bound or 0.0, rows
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    made = Environment(loader=templates(Path(__file__).with_name("templates")), autoescape=True, trim_blocks=True)
    made.filters |= {"gain": _gain}
    return made


def _gain(value: float) -> str:
    return told(value, 4, signed=True)
