"""Values that a model has not met are tried when it is trained, not by the first night that holds one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nightshift.errors import TerminalError
from nightshift.registry.encoder import Matrix
from nightshift.training.fit import fit
from nightshift.training.unmet import check_unmet_values, unmet_rows
from unit.conftest import Edit
from unit.training.machines import machines

IMPUTE = "  impute: median\n"
LOGISTIC = "sklearn.linear_model.LogisticRegression, params: {C: 1.0}"
OPTIONAL = ("type: number, required: true", "type: number")


@pytest.mark.parametrize(
    "estimator",
    [
        LOGISTIC,
        "sklearn.neighbors.KNeighborsClassifier",
        "sklearn.naive_bayes.GaussianNB",
    ],
)
def test_an_estimator_without_missing_values_is_refused_unless_they_are_imputed(edit: Edit, estimator: str) -> None:
    edit(*OPTIONAL)
    definition = edit(LOGISTIC, estimator)
    check_unmet_values(definition, fit(definition, machines()), machines())
    definition = edit(IMPUTE, "")
    with pytest.raises(TerminalError, match="takes no missing values") as caught:
        check_unmet_values(definition, fit(definition, machines()), machines())
    assert str(caught.value).startswith(f"{definition.folder / 'model.yaml'}: training.estimator: ")
    assert f"received '{estimator.split(',')[0]} with the features busy, kind'" in str(caught.value)
    assert "fix: declare `training.impute`" in str(caught.value)


@pytest.mark.parametrize(
    "estimator", ["sklearn.ensemble.HistGradientBoostingClassifier", "sklearn.tree.DecisionTreeClassifier"]
)
def test_an_estimator_that_takes_missing_values_needs_nothing_else(edit: Edit, estimator: str) -> None:
    edit(*OPTIONAL)
    edit(LOGISTIC, estimator)
    definition = edit(IMPUTE, "")
    check_unmet_values(definition, fit(definition, machines()), machines())


class InfiniteScores:
    def predict_proba(self, matrix: Matrix) -> Matrix:
        return np.where(np.isnan(matrix).any(axis=1), np.inf, 0.5)[:, np.newaxis].repeat(2, axis=1)


def test_an_estimator_whose_score_of_a_missing_value_is_no_number_is_refused(edit: Edit) -> None:
    definition = edit(IMPUTE, "")
    package = fit(definition, machines())
    package = replace(package, estimator=InfiniteScores())
    with pytest.raises(TerminalError, match="the score is inf"):
        check_unmet_values(definition, package, machines())


def test_nothing_is_refused_where_the_contract_excludes_it(edit: Edit) -> None:
    closed = "quality: {features: {columns: {kind: {required: true, values: [a, b, c]}}}}\nmonitoring:"
    edit("monitoring:", closed)
    definition = edit(IMPUTE, "")
    check_unmet_values(definition, fit(definition, machines()), machines())


def test_unmet_rows_lack_the_value_and_then_have_a_category_that_was_never_met() -> None:
    rows = unmet_rows(machines(5), ["busy", "kind"])
    assert rows["busy"].to_pylist() == [None, None]
    missing, unseen = rows["kind"].to_pylist()
    assert missing is None and unseen not in "abc"
    assert rows.schema == machines(5).schema
