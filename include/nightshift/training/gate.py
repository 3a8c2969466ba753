"""The gate: the rules that decide whether a challenger may make the published scores."""

from __future__ import annotations

from functools import cache

import numpy as np

from nightshift.definition.gate import AgainstChampion, Gate
from nightshift.definition.metrics import AVERAGE_METRICS, LARGER_IS_BETTER, Metric
from nightshift.definition.prediction import NUMBER, PROBABILITY
from nightshift.training.bootstrap import Estimate, draw_days, estimate, metrics
from nightshift.training.comparison import OF_A_CLASS, gain, surely_above
from nightshift.training.results import GateReport, Holdout, RuleResult, Stored, told
from nightshift.training.slices import judge_slices


def judge(gate: Gate, holdout: Holdout, stored: Stored | None, seed: int) -> GateReport:
    """Holds a challenger against every rule.

    Args:
        gate: The rules.
        holdout: The outcomes, and the scores of challenger and champion.
        stored: What became of the challenger's artifact in a process of its own; None if that was judged before.
        seed: Of the resamples: the same holdout gets the same verdict.
    """
    artifact = [_smoke(stored)] if stored else []
    artifact += [_speed(gate.speed, stored)] if stored and gate.speed is not None else []
    artifact += [_size(gate.size, stored)] if stored and gate.size is not None else []
    labels = _labels(holdout) if holdout.regression else _classes(holdout)
    results, rows = [_rows(gate.rows, holdout), labels, _scores(holdout)], len(holdout.labels)
    if not all(result.passed for result in results):
        return GateReport((*results, *artifact), rows)  # no metric would mean anything
    drawn = draw_days(len(holdout.dates), gate.resamples, seed)

    @cache
    def challenger(metric: Metric) -> Estimate:
        return estimate(metric, holdout.sample(holdout.challenger), drawn)

    telling: Metric = "r2" if holdout.regression else "roc_auc"
    results += [_leak(gate.leak, telling, challenger(telling), rows)] if gate.leak is not None else []
    results += [_minimum(metric, bound, challenger(metric), gate, holdout) for metric, bound in gate.minimum.items()]
    for metric in _against_baseline(gate, holdout.regression):
        constant = estimate(metric, holdout.sample(np.full(rows, holdout.constants.of(metric))), drawn)
        results.append(_baseline(metric, challenger(metric), constant, gate, holdout))
    rule, difference = gate.against_champion, None
    if rule is not None and holdout.champion is not None:
        champion = estimate(rule.metric, holdout.sample(holdout.champion), drawn)
        difference = gain(rule.metric, challenger(rule.metric), champion)
        results.append(_against_champion(rule, challenger(rule.metric), champion, gate, holdout))
        results += judge_slices(gate, rule.metric, holdout, drawn)
    found = metrics(holdout.labels, holdout.challenger, (NUMBER if holdout.regression else PROBABILITY).metrics.names)
    return GateReport((*results, *artifact), rows, found, difference)


def _rows(least: int, holdout: Holdout) -> RuleResult:
    rows, days = len(holdout.labels), len(holdout.dates)
    sentence = f"{rows} labelled rows of {days} days" + (f", at least {least} are needed" if rows < least else "")
    return RuleResult("rows", rows, least, rows, rows >= least, sentence)


def _classes(holdout: Holdout) -> RuleResult:
    rows, positive = len(holdout.labels), int(holdout.labels.sum())
    fewest = min(positive, rows - positive)
    sentence = f"{positive} positive and {rows - positive} negative rows"
    sentence += f", at least {OF_A_CLASS} of each are needed" if fewest < OF_A_CLASS else ""
    return RuleResult("classes", fewest, OF_A_CLASS, rows, fewest >= OF_A_CLASS, sentence)


def _labels(holdout: Holdout) -> RuleResult:
    labels, different = holdout.labels, len(np.unique(holdout.labels))
    sentence = f"{different} different labels from {told(labels.min(), 3)} to {told(labels.max(), 3)}"
    if different == 1:
        sentence = f"every row has the label {told(labels[0], 3)}: no model can be told from another"
    return RuleResult("labels", different, 2, len(labels), different > 1, sentence)


def _scores(holdout: Holdout) -> RuleResult:
    scores, rows = holdout.challenger, len(holdout.labels)
    right = np.isfinite(scores) if holdout.regression else (scores >= 0) & (scores <= 1)
    if wrong := int((~right).sum()):
        sentence = f"{wrong} of {rows} scores are no {'finite numbers' if holdout.regression else 'probabilities'}"
        return RuleResult("scores", None, None, rows, False, sentence)
    different = len(np.unique(scores))
    sentence = f"{different} different scores from {told(scores.min(), 3)} to {told(scores.max(), 3)}"
    if different == 1:
        sentence = f"every row has the score {told(scores[0], 3)}: the model tells no row from another"
    return RuleResult("scores", different, 2, rows, different > 1, sentence)


def _leak(suspicious: float, metric: Metric, found: Estimate, rows: int) -> RuleResult:
    leaks = found.value >= suspicious
    sentence = f"{metric} {found.value:.4f}"
    sentence += f" is too good to be true ({suspicious:.4g} or more): does a feature know the label?" if leaks else ""
    return RuleResult("leak", found.value, suspicious, rows, not leaks, sentence)


def _minimum(metric: Metric, bound: float, found: Estimate, gate: Gate, holdout: Holdout) -> RuleResult:
    larger, days = metric in LARGER_IS_BETTER, len(holdout.dates)
    passed = found.value >= bound if larger else found.value <= bound
    low, high = found.interval(days, gate.confidence) if days >= gate.days else (None, None)
    sentence = f"{metric} {told(found.value, 3)}, bound {'≥' if larger else '≤'} {told(bound, 3)}"
    return RuleResult(f"minimum.{metric}", found.value, bound, len(holdout.labels), passed, sentence, low, high)


def _against_baseline(gate: Gate, regression: bool) -> list[Metric]:
    """The gate's own metrics, but those that a constant is good at."""
    if not gate.baseline:
        return []
    named = [*gate.minimum, *([gate.against_champion.metric] if gate.against_champion else [])]
    telling = [metric for metric in dict.fromkeys(named) if metric not in AVERAGE_METRICS]
    return telling or ["rmse" if regression else "log_loss"]


def _baseline(metric: Metric, found: Estimate, constant: Estimate, gate: Gate, holdout: Holdout) -> RuleResult:
    sentence = f"{metric} {told(found.value, 3)} against a constant's {told(constant.value, 3)}"
    gained, days = gain(metric, found, constant), len(holdout.dates)
    return surely_above(f"baseline.{metric}", gained, 0.0, gate, days, len(holdout.labels), sentence)


def _against_champion(
    rule: AgainstChampion, found: Estimate, champion: Estimate, gate: Gate, holdout: Holdout
) -> RuleResult:
    sentence = f"{rule.metric} {told(found.value, 3)} against the champion's {told(champion.value, 3)}"
    gained, bound = gain(rule.metric, found, champion), -rule.margin if rule.margin else 0.0
    name, days = f"against_champion.{rule.metric}", len(holdout.dates)
    return surely_above(name, gained, bound, gate, days, len(holdout.labels), sentence)


def _smoke(stored: Stored) -> RuleResult:
    sentence = stored.problem or f"loaded in a process of its own, it gave the same {stored.rows} scores"
    return RuleResult("smoke", None, None, stored.rows, not stored.problem, sentence)


def _speed(least: float, stored: Stored) -> RuleResult:
    if stored.speed is None:
        return RuleResult("speed", None, least, stored.rows, False, "its speed could not be measured")
    sentence = f"{stored.speed:,.0f} rows a second, bound ≥ {least:,.0f}"
    return RuleResult("speed", stored.speed, least, stored.rows, stored.speed >= least, sentence)


def _size(most: float, stored: Stored) -> RuleResult:
    sentence = f"{stored.size:.3g} MiB, bound ≤ {most:.3g}"
    return RuleResult("size", stored.size, most, stored.rows, stored.size <= most, sentence)
