"""How much each feature matters to a model."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from nightshift.registry.classes import label_values
from nightshift.registry.package import ModelPackage
from nightshift.training.methods import METHODS

MOST_ROWS = 4_000  # limits the run time: every feature needs one scoring of these rows


def permutation_importance(package: ModelPackage, rows: pa.Table, seed: int) -> dict[str, float]:
    """How much worse a model is when a feature's values are shuffled among the rows, by feature.

    The loss of ROC AUC (of a class the mean of each against the rest), or of the share of variance explained (R²) where
    a number is predicted; about zero, or below, for a feature the model does not need. Redundant features share their
    importance. Empty where all labels are the same, or a prediction is no finite number.

    Source: L. Breiman, Random Forests, Machine Learning 45 (2001), section 10.

    Args:
        package: The model.
        rows: Labelled rows it was not fitted on; of many, a sample is taken, of classes as many rows of each: ROC AUC
            does not depend on the classes' shares, and is more precise with more rows of a rare class.
        seed: The seed of the shuffling.
    """
    random = np.random.default_rng(seed)
    labels = label_values(rows, package.classes)
    if len(np.unique(labels)) < 2:
        return {}
    methods = METHODS[package.prediction]
    strata = methods.strata(labels)
    each = MOST_ROWS // len(strata)
    chosen = np.sort(np.concatenate([random.permutation(np.flatnonzero(stratum))[:each] for stratum in strata]))
    sample, labels = rows.take(pa.array(chosen)), labels[chosen]
    scores = package.score(sample)
    if not np.isfinite(scores).all():
        return {}
    explained, importances = methods.explained(labels, scores), {}
    for name in package.encoder.types:
        shuffled = sample[name].take(pa.array(random.permutation(len(chosen))))
        mixed = sample.set_column(sample.schema.get_field_index(name), sample.schema.field(name), shuffled)
        if np.isfinite(scores := package.score(mixed)).all():
            importances[name] = explained - methods.explained(labels, scores)
    return dict(sorted(importances.items(), key=lambda item: -item[1]))
