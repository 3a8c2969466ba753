"""The gate: the rules that decide whether a challenger may make the published scores."""

from __future__ import annotations

from functools import cache

import numpy as np

from nightshift.definition.gate import AgainstChampion, Gate
from nightshift.definition.metrics import AVERAGE_METRICS, LARGER_IS_BETTER, Metric
from nightshift.definition.prediction import Prediction
from nightshift.training.bootstrap import Estimate, draw_days, estimate, metrics
from nightshift.training.comparison import exceeds_with_confidence, gain
from nightshift.training.methods import METHODS
from nightshift.training.results import GateReport, Holdout, RuleResult, SmokeResult, format_number
from nightshift.training.slices import judge_slices


def judge(gate: Gate, holdout: Holdout, smoke: SmokeResult | None, seed: int) -> GateReport:
    """Judges a challenger by every rule.

    Args:
        gate: The rules.
        holdout: The outcomes, and the scores of challenger and champion.
        smoke: The smoke test of the challenger's artifact; None if that was judged before.
        seed: The seed of the resamples: the same holdout gets the same verdict.
    """
    artifact = [_smoke(smoke)] if smoke else []
    artifact += [_speed(gate.speed, smoke)] if smoke and gate.speed is not None else []
    artifact += [_size(gate.size, smoke)] if smoke and gate.size is not None else []
    methods, metric_roles, rows = METHODS[holdout.prediction], holdout.prediction.metrics, len(holdout.labels)
    results = [_rows(gate.rows, holdout), methods.label_rule(holdout), _scores(holdout)]
    if not all(result.passed for result in results):
        return GateReport((*results, *artifact), rows)  # no metric would mean anything
    drawn = draw_days(len(holdout.dates), gate.resamples, seed)

    @cache
    def challenger(metric: Metric) -> Estimate:
        return estimate(metric, holdout.sample(holdout.challenger), drawn)

    if gate.leak is not None:
        results.append(_leak(gate.leak, metric_roles.leak, challenger(metric_roles.leak), rows))
    results += [_minimum(metric, bound, challenger(metric), gate, holdout) for metric, bound in gate.minimum.items()]
    for metric in _baseline_metrics(gate, holdout.prediction):
        constant = estimate(metric, holdout.sample(holdout.baseline.scores(metric, rows)), drawn)
        results.append(_baseline(metric, challenger(metric), constant, gate, holdout))
    rule, difference = gate.against_champion, None
    compared = holdout.compared()
    is_part = compared is not holdout
    if rule is not None and is_part and (unfit := methods.unfit_labels(compared.labels)):
        results.append(_incomparable(rule, compared, unfit))
    elif rule is not None and compared.champion is not None:
        successor = challenger(rule.metric)
        if is_part:
            successor = estimate(rule.metric, compared.sample(compared.challenger), drawn)
        champion = estimate(rule.metric, compared.sample(compared.champion), drawn)
        difference = gain(rule.metric, successor, champion)
        results.append(_against_champion(rule, successor, champion, gate, compared))
        results += judge_slices(gate, rule.metric, compared, drawn)
    values = metrics(holdout.labels, holdout.challenger, metric_roles.names)
    return GateReport((*results, *artifact), rows, values, difference)


def _rows(least: int, holdout: Holdout) -> RuleResult:
    rows, nights = len(holdout.labels), len(holdout.dates)
    sentence = f"{rows} labelled rows of {nights} nights" + (f", at least {least} are needed" if rows < least else "")
    return RuleResult("rows", rows, least, rows, rows >= least, sentence)


def _scores(holdout: Holdout) -> RuleResult:
    scores, rows = holdout.challenger, len(holdout.labels)
    if invalid := int((~METHODS[holdout.prediction].valid_scores(scores)).sum()):
        sentence = f"{invalid} of {rows} scores are no {holdout.prediction.valid_scores}"
        return RuleResult("scores", None, None, rows, False, sentence)
    different = len(np.unique(scores, axis=0))
    sentence = f"{different} different scores from {format_number(scores.min(), 3)} to {format_number(scores.max(), 3)}"
    if different == 1:
        sentence = f"every row has the score {format_number(scores[0].max(), 3)}: the model does not distinguish rows"
    return RuleResult("scores", different, 2, rows, different > 1, sentence)


def _leak(suspicious: float, metric: Metric, challenger: Estimate, rows: int) -> RuleResult:
    leaks = challenger.value >= suspicious
    sentence = f"{metric} {challenger.value:.4f}"
    sentence += f" is too good to be true ({suspicious:.4g} or more): does a feature know the label?" if leaks else ""
    return RuleResult("leak", challenger.value, suspicious, rows, not leaks, sentence)


def _minimum(metric: Metric, bound: float, challenger: Estimate, gate: Gate, holdout: Holdout) -> RuleResult:
    larger, days = metric in LARGER_IS_BETTER, len(holdout.dates)
    passed = challenger.value >= bound if larger else challenger.value <= bound
    low, high = challenger.interval(days, gate.confidence) if days >= gate.min_days else (None, None)
    value, sign = format_number(challenger.value, 3), "≥" if larger else "≤"
    sentence = f"{metric} {value}, bound {sign} {format_number(bound, 3)}"
    return RuleResult(f"minimum.{metric}", challenger.value, bound, len(holdout.labels), passed, sentence, low, high)


def _baseline_metrics(gate: Gate, prediction: Prediction) -> list[Metric]:
    """The metrics that the gate names, without those in which a constant can be perfect."""
    if not gate.baseline:
        return []
    named = [*gate.minimum, *([gate.against_champion.metric] if gate.against_champion else [])]
    comparable = [metric for metric in dict.fromkeys(named) if metric not in AVERAGE_METRICS]
    return comparable or [prediction.metrics.baseline]


def _baseline(metric: Metric, challenger: Estimate, constant: Estimate, gate: Gate, holdout: Holdout) -> RuleResult:
    sentence = f"{metric} {format_number(challenger.value, 3)} against a constant's {format_number(constant.value, 3)}"
    gained, days = gain(metric, challenger, constant), len(holdout.dates)
    return exceeds_with_confidence(f"baseline.{metric}", gained, 0.0, gate, days, len(holdout.labels), sentence)


def _against_champion(
    rule: AgainstChampion, challenger: Estimate, champion: Estimate, gate: Gate, holdout: Holdout
) -> RuleResult:
    value, reference = format_number(challenger.value, 3), format_number(champion.value, 3)
    sentence = f"{rule.metric} {value} against the champion's {reference}"
    gained, bound = gain(rule.metric, challenger, champion), -rule.margin if rule.margin else 0.0
    name, days = f"against_champion.{rule.metric}", len(holdout.dates)
    return exceeds_with_confidence(name, gained, bound, gate, days, len(holdout.labels), sentence)


def _incomparable(rule: AgainstChampion, compared: Holdout, unfit: str) -> RuleResult:
    """The rows of the classes that both versions have learned are not fit for any metric."""
    sentence = f"{rule.metric} is not compared with the champion's: {unfit} among those that both have learned"
    return RuleResult(f"against_champion.{rule.metric}", None, None, len(compared.labels), False, sentence)


def _smoke(smoke: SmokeResult) -> RuleResult:
    sentence = smoke.problem or f"loaded in a process of its own, it gave the same {smoke.rows} scores"
    return RuleResult("smoke", None, None, smoke.rows, not smoke.problem, sentence)


def _speed(least: float, smoke: SmokeResult) -> RuleResult:
    if smoke.speed is None:
        return RuleResult("speed", None, least, smoke.rows, False, "its speed could not be measured")
    sentence = f"{smoke.speed:,.0f} rows a second, bound ≥ {least:,.0f}"
    return RuleResult("speed", smoke.speed, least, smoke.rows, smoke.speed >= least, sentence)


def _size(most: float, smoke: SmokeResult) -> RuleResult:
    sentence = f"{smoke.size:.3g} MiB, bound ≤ {most:.3g}"
    return RuleResult("size", smoke.size, most, smoke.rows, smoke.size <= most, sentence)
