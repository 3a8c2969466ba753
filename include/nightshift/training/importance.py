"""How much each feature matters to a model."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from sklearn.metrics import r2_score, roc_auc_score

from nightshift.registry.package import ModelPackage

MOST_ROWS = 4_000  # so that it takes less than the fit: every feature costs one scoring of them


def permutation_importance(package: ModelPackage, rows: pa.Table, seed: int) -> dict[str, float]:
    """How much worse a model is when a feature's values are shuffled among the rows, by feature.

    The loss of ROC AUC, or of the share of variance explained (R²) where a number is predicted; about zero, or below,
    for a feature the model does not need. Features that tell the same share what they matter. Nothing where all labels
    are the same, or a prediction is no finite number.

    Source: L. Breiman, Random Forests, Machine Learning 45 (2001), section 10.

    Args:
        package: The model.
        rows: Labelled rows it did not learn from; of many, a part is taken, of a condition as many of either class:
            what ROC AUC says does not depend on their shares, and of a rare class it says it with more of them.
        seed: The seed of the shuffling.
    """
    random = np.random.default_rng(seed)
    labels = rows["label"].to_numpy()
    if len(np.unique(labels)) < 2:
        return {}
    parts = [labels == labels] if package.regression else [labels == label for label in np.unique(labels)]
    each = MOST_ROWS // len(parts)
    chosen = np.sort(np.concatenate([random.permutation(np.flatnonzero(part))[:each] for part in parts]))
    sample, labels = rows.take(pa.array(chosen)), labels[chosen]
    good, scores = r2_score if package.regression else roc_auc_score, package.score(sample)
    if not np.isfinite(scores).all():
        return {}
    whole, found = good(labels, scores), {}
    for name in package.encoder.types:
        shuffled = sample[name].take(pa.array(random.permutation(len(chosen))))
        mixed = sample.set_column(sample.schema.get_field_index(name), sample.schema.field(name), shuffled)
        if np.isfinite(scores := package.score(mixed)).all():
            found[name] = float(whole - good(labels, scores))
    return dict(sorted(found.items(), key=lambda item: -item[1]))
