from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from sklearn.inspection import permutation_importance as theirs

from nightshift.definition.model import ModelDefinition
from nightshift.registry.package import ModelPackage
from nightshift.training.fit import fit
from nightshift.training.importance import permutation_importance
from unit.training.machines import machines
from unit.training.test_estimator import numbers


def test_what_a_number_depends_on_matters_as_much_as_scikit_learn_says(
    of_number: Callable[..., ModelDefinition],
) -> None:
    definition, unseen = of_number(), numbers(4000, seed=2)
    package = fit(definition, numbers(2000))
    importances = permutation_importance(package, unseen, seed=1)
    matrix, labels = package.encoder.matrix(unseen), unseen["label"].to_numpy()
    means = theirs(package.estimator, matrix, labels, scoring="r2", n_repeats=5, random_state=1).importances_mean
    for name, mean in zip(package.encoder.types, means, strict=True):
        assert importances[name] == pytest.approx(mean, abs=0.1)
    assert next(iter(importances)) == "busy" and importances["busy"] > 0.5


def test_what_a_condition_depends_on_is_told_by_its_ranking(tiny: ModelDefinition) -> None:
    importances = permutation_importance(fit(tiny, machines(2000)), machines(4000, seed=2), seed=1)
    assert next(iter(importances)) == "busy" and 0.2 < importances["busy"] < 0.5
    assert abs(importances["machine_failures_3d"]) < 0.02


def test_of_many_rows_a_part_is_taken_that_has_every_row_of_a_rare_class(
    tiny: ModelDefinition, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, rows, taken = fit(tiny, machines(2000)), machines(20_000, seed=2), list[pa.Table]()
    rare = np.where(np.arange(20_000) % 100 == 0, rows["label"].to_numpy(), 0.0)  # some hundred of them
    rows = rows.set_column(rows.schema.get_field_index("label"), "label", pa.array(rare))
    honest = ModelPackage.score

    def score(self: ModelPackage, given: pa.Table) -> np.ndarray:
        taken.append(given)
        return honest(self, given)

    monkeypatch.setattr(ModelPackage, "score", score)
    importances = permutation_importance(package, rows, seed=1)
    assert taken[0]["label"].to_numpy().sum() == rare.sum() > 50
    assert taken[0].num_rows == 2000 + rare.sum()
    assert importances == permutation_importance(package, rows, seed=1) and importances["busy"] > 0.1


def test_predictions_that_are_no_numbers_have_no_importances(
    of_number: Callable[..., ModelDefinition], monkeypatch: pytest.MonkeyPatch
) -> None:
    package = fit(of_number(), numbers())
    monkeypatch.setattr(ModelPackage, "score", lambda self, rows: np.full(rows.num_rows, np.inf))
    assert permutation_importance(package, numbers(), seed=1) == {}


def test_labels_that_are_all_the_same_have_no_importances(tiny: ModelDefinition) -> None:
    rows = machines()
    package = fit(tiny, rows)
    same = rows.set_column(rows.schema.get_field_index("label"), "label", pa.array(np.ones(rows.num_rows)))
    assert permutation_importance(package, same, seed=1) == {}
