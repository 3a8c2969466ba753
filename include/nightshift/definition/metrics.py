"""The metrics that compare scores with labels. How each is computed: `nightshift.training.bootstrap`."""

from __future__ import annotations

from typing import Annotated, Literal

from nightshift.definition.base import ValueType

# Without the bias: it has a sign, so that a larger bias need not be worse.
Realized = Literal[
    "roc_auc",
    "average_precision",
    "brier",
    "log_loss",
    "calibration_error",
    "accuracy",
    "macro_f1",
    "macro_roc_auc",
    "mae",
    "rmse",
    "r2",
]
Metric = Literal[Realized, "bias"]
MetricName = Annotated[Metric, ValueType("metric")]
LARGER_IS_BETTER = frozenset({"roc_auc", "average_precision", "accuracy", "macro_f1", "macro_roc_auc", "r2"})
# A constant can be perfect in these: they do not say whether a model distinguishes rows.
AVERAGE_METRICS = frozenset({"calibration_error", "bias"})
