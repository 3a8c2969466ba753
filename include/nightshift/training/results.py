"""What the gate judges, and the results of its rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.metrics import Metric
from nightshift.definition.prediction import PROBABILITY, Prediction
from nightshift.registry.calibration import divided_by_sum
from nightshift.registry.classes import LabelClasses, label_values
from nightshift.training.bootstrap import Estimate, Integers, Sample, Vector

LISTED = 5  # failed rules in a summary
NO_DECIMALS = 1000.0  # from here on, the decimals of a number are left out
MISSING = "(missing)"


def format_number(value: float, digits: int, *, signed: bool = False) -> str:
    """A number for people: with `digits` decimals, fewer if it is large, two significant digits if it is tiny."""
    sign = "+" if signed else ""
    if abs(value) >= NO_DECIMALS:
        return f"{value:{sign},.0f}"
    if 0 < abs(value) < 10**-digits:
        return f"{value:{sign}.2g}"
    return f"{value:{sign}.{digits}f}"


@dataclass(frozen=True)
class Baseline:
    """The constant scores of a model without features, from the labels of the training period.

    Attributes:
        mean: Their mean: of a condition, its base rate.
        median: Their median.
        shares: Of a class: the share of each.
    """

    mean: float = 0.0
    median: float = 0.0
    shares: tuple[float, ...] = ()

    def scores(self, metric: Metric, rows: int) -> Vector:
        """The same score for all rows: the best constant in a metric, shape (rows,) or (rows, classes).

        The median has the least absolute error of all constants.
        """
        if self.shares:
            return np.tile(self.shares, (rows, 1))
        return np.full(rows, self.median if metric == "mae" else self.mean)


@dataclass(frozen=True)
class LabelSummary:
    """The statistics of a training period's labels.

    Attributes:
        positives: How many rows are positive; None of another label than a condition.
        mean: The mean of labels that are numbers, else None.
        median: Their median, else None.
        counts: How many rows each class has; none of another label.
    """

    positives: int | None = None
    mean: float | None = None
    median: float | None = None
    counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Holdout:
    """The holdout's outcomes and both models' scores.

    Attributes:
        labels: The outcomes, 0 or 1 of a condition, of a class its position in `classes`, shape (rows,).
        days: Each row's day, as a position in `dates`.
        dates: The days that have labelled rows, ascending.
        challenger: The challenger's scores, shape (rows,), of a class (rows, classes).
        champion: The champion's scores, of a class given that it is one of `classes`; None if there is no champion, or
            it cannot score these rows.
        baseline: The mean and the median of the training period's labels.
        columns: The values of the slices' columns, by the column's name.
        prediction: What the scores predict.
        classes: The classes of the labels; none if these are conditions or numbers.
        shared: The classes that mean the same to the champion.
    """

    labels: Vector
    days: Integers
    dates: tuple[date, ...]
    challenger: Vector
    champion: Vector | None
    baseline: Baseline
    columns: Mapping[str, npt.NDArray[np.str_]] = field(default_factory=dict)
    prediction: Prediction = PROBABILITY
    classes: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        rows: pa.Table,
        challenger: Vector,
        champion: Vector | None,
        baseline: Baseline,
        columns: tuple[str, ...],
        *,
        prediction: Prediction = PROBABILITY,
        classes: LabelClasses | None = None,
        champion_classes: LabelClasses | None = None,
    ) -> Holdout:
        """The holdout of labelled rows and their scores; of a class, of rows that count for one.

        There is no champion to compare with if fewer than two classes mean the same to it.
        """
        dates = sorted(pc.unique(rows["score_date"]).to_pylist())
        days = pc.index_in(rows["score_date"], pa.array(dates, rows["score_date"].type)).to_numpy().astype(np.int64)
        texts = {name: pc.fill_null(rows[name].cast(pa.string()), MISSING).to_numpy().astype(str) for name in columns}
        labels, names, shared = label_values(rows, classes), classes.names if classes else (), tuple[str, ...]()
        if classes is not None and champion is not None and champion_classes is not None:
            shared = classes.shared_with(champion_classes)
            champion = _of_classes(champion, champion_classes, classes) if len(shared) > 1 else None
        return cls(labels, days, tuple(dates), challenger, champion, baseline, texts, prediction, names, shared)

    def compared(self) -> Holdout:
        """The part on which challenger and champion are compared: all of it unless they have learned other classes.

        Then it has the rows of the classes that both have, with the probabilities given that it is one of these.
        """
        if self.champion is None or self.shared == self.classes:
            return self
        places = [self.classes.index(name) for name in self.shared]
        rows = np.isin(self.labels, places)
        return replace(
            self,
            labels=np.searchsorted(places, self.labels[rows]).astype(np.float64),
            days=self.days[rows],
            challenger=_given(self.challenger[rows][:, places]),
            champion=_given(self.champion[rows][:, places]),
            columns={name: texts[rows] for name, texts in self.columns.items()},
            classes=self.shared,
        )

    def sample(self, scores: Vector, rows: npt.NDArray[np.bool_] | None = None) -> Sample:
        """Scores of all rows, or of those that a mask selects."""
        if rows is None:
            return Sample(self.labels, scores, self.days)
        return Sample(self.labels[rows], scores[rows], self.days[rows])


def _of_classes(champion: Vector, learned: LabelClasses, classes: LabelClasses) -> Vector:
    """The champion's probabilities of some classes, given that it is one of them: no row has any other."""
    aligned = classes.align(champion, learned.names)
    return aligned if set(learned.names) <= set(classes.names) else _given(aligned)


def _given(probabilities: Vector) -> Vector:
    """The probabilities of some classes, given that it is one of them; alike where all of them are 0."""
    return divided_by_sum(probabilities, 1 / probabilities.shape[1])


@dataclass(frozen=True)
class SmokeResult:
    """The result of loading and scoring the stored artifact in a new process.

    Attributes:
        size: The size of all its files in MiB.
        rows: How many rows it was given to score.
        speed: Scored rows a second; None if it could not score.
        problem: What failed, in words; empty if it gave the same scores.
    """

    size: float
    rows: int
    speed: float | None
    problem: str = ""


@dataclass(frozen=True)
class RuleResult:
    """The result of a rule of the gate.

    Attributes:
        rule: The rule's name, as in the definition.
        value: The measured value.
        bound: The bound of the value.
        rows: The number of rows that were measured.
        passed: Whether it passed; None if it could not be judged, which does not refuse the model.
        sentence: The result in words.
        low: The lower end of its interval, one-sided at the gate's confidence; None if it has no interval.
        high: The upper end.
    """

    rule: str
    value: float | None
    bound: float | None
    rows: int
    passed: bool | None
    sentence: str
    low: float | None = None
    high: float | None = None

    @property
    def kind(self) -> str:
        return self.rule.split(".")[0]

    @property
    def verdict(self) -> str:
        return {True: "pass", False: "fail", None: "not judged"}[self.passed]

    @property
    def detail(self) -> str:
        """The sentence, with the interval and the number of rows."""
        if self.low is None or self.high is None:
            return self.sentence
        return (
            f"{self.sentence}; interval {format_number(self.low, 4)} to {format_number(self.high, 4)}, {self.rows} rows"
        )


@dataclass(frozen=True)
class GateReport:
    """The results of every rule on the holdout.

    Attributes:
        results: The results in the order in which they were judged.
        rows: The number of labelled rows of the holdout.
        metrics: Every metric of the challenger; empty if the holdout or the scores are unfit for any.
        difference: By how much the challenger is better than the champion in the compared metric; None if they are
            not compared.
    """

    results: tuple[RuleResult, ...]
    rows: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    difference: Estimate | None = None

    @property
    def passed(self) -> bool:
        return all(result.passed is not False for result in self.results)

    def reasons(self) -> list[str]:
        """Why the model passed or was refused: the failed rules, or else the metrics and comparisons."""
        if not self.passed:
            failed = [result.sentence for result in self.results if result.passed is False]
            return [*failed[:LISTED], *([f"and {len(failed) - LISTED} more"] if len(failed) > LISTED else [])]
        listed = [result.sentence for result in self.results if result.kind in {"minimum", "against_champion"}]
        slices = [result.passed for result in self.results if result.kind == "slices"]
        if slices:
            small = slices.count(None)
            listed.append(f"slices: {slices.count(True)} hold" + (f", {small} not judged" if small else ""))
        return listed or [result.sentence for result in self.results if result.passed]

    def summary(self) -> str:
        """The reasons as one sentence."""
        return "; ".join(self.reasons())
