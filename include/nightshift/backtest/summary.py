"""What the policies of a backtest came to: by month, in all, and against each other, with intervals over days."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby, pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.backtest.models import TrainingCost
from nightshift.backtest.nights import NightResult
from nightshift.backtest.policies import Policy
from nightshift.backtest.walk import Walk
from nightshift.definition.metrics import Metric
from nightshift.definition.prediction import CLASS
from nightshift.training.bootstrap import Draws, Estimate, Integers, Sample, Vector, draw_days, estimate

RESAMPLES = 1000  # of the nights of a month
CONFIDENCE = 0.95  # of each end of an interval
LEAST_NIGHTS = 5  # that an interval, or a verdict of a promotion in hindsight, needs


@dataclass(frozen=True)
class IntervalEstimate:
    """A value with the ends of its interval, each one-sided at `CONFIDENCE`; None of few nights."""

    value: float
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, resampled: Estimate, nights: int) -> IntervalEstimate:
        if nights < LEAST_NIGHTS:
            return cls(resampled.value)
        return cls(resampled.value, *resampled.interval(nights, CONFIDENCE))


@dataclass(frozen=True)
class PolicyRun:
    """A policy's walk, and what it cost and gave.

    Attributes:
        policy: The policy.
        walk: Its nights and trainings.
        results: What each night came to.
        costs: What each training came to.
        gains: By the night after which a model became the champion, by how much it was better than the one before on
            the nights that it scored; None if they are too few to say.
    """

    policy: Policy
    walk: Walk
    results: Mapping[date, NightResult]
    costs: Mapping[date, TrainingCost]
    gains: Mapping[date, float | None]


@dataclass(frozen=True)
class ScoredTable:
    """A night with its labelled rows: `label` and the columns of a score."""

    night: date
    scores: pa.Table


@dataclass(frozen=True)
class MonthSummary:
    """A month under a policy.

    Attributes:
        month: Its first date.
        nights: How many nights have rows.
        metric: The metric of all rows of the month; None where it is not defined.
        value: The value of the decisions; None if none is declared.
        naive: The value of the naive policy.
        trainings: How many models were trained.
        promotions: How many of them became the champion.
    """

    month: date
    nights: int
    metric: IntervalEstimate | None
    value: IntervalEstimate | None
    naive: float | None
    trainings: int
    promotions: int


@dataclass(frozen=True)
class PolicySummary:
    """A policy in all.

    Attributes:
        name: Its name.
        months: Month by month.
        metric: The mean of the months' metric.
        value: The value of all decisions.
        naive: The value of the naive policy.
        against_first: By how much the value exceeds that of the first policy, on the same draws of nights.
        trainings: How many models were trained.
        promotions: How many of them took another's place.
        judged: How many of these scored enough nights to be judged in hindsight.
        wrong: How many of these were worse than the model before by more than the gate's margin.
        seconds: How long the trainings took, one after the other.
    """

    name: str
    months: Sequence[MonthSummary]
    metric: IntervalEstimate | None
    value: IntervalEstimate | None
    naive: float | None
    against_first: IntervalEstimate | None
    trainings: int
    promotions: int
    judged: int
    wrong: int
    seconds: float


def compared_metric(policy: Policy) -> Metric:
    """The metric that a backtest compares: the gate's, or the headline of the prediction."""
    rule = policy.definition.gate.against_champion
    return rule.metric if rule else policy.definition.prediction.metrics.headline


def served_nights(walk: Walk) -> list[tuple[date, date, date, list[date]]]:
    """Of each change of the champion: the night after it, the new model, the old one, and the new one's nights."""
    nights = [(walked.champion, walked.night) for walked in walk.nights if walked.champion is not None]
    periods = [(model, [night for _, night in group]) for model, group in groupby(nights, key=lambda pair: pair[0])]
    promoted = {record.as_of: record.promoted for record in walk.trainings if record.promoted}
    return [(promoted[new], new, old, served) for (old, _), (new, served) in pairwise(periods)]


def summarize(
    runs: Sequence[PolicyRun], metric: Metric, scores_of: Callable[[PolicyRun, date, date], pa.Table]
) -> list[PolicySummary]:
    """What every policy came to.

    Args:
        runs: The policies.
        metric: The metric that is compared.
        scores_of: The labelled rows of a night that a model scored: `label` and the columns of a score.
    """
    summaries: list[PolicySummary] = []
    first_value: Estimate | None = None
    for run in runs:
        months, metrics, values = _months(run, metric, scores_of)
        nights = sum(month.nights for month in months)
        value = _total(values)
        against = value - first_value if value is not None and first_value is not None else None
        first_value = first_value or value
        margin = getattr(run.policy.definition.gate.against_champion, "margin", None) or 0.0
        known = [gain for gain in run.gains.values() if gain is not None]
        naive = [month.naive for month in months if month.naive is not None]
        summaries.append(
            PolicySummary(
                run.policy.name,
                months,
                IntervalEstimate.of(_mean(metrics), nights) if metrics else None,
                IntervalEstimate.of(value, nights) if value is not None else None,
                sum(naive) if naive else None,
                IntervalEstimate.of(against, nights) if against is not None else None,
                len(run.walk.trainings),
                len(run.walk.promotions),
                len(known),
                sum(gain < -margin for gain in known),
                sum(cost.seconds for cost in run.costs.values()),
            )
        )
    return summaries


def _months(
    run: PolicyRun, metric: Metric, scores_of: Callable[[PolicyRun, date, date], pa.Table]
) -> tuple[list[MonthSummary], list[Estimate], list[Estimate]]:
    """The months with their metric and their value on the same resamples of nights."""
    months, metrics, values = list[MonthSummary](), list[Estimate](), list[Estimate]()
    scored = [(walked.night, walked.champion) for walked in run.walk.nights if walked.champion is not None]
    for month, pairs in groupby(scored, key=lambda pair: pair[0].replace(day=1)):
        nights = [ScoredTable(night, scores_of(run, night, model)) for night, model in pairs]
        drawn = draw_days(len(nights), RESAMPLES, month.toordinal())
        measured = _metric(metric, run, nights, drawn)
        results = [run.results[night.night] for night in nights]
        value = _value(results, drawn)
        naive = [result.naive for result in results if result.naive is not None]
        metrics += [measured] if measured is not None else []
        values += [value] if value is not None else []
        trainings = [record for record in run.walk.trainings if record.as_of.replace(day=1) == month]
        promotions = [night for _, night in run.walk.promotions if night.replace(day=1) == month]
        months.append(
            MonthSummary(
                month,
                len(nights),
                IntervalEstimate.of(measured, len(nights)) if measured is not None else None,
                IntervalEstimate.of(value, len(nights)) if value is not None else None,
                sum(naive) if naive else None,
                len(trainings),
                len(promotions),
            )
        )
    return months, metrics, values


def _metric(metric: Metric, run: PolicyRun, nights: Sequence[ScoredTable], drawn: Draws) -> Estimate | None:
    """The metric of a month's rows; None where it is not defined."""
    tables = [night.scores for night in nights]
    rows = np.array([table.num_rows for table in tables])
    if rows.sum() == 0:
        return None
    if run.policy.definition.prediction == CLASS:  # models have learned other classes: the mean of the nights' metric
        return _mean_of_nights([run.results[night.night].metrics.get(metric) for night in nights], rows, drawn)
    joined, days = pa.concat_tables(tables), np.repeat(np.arange(len(tables)), rows)
    labels = pc.cast(joined["label"], pa.float64()).to_numpy()
    resampled = estimate(metric, Sample(labels, joined["score"].to_numpy(), days), drawn)
    return resampled if np.isfinite(resampled.value) else None


def _mean_of_nights(values: Sequence[float | None], rows: Integers, drawn: Draws) -> Estimate | None:
    """The mean of a metric of nights, each by its rows; None if no night has one."""
    weights = rows * np.array([value is not None for value in values])
    if not weights.any():
        return None
    numbers = np.array([value or 0.0 for value in values])
    with np.errstate(invalid="ignore"):
        resamples = (drawn @ (numbers * weights)) / (drawn @ weights)
    return Estimate(float((numbers * weights).sum() / weights.sum()), resamples)


def _value(results: Sequence[NightResult], drawn: Draws) -> Estimate | None:
    values = np.array([0.0 if result.value is None else result.value for result in results])
    if all(result.value is None for result in results):
        return None
    return Estimate(float(values.sum()), np.asarray(drawn @ values, dtype=np.float64))


def _total(estimates: Sequence[Estimate]) -> Estimate | None:
    if not estimates:
        return None
    resamples: Vector = np.sum([each.resamples for each in estimates], axis=0)
    return Estimate(sum(each.value for each in estimates), resamples)


def _mean(estimates: Sequence[Estimate]) -> Estimate:
    total = _total(estimates)
    assert total is not None
    return Estimate(total.value / len(estimates), total.resamples / len(estimates))
