"""Values that a model has not met: a missing number, a category that no training row has."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from nightshift.definition.missing_values import features_that_may_be_unmet
from nightshift.definition.model import ModelDefinition
from nightshift.definition.training import Imputation
from nightshift.errors import TerminalError, first_line
from nightshift.registry.encoder import Encoder
from nightshift.registry.package import TAKE_MISSING, ModelPackage
from nightshift.training.estimator import place_of_estimator

NEVER_MET = "a category that no row has"
DEFAULT_IMPUTATION: Imputation = "median"
LISTED = 10  # features in a message


def unmet_features(definition: ModelDefinition, package: ModelPackage) -> list[str]:
    """The features of a model that a night may have no value of, or a category that the model has not met."""
    names = features_that_may_be_unmet(definition, package.encoder.categories)
    return [name for name in names if name in package.encoder.types]


def unmet_rows(rows: pa.Table, names: Collection[str]) -> pa.Table:
    """Two rows of some, which lack the value of features: once it is missing, once each category was never met."""
    rows = pa.concat_tables([rows.slice(0, 1)] * 2)
    for name in names:
        place, field = rows.schema.get_field_index(name), rows.schema.field(name)
        values = [None, NEVER_MET if pa.types.is_string(field.type) else None]
        rows = rows.set_column(place, field, pa.array(values, field.type))
    return rows


def with_unmet_values_filled(
    definition: ModelDefinition, package: ModelPackage, rows: pa.Table, holdout: pa.Table
) -> tuple[ModelPackage, str]:
    """Fills values that a night may lack, where the estimator takes none and no statistic is declared for them.

    Only rows that have all their values say nothing about what should take the place of one: then the median of the
    training rows does, so that no night fails over a single row. Where values are missing already, it has to be
    declared.

    Args:
        definition: The definition.
        package: The fitted model.
        rows: Rows it was fitted on, at least one.
        holdout: The rows that it is judged on.

    Returns:
        The model, and what was filled in as a sentence; empty if nothing was.

    Raises:
        TerminalError: If values are missing in the holdout, or the model cannot score such rows even then. It names the
            estimator and the features.
    """
    names = unmet_features(definition, package)
    problem = _problem(package, rows, names)
    if not problem or _problem(package, rows, []):  # the gate judges scores of present values
        return package, ""
    refused = [name for name in names if _problem(package, rows, [name])] or names
    received = f"{definition.estimator_name} with the features {_listed(refused)}"
    encoder = package.encoder
    fills = Encoder.fit(rows, encoder.types, DEFAULT_IMPUTATION).fills
    filled = replace(package, encoder=replace(encoder, fills=fills | encoder.fills))
    absent = [name for name in refused if holdout[name].null_count]
    if absent or (problem := _problem(filled, rows, names)):
        lacking = ", ".join(
            f"{name} missing in {holdout[name].null_count} of {holdout.num_rows} rows" for name in absent
        )
        raise TerminalError(
            f"the estimator takes no missing values, which features of a night may be: {lacking or problem}",
            where=place_of_estimator(definition),
            received=received,
            fix=f"{TAKE_MISSING}; or make them `required` (categories with all their `values`) "
            "in their source or in `quality.features.columns`",
        )
    return filled, (
        f"{definition.estimator_name} takes no missing values, which {_listed(refused)} of a night may be: "
        "the median of the training rows takes their place, of a category the most frequent one; "
        "`training.impute` declares it"
    )


def _problem(package: ModelPackage, rows: pa.Table, names: Sequence[str]) -> str:
    """Why a model cannot score rows that lack some features, in words; empty if it can."""
    try:
        scores = package.score(unmet_rows(rows, names))
    except TerminalError as error:
        return first_line(error.__cause__ or error)
    return "" if np.isfinite(scores).all() else f"the score is {scores[~np.isfinite(scores)][0]}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {more} more" if more > 0 else "")
