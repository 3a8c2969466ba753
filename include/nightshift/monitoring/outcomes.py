"""The outcome of a scored night: its metrics on final labels."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.model import ModelDefinition
from nightshift.definition.prediction import CLASS, PROBABILITY, Prediction
from nightshift.lake.tables import ROW_NUMBER
from nightshift.lake.zeros import with_plain_zeros
from nightshift.monitoring.estimate import holdout_means, measure_against_band
from nightshift.monitoring.expected_performance import ExpectedPerformance, Metrics
from nightshift.registry.classes import LabelClasses, label_values, read_scores
from nightshift.types import Measurement

INPUTS = "made_from"  # the statistic whose detail is the fingerprint of the rows that an outcome was measured on


def measure_outcomes(
    labelled: pa.Table,
    observations: int,
    version: int | None,
    metrics: Metrics,
    expected: ExpectedPerformance | None = None,
    *,
    prediction: Prediction = PROBABILITY,
    classes: LabelClasses | None = None,
    note: str = "",
) -> list[Measurement]:
    """Measures a night's scores against its labels.

    Args:
        labelled: The night's rows that have a label that counts, with `label` and the columns of a score.
        observations: How many rows were scored.
        version: The version that scored them.
        metrics: The metrics of labels and scores; NaN where one is not defined.
        expected: The performance expected of the version's nights, if it has one.
        prediction: What the version predicts.
        classes: Its classes; None if it predicts a condition or a number.
        note: A note about the labels.

    Returns:
        One measurement a statistic, the same statistics for any rows. One that is not defined, such as the area under
        a curve of one class, has no value and is unknown.
    """
    is_finite = np.isfinite(labelled["score"].to_numpy())
    scored = labelled if is_finite.all() else labelled.filter(pa.array(is_finite))
    labels, scores = label_values(scored, classes).astype(np.float64, copy=False), read_scores(scored, classes)
    rows, bands = len(labels), expected.realized if expected else {}
    coverage = labelled.num_rows / observations if observations else None
    verdict = "pass" if labelled.num_rows else "unknown"
    measured = [Measurement("night", "label_coverage", coverage, None, labelled.num_rows, verdict, note, version)]
    averaged = {prediction.label_mean: lambda: labels} if prediction.label_mean else {}
    averaged |= {"mean_score": lambda: scored["score"].to_numpy()}
    averaged |= {"bias": lambda: scores - labels} if "bias" in prediction.metrics.names else {}
    undefined = "no label" if rows == 0 else "all labels are the same" if labels.min() == labels.max() else ""
    means = {name: float(column().mean()) if rows else None for name, column in averaged.items()}
    values = metrics(labels, scores) if rows else dict.fromkeys(_metric_names(metrics, prediction == CLASS))
    measured += [
        measure_against_band(name, value, bands.get(name), rows, version, undefined=undefined)
        for name, value in {**means, **values}.items()
    ]
    return measured if expected is None else [*measured, *holdout_means(bands, version, values)]


def unmatched_labels(subject: str, definition: ModelDefinition, unmatched: int, labels: int) -> Measurement:
    """How many labels have no observation: their outcomes count nowhere.

    Args:
        subject: What the labels are of.
        definition: The model definition.
        unmatched: How many labels have no observation.
        labels: How many labels there are.
    """
    source = definition.label.source
    share = definition.sources[source].uncounted
    beyond = unmatched > share * labels
    detail = (
        f"{unmatched:,} of {labels:,} labels of {source} have no observation in {definition.observations.source}; at "
        f"most {share:.4g} of them may: their outcomes count nowhere"
    )
    verdict, detail = ("warn", detail) if beyond else ("pass", "")
    return Measurement(subject, "labels_without_observation", unmatched, share * labels, labels, verdict, detail)


def settle_labels(labels: pa.Table, key: tuple[str, ...]) -> tuple[pa.Table, int]:
    """One label an observation: equal labels count once, of different ones none counts.

    Args:
        labels: `score_date`, the key, `label` and any further columns.
        key: The observation's key.

    Returns:
        The labels, and how many observations had different ones.
    """
    by = ["score_date", *key]
    numbered = labels.select([*by, "label"]).append_column(ROW_NUMBER, pa.array(np.arange(labels.num_rows)))
    groups = (
        with_plain_zeros(numbered, by).group_by(by).aggregate([("label", "min"), ("label", "max"), (ROW_NUMBER, "min")])
    )
    different = pc.not_equal(groups["label_min"], groups["label_max"])
    first = groups.filter(pc.invert(different))[f"{ROW_NUMBER}_min"]
    return labels.take(pc.take(first, pc.sort_indices(first))), int(pc.sum(different).as_py() or 0)


def _metric_names(metrics: Metrics, of_classes: bool) -> list[str]:
    """The metrics' names, from rows on which all are defined."""
    scores = np.array([[0.75, 0.25], [0.25, 0.75]])
    return list(metrics(np.array([0.0, 1.0]), scores if of_classes else scores[:, 1]))
