"""The weights of training rows, by the definition's expression and by class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from nightshift.definition.class_weight import BALANCED, ClassWeight, class_name
from nightshift.definition.model import ModelDefinition
from nightshift.errors import TerminalError, first_line
from nightshift.lake.in_memory import database_cursor
from nightshift.lake.tables import ROW_NUMBER
from nightshift.registry.calibration import Vector


def fit_weights(definition: ModelDefinition, rows: pa.Table) -> Vector | None:
    """What each row weighs in a fit: its own weight times that of its class; None if all weigh the same.

    Args:
        definition: The model definition.
        rows: Labelled rows, with the observation's key and `score_date` if the expression names them.

    Raises:
        TerminalError: If a weight is missing, negative or infinite, or all weights of a class are 0.
    """
    weights, declared = row_weights(definition, rows), definition.training.class_weight
    if declared is None:
        return weights
    labels = rows["label"].to_numpy()
    return class_weights(declared, labels, np.ones(len(labels)) if weights is None else weights)


def class_weights(declared: ClassWeight, labels: Vector, weights: Vector) -> Vector:
    """The weights of rows, times those of their classes.

    Args:
        declared: `balanced`, or a weight by the class's name; a class without one weighs 1.
        labels: 1 for true and 0 for false, or the names of classes, shape (rows,).
        weights: Of each row, shape (rows,).
    """
    total, result = weights.sum(), weights.copy()
    classes = np.unique(labels)
    for label in classes:
        members = labels == label
        if isinstance(declared, Mapping):
            result[members] *= declared.get(_name(label), 1.0)
        else:
            assert declared == BALANCED
            result[members] *= total / (len(classes) * weights[members].sum())
    return result


def _name(label: Any) -> str:
    """The name of a label's class."""
    return label if isinstance(label, str) else class_name(bool(label))


def row_weights(definition: ModelDefinition, rows: pa.Table) -> Vector | None:
    """The weight of each row by the definition's expression, shape (rows,); None without one.

    Raises:
        TerminalError: If a weight is missing, negative or infinite, all are 0, or all of a class are.
    """
    expression = definition.training.weight
    if expression is None:
        return None
    where = f"{definition.folder / 'model.yaml'}: training.weight"
    try:
        weights = _evaluate(definition, expression, rows)
    except duckdb.Error as error:
        raise TerminalError(
            f"the weights cannot be computed: {first_line(error)}",
            where=where,
            received=expression,
            fix="write DuckDB SQL over the features, the observation's key, `score_date` and `label`",
        ) from None
    _check(definition, weights, rows, where)
    return weights


def _evaluate(definition: ModelDefinition, expression: str, rows: pa.Table) -> Vector:
    """The expression's value of each row, NaN where it is null."""
    names = [name for name in definition.weight_columns if name in rows.schema.names]
    columns = ", ".join(f'"{name}"' for name in names if name != "label")
    database = database_cursor()
    numbered = rows.select(names).append_column(ROW_NUMBER, pa.array(np.arange(rows.num_rows)))
    database.register("labelled", numbered)
    weights = database.sql(
        f"select cast({expression}\n as double) as weight "
        f"from (select {columns}, {definition.prediction.label_sql} as label, {ROW_NUMBER} from labelled) "
        f"order by {ROW_NUMBER}"
    ).to_arrow_table()
    return np.asarray(weights["weight"].to_numpy(), dtype=np.float64)


def _check(definition: ModelDefinition, weights: Vector, rows: pa.Table, where: str) -> None:
    """Refuses weights that no estimator can learn with."""
    refused = {
        "missing": np.isnan(weights),
        "negative": weights < 0,
        "infinite": np.isposinf(weights),
    }
    for word, wrong in refused.items():
        if count := int(wrong.sum()):
            raise TerminalError(
                f"{count} of {len(weights)} weights are {word}",
                where=where,
                received=definition.training.weight,
                allowed="finite numbers, 0 or more",
                fix="write an expression that has a weight for every row, such as with coalesce, greatest or a case",
            )
    labels = rows["label"].to_numpy()
    parts = {"": np.ones(len(labels), dtype=bool)}
    if definition.prediction.estimator.name == "classifier":
        parts |= {f" of the label {_name(label)}": labels == label for label in np.unique(labels)}
    for title, members in parts.items():
        if not weights[members].sum() > 0:
            raise TerminalError(
                f"all {int(members.sum())} weights{title} are 0",
                where=where,
                received=definition.training.weight,
                allowed="some above 0",
                fix="write an expression that is above 0 for rows to learn from",
            )
