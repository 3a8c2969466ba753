from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from nightshift.definition.model import ModelDefinition
from nightshift.errors import TerminalError
from nightshift.registry.bins import CategoryBins
from nightshift.registry.encoder import Encoder
from nightshift.registry.package import load_package, package_digest
from nightshift.registry.reference import ModelReference, ReferenceColumn
from nightshift.training.estimator import make_estimator
from nightshift.training.fit import fit
from unit.conftest import Edit
from unit.training.machines import machines

DECLARED = "{class: sklearn.linear_model.LogisticRegression, params: {C: 1.0}}"
BOOSTING = (
    "{class: sklearn.ensemble.HistGradientBoostingClassifier, "
    "params: {max_iter: 5, min_samples_leaf: 5, learning_rate: 0.3}}"
)
FOREST = "{class: sklearn.ensemble.RandomForestClassifier, params: {n_estimators: 5, max_depth: 3}}"


def encoder_of(definition: ModelDefinition) -> Encoder:
    return Encoder.fit(machines(), {name: str(kind) for name, kind in definition.feature_types.items()})


@pytest.mark.parametrize("estimator", [DECLARED, BOOSTING, FOREST], ids=["logistic", "boosting", "forest"])
def test_a_fitted_model_can_be_stored_and_scores_the_same_when_loaded(edit: Edit, estimator: str) -> None:
    definition = edit(DECLARED, estimator)
    reference = ModelReference({"busy": ReferenceColumn(CategoryBins(("a",), (), (0.0, 0.0, 0.0)), (1, 0, 0))})
    package = replace(fit(definition, machines()), reference=reference)
    files = package.dump()
    loaded = load_package(files, package_digest(files))
    unseen = machines(50, seed=2)
    assert np.array_equal(loaded.score(unseen), package.score(unseen))
    assert loaded.reference == reference
    assert package.score(unseen).std() > 0.05  # it learned something


@pytest.mark.parametrize("estimator", [DECLARED, BOOSTING], ids=["logistic", "boosting"])
def test_the_same_rows_make_the_same_model(edit: Edit, estimator: str) -> None:
    definition = edit(DECLARED, estimator)
    first, second = (fit(definition, machines()) for _ in range(2))  # both alive: at different addresses
    assert package_digest(first.dump()) == package_digest(second.dump())


def test_the_hour_of_training_makes_no_difference(tiny: ModelDefinition, monkeypatch: pytest.MonkeyPatch) -> None:
    package = fit(tiny, machines())
    first = package_digest(package.dump())
    later = time.time() + 86400
    monkeypatch.setattr(time, "time", lambda: later)
    assert package_digest(package.dump()) == first


def test_another_seed_makes_another_model(edit: Edit) -> None:
    stopping = BOOSTING.replace("max_iter: 5", "max_iter: 5, early_stopping: true, validation_fraction: 0.3")
    first = fit(edit(DECLARED, stopping), machines())
    second = fit(edit('cadence: "0 7 * * 1"', 'cadence: "0 7 * * 1"\n  seed: 7'), machines())
    assert not np.array_equal(first.score(machines()), second.score(machines()))


def test_other_rows_make_another_model(tiny: ModelDefinition) -> None:
    first, second = (fit(tiny, machines(seed=seed)) for seed in (1, 2))
    assert package_digest(first.dump()) != package_digest(second.dump())


def test_an_estimator_that_knows_categories_is_told_which_columns_they_are(edit: Edit) -> None:
    definition = edit(DECLARED, BOOSTING)
    estimator = make_estimator(definition, encoder_of(definition))
    assert estimator.categorical_features == [1]
    assert estimator.random_state == definition.training.seed
    assert estimator.max_iter == 5


def test_declared_parameters_go_before_automatic_ones(edit: Edit) -> None:
    forest = "{class: sklearn.ensemble.RandomForestClassifier, params: {random_state: 42}}"
    definition = edit(DECLARED, forest)
    assert make_estimator(definition, encoder_of(definition)).random_state == 42


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ("{class: sklearn.linear_model.LogisticRegresion}", "no such class"),
        ("{class: nowhere.Classifier}", "no such class"),
        ("{class: sklearn.linear_model.LogisticRegression, params: {depth: 3}}", "unexpected keyword argument 'depth'"),
        ("{class: sklearn.svm}", "no such class"),
        ("{class: sklearn.__version__}", "no such class"),
    ],
)
def test_a_class_that_cannot_be_made_names_the_definition(edit: Edit, declared: str, problem: str) -> None:
    definition = edit(DECLARED, declared)
    with pytest.raises(TerminalError, match=problem) as caught:
        make_estimator(definition, encoder_of(definition))
    assert str(caught.value).startswith(f"{definition.folder / 'model.yaml'}: training.estimator: ")


def test_a_parameter_the_class_does_not_take_is_answered_with_those_it_takes(edit: Edit) -> None:
    definition = edit(DECLARED, "{class: sklearn.linear_model.LogisticRegression, params: {depth: 3}}")
    with pytest.raises(TerminalError, match=r"received \{'depth': 3\}; allowed: C, .*max_iter"):
        make_estimator(definition, encoder_of(definition))


@pytest.mark.parametrize("params", ["{C: -1.0}", "{C: many}"])
def test_a_parameter_value_the_class_does_not_allow_is_a_terminal_error(edit: Edit, params: str) -> None:
    definition = edit(DECLARED, f"{{class: sklearn.linear_model.LogisticRegression, params: {params}}}")
    with pytest.raises(TerminalError, match="the estimator refused the training data: The 'C' parameter") as caught:
        fit(definition, machines())
    assert str(caught.value).startswith(f"{definition.folder / 'model.yaml'}: training.estimator: ")


def test_missing_values_an_estimator_cannot_take_are_a_terminal_error(edit: Edit) -> None:
    rows = machines()
    busy = pa.array([None, *rows["busy"].to_pylist()[1:]], pa.float64())
    with pytest.raises(TerminalError, match="the estimator refused the training data: Input X contains NaN") as caught:
        fit(edit("  impute: median\n", ""), rows.set_column(0, "busy", busy))
    assert "LogisticRegression, busy missing in 1 of 200 rows'; fix: declare `training.impute`" in str(caught.value)


@pytest.mark.parametrize("empty", ["busy", "kind"])
def test_a_feature_without_any_value_is_left_out_and_not_needed_for_scoring(tiny: ModelDefinition, empty: str) -> None:
    rows = machines()
    place, kind = rows.schema.get_field_index(empty), rows.schema.field(empty).type
    package = fit(tiny, rows.set_column(place, empty, pa.nulls(rows.num_rows, kind)))
    assert list(package.encoder.types) == [name for name in tiny.feature_types if name != empty]
    assert np.array_equal(package.score(rows), package.score(rows.drop_columns(empty)))


def test_a_class_that_gives_no_probabilities_is_refused_before_it_is_registered(edit: Edit) -> None:
    definition = edit(DECLARED, "{class: sklearn.svm.LinearSVC}")
    with pytest.raises(TerminalError, match=r"training\.estimator"):
        fit(definition, machines())


def test_parameters_may_be_lists_and_mappings(edit: Edit) -> None:
    network = (
        "{class: sklearn.neural_network.MLPClassifier, "
        "params: {hidden_layer_sizes: [4, 4], learning_rate_init: 1.0e-2, max_iter: 400}}"
    )
    definition = edit(DECLARED, network)
    files = fit(definition, machines()).dump()
    assert load_package(files, package_digest(files)).score(machines(5)).shape == (5,)


def test_classes_may_be_weighted_by_label(edit: Edit) -> None:
    weighted = DECLARED.replace("{C: 1.0}", "{C: 1.0, class_weight: {0: 1.0, 1: 50.0}}")
    even = fit(edit("name: tiny\n", "name: tiny\ntags: []\n"), machines()).score(machines()).mean()
    assert fit(edit(DECLARED, weighted), machines()).score(machines()).mean() > even + 0.2
