"""The page of a gate: every rule with its numbers, and the plots that show why."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from jinja2 import Environment

from nightshift.definition.gate import Gate
from nightshift.pages import POLICY, plots, templates
from nightshift.pages.plots import Mark, Plot
from nightshift.registry.decision_threshold import DecisionThreshold
from nightshift.training.methods import METHODS
from nightshift.training.results import GateReport, Holdout, RuleResult, format_number

SHOWN = 60  # slices in the plot, the lowest first
FIRST_KINDS = ("against_champion", "slices", "minimum", "baseline")  # of the rules that passed


def render_gate(
    title: str,
    gate: Gate,
    holdout: Holdout,
    report: GateReport,
    against: str,
    without: Sequence[str] = (),
    *,
    threshold: DecisionThreshold | None = None,
    period: str = "Holdout",
) -> str:
    """The page of a gate.

    Args:
        title: Of the page.
        gate: The rules.
        holdout: The holdout that they were judged on.
        report: Their results.
        against: Which champion the challenger was compared with, or why there was none.
        without: The features that the challenger was fitted without, since they had no value.
        threshold: The challenger's threshold of decisions; None if it has none.
        period: What the days of the holdout are.

    Returns:
        One HTML page that refers to nothing outside of itself.
    """
    nights = f"{holdout.dates[0]} to {holdout.dates[-1]}, {len(holdout.dates)} nights"
    in_holdout, in_training = METHODS[holdout.prediction].describe_labels(holdout)
    facts = {
        period: f"{nights}, {report.rows:,} labelled rows, {in_holdout}",
        "Trained on": f"a period with {in_training}",
        **({"Without": f"{', '.join(without)}: no value in any row of the training period"} if without else {}),
        **({"Decision": _decision(threshold)} if threshold else {}),
        "Compared": against,
        "Intervals": f"{gate.resamples:,} resamples of whole nights; each end is one-sided, {gate.confidence_text}",
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


def _decision(threshold: DecisionThreshold) -> str:
    """A threshold with what it is worth on the holdout, as a sentence."""
    decision = f"score >= {threshold.threshold:.4g}"
    if threshold.value is None:
        return f"{decision}, as declared"
    if threshold.low is not None and threshold.high is not None:
        decision += f" (the best of resampled nights: {threshold.low:.4g} to {threshold.high:.4g})"
    naive = f", the naive policy {format_number(threshold.naive, 0)}" if threshold.naive is not None else ""
    return f"{decision}; worth {format_number(threshold.value, 0)} on {threshold.rows:,} rows of the holdout{naive}"


def _headline(judged: Sequence[RuleResult]) -> str:
    failed = sum(not result.passed for result in judged)
    return f"{failed} of {len(judged)} rules failed." if failed else f"All {len(judged)} rules passed."


def _place(result: RuleResult) -> tuple[bool, int]:
    """Failed rules first, then the rules about how good the model is."""
    last = len(FIRST_KINDS)
    return bool(result.passed), FIRST_KINDS.index(result.kind) if result.kind in FIRST_KINDS else last


def _plots(gate: Gate, holdout: Holdout, report: GateReport) -> list[Plot]:
    models = {"challenger": holdout.challenger}
    if holdout.champion is not None:
        models = {"champion": holdout.champion} | models
    drawn = METHODS[holdout.prediction].plots(holdout, models)
    if report.difference is not None:
        drawn.insert(0, _difference(gate, report))
    slices = [r for r in report.results if r.kind == "slices" and r.low is not None]
    rule = gate.against_champion
    return [*drawn, _slices(slices, rule.metric)] if slices and rule is not None else drawn


def _difference(gate: Gate, report: GateReport) -> Plot:
    rule, difference = gate.against_champion, report.difference
    assert rule is not None and difference is not None
    result = next(result for result in report.results if result.kind == "against_champion")
    values = difference.resamples[np.isfinite(difference.resamples)]
    bound, low = result.bound or 0.0, result.low
    shown = np.array([*values, difference.value, bound, 0.0, *([low] if low is not None and np.isfinite(low) else [])])
    room = 0.05 * float(np.ptp(shown)) or 0.01
    least, most = float(shown.min()) - room, float(shown.max()) + room
    edges, shares = plots.histogram(values, least, most, 60)
    x = plots.horizontal_axis(f"by how much the challenger's {rule.metric} is better", least, most)
    y = plots.vertical_axis("share of resamples", 0, 1.35 * float(shares.max(initial=0.01)))
    marks = [Mark("zero", x.pixel(0), "", 0), Mark("bound", x.pixel(bound), f"bound {_gain(bound)}", 0)]
    if low is not None:
        marks.append(Mark("passed" if result.passed else "failed", x.pixel(low), f"lower end {_gain(low)}", 1))
    marks.append(Mark("value", x.pixel(difference.value), f"measured {_gain(difference.value)}", 2))
    note = "The difference on every resample. The lower end must be to the right of the bound."
    return Plot("Challenger against champion", note, x, y, bars=plots.bars(x, y, edges, shares), marks=marks)


def _slices(results: list[RuleResult], metric: str) -> Plot:
    rows = [
        (r.rule.removeprefix("slices."), r.rows, r.low, r.value, r.high, bool(r.passed))
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
    loader = templates(Path(__file__).with_name("templates"))
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True)
    environment.filters |= {"gain": _gain}
    return environment


def _gain(value: float) -> str:
    return format_number(value, 4, signed=True)
