"""What became of a scored night, once its labels are final."""

from __future__ import annotations

import pyarrow as pa
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from nightshift.types import Measurement


def measure_outcomes(labelled: pa.Table, observations: int, version: int) -> list[Measurement]:
    """How well a night's scores met its outcomes.

    Args:
        labelled: The night's rows that have a label, with `score` and `label`.
        observations: How many rows were scored.
        version: The version that scored them.
    """
    labels, scores = labelled["label"].to_numpy(), labelled["score"].to_numpy()
    rows = len(labels)

    def row(statistic: str, value: float | None, detail: str = "") -> Measurement:
        return Measurement("night", statistic, value, None, rows, "pass", detail, version)

    measured = [row("label_coverage", rows / observations if observations else None)]
    if rows == 0:
        return measured
    measured += [row("positive_share", float(labels.mean())), row("mean_score", float(scores.mean()))]
    measured.append(row("brier", float(brier_score_loss(labels, scores, pos_label=1))))
    measured.append(row("log_loss", float(log_loss(labels, scores, labels=[0, 1]))))
    both = len(set(labels.tolist())) == 2
    auc = float(roc_auc_score(labels, scores)) if both else None
    measured.append(row("roc_auc", auc, "" if both else "all outcomes were the same"))
    return measured
