"""Values that a model has not met are tried when it is trained, not by the first night that holds one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nightshift.errors import TerminalError
from nightshift.registry.encoder import Matrix
from nightshift.training.fit import fit
from nightshift.training.unmet import unmet_rows, with_unmet_values_filled
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
def test_an_estimator_without_missing_values_is_given_the_median_of_its_training_rows(
    edit: Edit, estimator: str
) -> None:
    edit(*OPTIONAL)
    declared = edit(LOGISTIC, estimator)
    rows, name = machines(), estimator.split(",")[0]
    package = fit(declared, rows)
    assert with_unmet_values_filled(declared, package, rows, rows) == (package, "")
    definition = edit(IMPUTE, "")
    plain = fit(definition, rows)
    filled, note = with_unmet_values_filled(definition, plain, rows, rows)
    assert note.startswith(f"{name} takes no missing values, which busy, kind of a night may be: ")
    assert filled.encoder.fills["busy"] == pytest.approx(np.median(rows["busy"].to_numpy()))
    unmet = unmet_rows(rows, ["busy", "kind"])
    assert filled.score(unmet) == pytest.approx(package.score(unmet))
    assert filled.score(rows) == pytest.approx(plain.score(rows))


def test_values_that_are_missing_already_need_a_declaration(edit: Edit) -> None:
    edit(*OPTIONAL)
    definition = edit(IMPUTE, "")
    rows = machines()
    holdout = unmet_rows(rows, ["busy"])
    with pytest.raises(TerminalError, match="takes no missing values") as caught:
        with_unmet_values_filled(definition, fit(definition, rows), rows, holdout)
    assert str(caught.value).startswith(f"{definition.folder / 'model.yaml'}: training.estimator: ")
    assert "busy missing in 2 of 2 rows; received 'sklearn.linear_model.LogisticRegression" in str(caught.value)
    assert "with the features busy, kind'" in str(caught.value) and "fix: declare `training.impute`" in str(
        caught.value
    )


@pytest.mark.parametrize(
    "estimator", ["sklearn.ensemble.HistGradientBoostingClassifier", "sklearn.tree.DecisionTreeClassifier"]
)
def test_an_estimator_that_takes_missing_values_needs_nothing_else(edit: Edit, estimator: str) -> None:
    edit(*OPTIONAL)
    edit(LOGISTIC, estimator)
    definition = edit(IMPUTE, "")
    rows = machines()
    package = fit(definition, rows)
    assert with_unmet_values_filled(definition, package, rows, unmet_rows(rows, [])) == (package, "")


class NoNewCategories:
    """An estimator whose score is infinite wherever a value is not one of its training rows', however it is filled."""

    def predict_proba(self, matrix: Matrix) -> Matrix:
        return np.where(np.isin(matrix[:, 0], machines()["busy"]), 0.5, np.inf)[:, np.newaxis].repeat(2, axis=1)


def test_an_estimator_that_cannot_score_what_is_filled_in_is_refused(edit: Edit) -> None:
    edit(*OPTIONAL)
    definition = edit(IMPUTE, "")
    package = fit(definition, machines())
    package = replace(package, estimator=NoNewCategories())
    with pytest.raises(TerminalError, match="the score is inf"):
        with_unmet_values_filled(definition, package, machines(), machines())


def test_nothing_is_refused_where_the_contract_excludes_it(edit: Edit) -> None:
    closed = "quality: {features: {columns: {kind: {required: true, values: [a, b, c]}}}}\nmonitoring:"
    edit("monitoring:", closed)
    definition = edit(IMPUTE, "")
    rows = machines()
    package = fit(definition, rows)
    assert with_unmet_values_filled(definition, package, rows, unmet_rows(rows, [])) == (package, "")


def test_unmet_rows_lack_the_value_and_then_have_a_category_that_was_never_met() -> None:
    rows = unmet_rows(machines(5), ["busy", "kind"])
    assert rows["busy"].to_pylist() == [None, None]
    missing, unseen = rows["kind"].to_pylist()
    assert missing is None and unseen not in "abc"
    assert rows.schema == machines(5).schema
