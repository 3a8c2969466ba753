"""What became of a scored night, once its labels are final."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.prediction import PROBABILITY, Prediction
from nightshift.lake.tables import ROW_NUMBER
from nightshift.monitoring.estimate import held, references
from nightshift.monitoring.expectation import Expectation, Metrics
from nightshift.types import Measurement

MADE_FROM = "made_from"  # the statistic whose detail names the rows that a night's outcome was measured on


def measure_outcomes(
    labelled: pa.Table,
    observations: int,
    version: int | None,
    metrics: Metrics,
    expected: Expectation | None = None,
    *,
    prediction: Prediction = PROBABILITY,
    note: str = "",
) -> list[Measurement]:
    """How well a night's scores met its outcomes.

    Args:
        labelled: The night's rows that have a label, with `score` and `label`.
        observations: How many rows were scored.
        version: The version that scored them.
        metrics: The metrics of labels and scores; NaN where one is not defined.
        expected: What the version's holdout lets expect, if it is known.
        prediction: What the version predicts.
        note: What is to be said of the labels.

    Returns:
        One measurement a statistic, the same ones whatever the rows are. What is not defined, such as the area under
        a curve of one class, has no value and is unknown.
    """
    known = labelled.filter(pa.array(np.isfinite(labelled["score"].to_numpy())))
    labels, scores = known["label"].to_numpy().astype(np.float64), known["score"].to_numpy()
    rows, bands = len(labels), expected.realized if expected else {}
    covered = labelled.num_rows / observations if observations else None
    verdict = "pass" if labelled.num_rows else "unknown"
    measured = [Measurement("night", "label_coverage", covered, None, labelled.num_rows, verdict, note, version)]
    averaged = {prediction.label_mean: labels, "mean_score": scores}
    averaged |= {"bias": scores - labels} if "bias" in prediction.metrics.names else {}
    why = "no label" if rows == 0 else "all outcomes were the same" if len(np.unique(labels)) == 1 else ""
    means = {name: float(values.mean()) if rows else None for name, values in averaged.items()}
    found = metrics(labels, scores) if rows else dict.fromkeys(_named(metrics))
    measured += [
        held(name, value, bands.get(name), rows, version, why=why) for name, value in {**means, **found}.items()
    ]
    return measured if expected is None else [*measured, *references(expected, version, found)]


def settle_labels(labels: pa.Table, key: tuple[str, ...]) -> tuple[pa.Table, int]:
    """One label an observation: the same one told twice counts once, of two different ones none is known.

    Args:
        labels: `score_date`, the key, `label` and whatever is beside it.
        key: The observation's key.

    Returns:
        The labels, and how many observations had different ones.
    """
    by = ["score_date", *key]
    numbered = labels.select([*by, "label"]).append_column(ROW_NUMBER, pa.array(np.arange(labels.num_rows)))
    found = numbered.group_by(by).aggregate([("label", "min"), ("label", "max"), (ROW_NUMBER, "min")])
    different = pc.not_equal(found["label_min"], found["label_max"])
    kept = found.filter(pc.invert(different))[f"{ROW_NUMBER}_min"]
    return labels.take(pc.take(kept, pc.sort_indices(kept))), int(pc.sum(different).as_py() or 0)


def _named(metrics: Metrics) -> list[str]:
    """The metrics' names, learned from rows that define them all."""
    return list(metrics(np.array([0.0, 1.0]), np.array([0.25, 0.75])))
