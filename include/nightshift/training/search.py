"""Searches a declared grid of parameters, on folds that are ordered by time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from math import inf, isnan
from statistics import mean
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.metrics import LARGER_IS_BETTER, Metric
from nightshift.definition.model import ModelDefinition
from nightshift.errors import TerminalError
from nightshift.registry.classes import label_values
from nightshift.training.bootstrap import metrics
from nightshift.training.classes import present_classes
from nightshift.training.fit import fit_uncalibrated, split_at


@dataclass(frozen=True)
class Trial:
    """A combination of the grid's parameters.

    Attributes:
        params: The parameters of the grid.
        scores: The metric on each fold.
    """

    params: dict[str, Any]
    scores: tuple[float, ...]

    @property
    def score(self) -> float:
        """The mean of the metric over the folds."""
        return mean(self.scores)


def search(definition: ModelDefinition, rows: pa.Table, progress: Callable[[str], None]) -> list[Trial]:
    """Tries every combination of the declared grid.

    Each fold is judged by a model that is fitted on all days before it, as in a training.

    Args:
        definition: A definition with a `training.search`.
        rows: Labelled rows.
        progress: Receives a line for each trial.

    Returns:
        The trials, the best first; of equal trials, the first in the grid's order comes first.
    """
    declared = definition.training.search
    assert declared is not None
    points = [dict(zip(declared.grid, values, strict=True)) for values in itertools.product(*declared.grid.values())]
    folds = list(time_folds(rows, declared.folds, definition.label.overlap))
    metric, trials = definition.search_metric, []
    for number, params in enumerate(points):
        scores = tuple(_score(definition, params, metric, *fold) for fold in folds)
        trials.append(Trial(params, scores))
        progress(f"search: {number + 1} of {len(points)}: {metric} {trials[-1].score:.4f} with {params}")
    sign = -1 if metric in LARGER_IS_BETTER else 1
    return sorted(trials, key=lambda trial: inf if isnan(trial.score) else sign * trial.score)


def time_folds(rows: pa.Table, folds: int, overlap: timedelta = timedelta(0)) -> Iterator[tuple[pa.Table, pa.Table]]:
    """The rows that each fold fits on and is judged on: the days before it, and its own days.

    Args:
        rows: Labelled rows.
        folds: The number of folds.
        overlap: How far outcomes reach into later dates: a fold does not fit on so many days before its own.

    Raises:
        TerminalError: If there are too few days, or all labels of a part are the same.
    """
    days = sorted(pc.unique(rows["score_date"]).to_pylist())
    ends = [round(len(days) * part / (folds + 1)) for part in range(folds + 2)]
    for start, end in itertools.pairwise(ends[1:]):
        until = rows.filter(pc.less_equal(rows["score_date"], pa.scalar(days[end - 1], pa.date32())))
        parts = split_at(until, days[start], overlap)
        if any(len(pc.unique(part["label"])) < 2 for part in parts):
            raise TerminalError(
                "a fold of the search has no rows of different labels",
                where="training.search.folds",
                received=f"{len(days)} nights in {folds + 1} parts",
                fix="fewer folds, or a longer period",
            )
        yield parts[0], parts[1]


def _score(
    definition: ModelDefinition, params: dict[str, Any], metric: Metric, training: pa.Table, holdout: pa.Table
) -> float:
    # Without calibration: a fold has too few days for it.
    package = fit_uncalibrated(definition, training, params)
    scores, classes = package.score(holdout), None
    if package.classes is not None:  # a fold may have a class that the rows before it do not have
        classes = present_classes(definition, pa.chunked_array([*training["label"].chunks, *holdout["label"].chunks]))
        assert classes is not None
        scores = classes.align(scores, package.classes.names)
    return metrics(label_values(holdout, classes), scores, (metric,))[metric]
