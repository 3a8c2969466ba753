"""Random rows of numbers and categories, some at the limits or missing, and versions that learned from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from nightshift.definition.prediction import CLASS, NUMBER, PROBABILITY, Prediction
from nightshift.registry.classes import LabelClasses
from nightshift.registry.encoder import Encoder
from nightshift.registry.estimators import fit_estimator, prepare_estimator
from nightshift.registry.estimators.adapter import TrainingMatrix, raw_scores
from nightshift.registry.package import ModelPackage
from nightshift.registry.reference import ModelReference
from nightshift.training.calibrate import calibrate

TYPES = {"age": "number", "city": "category", "weight": "number", "kind": "category", "count": "number"}
CITIES = [f"city {number}" for number in range(70)]  # more than the bits of a word
KINDS = ["a", "b", "ü", "d'e", " "]
CLASSES = LabelClasses(("bread", "milk", "rest"), "rest")


def rows(seed: int, count: int, *, complete: bool = False) -> pa.Table:
    """Rows of features; without `complete`, some values are missing, unknown, huge or infinite."""
    random = np.random.default_rng(seed)
    numbers = {"age": random.normal(40, 15, count), "weight": random.lognormal(0, 3, count)}
    numbers["count"] = random.poisson(3, count).astype(float)
    texts = {"city": random.choice(CITIES, count).astype(object), "kind": random.choice(KINDS, count).astype(object)}
    if not complete:
        for column in (*numbers.values(), *texts.values()):
            column[random.random(count) < 0.15] = np.nan if column.dtype == float else None
    columns = {name: pa.array(column, from_pandas=True) for name, column in (numbers | texts).items()}
    return pa.table({name: columns[name] for name in TYPES})


def with_limits(table: pa.Table, thresholds: list[float]) -> pa.Table:
    """Rows with unknown categories, and numbers at and beside thresholds."""
    random = np.random.default_rng(7)
    values = np.array([*thresholds, 0.0, -0.0, 1e-310, 1e300, -1e300])
    values = np.concatenate([values, np.nextafter(values, np.inf), np.nextafter(values, -np.inf)])
    columns = {
        name: pa.array(random.choice(values, len(table)))
        if kind == "number"
        else pa.array(random.choice(["unknown", "Ü", "a"], len(table)).astype(object))
        for name, kind in TYPES.items()
    }
    return pa.concat_tables([table, pa.table(columns)])


def labels(matrix: Any, prediction: Prediction, seed: int = 5) -> Any:
    """Labels of a matrix's rows: of codes of the classes, 0 and 1, or positive numbers."""
    random = np.random.default_rng(seed)
    known = np.nan_to_num(matrix, posinf=0, neginf=0)
    strength = known[:, 0] / 20 + np.sin(known[:, 1]) + 0.4 * (known[:, 3] == 2) + np.log1p(np.abs(known[:, 2])) / 3
    strength += random.normal(0, 0.5, len(matrix))
    if prediction == NUMBER:
        return np.exp(strength / 2)
    return np.digitize(strength, np.quantile(strength, [0.4, 0.75] if prediction == CLASS else [0.6]))


def version(
    estimator: Any, prediction: Prediction = PROBABILITY, calibration: str | None = None, impute: Any = None
) -> ModelPackage:
    """A version that learned from 1,500 rows."""
    table = rows(1, 1_500)
    encoder = Encoder.fit(table, TYPES, impute)
    matrix = encoder.matrix(table)
    prepare_estimator(estimator, 3)
    fitted = fit_estimator(
        estimator, TrainingMatrix(matrix, labels(matrix, prediction), None, encoder.category_positions)
    )
    judged = encoder.matrix(rows(2, 1_500))
    learned = (
        calibrate(calibration, raw_scores(prediction, fitted, judged), labels(judged, prediction, 6).astype(float))  # type: ignore[arg-type]
        if calibration
        else None
    )
    classes = CLASSES if prediction == CLASS else None
    return ModelPackage(fitted, encoder, ModelReference({}), learned, prediction, classes)
