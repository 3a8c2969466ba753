"""Values that a model has not met: a missing number, a category that no training row has."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa

from nightshift.definition.missing_values import features_that_may_be_unmet
from nightshift.definition.model import ModelDefinition
from nightshift.errors import TerminalError, first_line
from nightshift.registry.package import TAKE_MISSING, ModelPackage
from nightshift.training.estimator import place_of_estimator

NEVER_MET = "a category that no row has"
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


def check_unmet_values(definition: ModelDefinition, package: ModelPackage, rows: pa.Table) -> None:
    """Refuses a model that cannot score what a night may hold, while its features may still be missing.

    Args:
        definition: The definition.
        package: The fitted model.
        rows: Rows it was fitted on, at least one.

    Raises:
        TerminalError: Naming the estimator, and the features whose missing values it does not take.
    """
    names = unmet_features(definition, package)
    if not _problem(package, rows, names) or _problem(package, rows, []):  # the gate judges scores of present values
        return
    refused = [name for name in names if _problem(package, rows, [name])] or names
    problem = _problem(package, rows, refused)
    raise TerminalError(
        f"the estimator takes no missing values, which features of a night may be: {problem}",
        where=place_of_estimator(definition),
        received=f"{definition.estimator_name} with the features {_listed(refused)}",
        fix=f"{TAKE_MISSING}; or make them `required` (categories with all their `values`) "
        "in their source or in `quality.features.columns`",
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
