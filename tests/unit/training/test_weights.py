"""Weights of training rows: by an expression and by class, in fits, folds and calibrations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from nightshift.definition.class_weight import ClassWeight
from nightshift.definition.load import definition_hash
from nightshift.definition.model import ModelDefinition
from nightshift.errors import DefinitionError, TerminalError
from nightshift.registry.estimators.scikit_learn import weight_key
from nightshift.registry.package import package_digest
from nightshift.training.fit import fit
from nightshift.training.search import search
from nightshift.training.weights import class_weights, fit_weights, row_weights
from unit.conftest import Edit
from unit.training.machines import dated_machines, machines

DECLARED = "{class: sklearn.linear_model.LogisticRegression, params: {C: 1.0}}"
PERIOD = "  period: 20d\n"
ESTIMATORS = {
    "scikit-learn": DECLARED,
    "lightgbm": "{class: lightgbm.LGBMClassifier, params: {n_estimators: 20}}",
    "xgboost": "{class: xgboost.XGBClassifier, params: {n_estimators: 20}}",
}


@pytest.fixture
def weighted(edit: Edit) -> Callable[..., ModelDefinition]:
    """The tiny definition with a weight, with weights of classes, and with another estimator."""

    def change(lines: str, estimator: str = DECLARED) -> ModelDefinition:
        edit(DECLARED, estimator)
        return edit(PERIOD, PERIOD + "".join(f"  {line}\n" for line in lines.splitlines()))

    return change


def repeated(rows: pa.Table, times: np.ndarray) -> pa.Table:
    return rows.take(pa.array(np.repeat(np.arange(rows.num_rows), times)))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("case when label then 3 else 1 end", lambda rows: 1 + 2 * rows["label"].to_numpy()),
        ("busy", lambda rows: rows["busy"].to_numpy()),
        ("if(kind = 'a', 2, 0.5)", lambda rows: np.where(np.array(rows["kind"].to_pylist()) == "a", 2, 0.5)),
        (
            "exp((score_date - date '2024-01-20') / 10.0) -- newer rows weigh more",
            lambda rows: np.exp((rows["score_date"].cast(pa.int32()).to_numpy() - 19742) / 10),
        ),
    ],
)
def test_a_weight_is_an_expression_over_each_row_in_its_order(
    weighted: Callable[..., ModelDefinition], expression: str, expected: Callable[[pa.Table], np.ndarray]
) -> None:
    rows = dated_machines()
    definition = weighted(f'weight: "{expression}"')
    assert np.allclose(row_weights(definition, rows), expected(rows), rtol=1e-12)


@pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)
def test_rows_that_weigh_more_count_more_and_the_model_is_the_same_again(
    weighted: Callable[..., ModelDefinition], tiny: ModelDefinition, estimator: str
) -> None:
    definition = weighted("weight: case when label then 20 else 1 end", estimator)
    first, second = (fit(definition, machines()) for _ in range(2))
    assert package_digest(first.dump()) == package_digest(second.dump())
    unseen = machines(seed=2)
    assert first.score(unseen).mean() > fit(tiny, machines()).score(unseen).mean() + 0.1


def test_a_weight_of_two_is_a_row_that_is_there_twice(weighted: Callable[..., ModelDefinition]) -> None:
    definition, rows = weighted("weight: if(busy > 0.5, 2, 1)"), machines()
    twice = repeated(rows, 1 + (rows["busy"].to_numpy() > 0.5))
    doubled = fit_without_weight(definition, twice)
    assert np.allclose(fit(definition, rows).score(rows), doubled, atol=1e-4)


def fit_without_weight(definition: ModelDefinition, rows: pa.Table) -> np.ndarray:
    training = definition.training.model_copy(update={"weight": None, "impute": None})
    return fit(definition.model_copy(update={"training": training}), rows).score(machines())


def test_rows_that_weigh_nothing_are_as_if_they_were_not_there(weighted: Callable[..., ModelDefinition]) -> None:
    definition, rows = weighted("weight: if(kind = 'a', 0, 1)"), machines()
    others = rows.filter(pa.array([kind != "a" for kind in rows["kind"].to_pylist()]))
    encoded = fit(definition, rows)
    matrix = encoded.encoder.matrix(others)
    theirs = LogisticRegression(C=1.0, random_state=0).fit(matrix, others["label"].to_numpy().astype(int))
    assert np.allclose(encoded.score(others), theirs.predict_proba(matrix)[:, 1], atol=1e-4)


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("nullif(busy > 0, true)", "200 of 200 weights are missing"),
        ("if(kind = 'a', null, 1)", r"\d+ of 200 weights are missing"),
        ("0.0 / 0.0 + busy", "200 of 200 weights are missing"),
        ("busy - 2", "200 of 200 weights are negative"),
        ("if(busy > 2, 1, cast('-infinity' as double))", "200 of 200 weights are negative"),
        ("busy + cast('infinity' as double)", "200 of 200 weights are infinite"),
        ("0 * busy", "all 200 weights are 0"),
        ("if(label, 1, 0)", r"all \d+ weights of the label false are 0"),
        ("kind", "the weights cannot be computed: .*cast"),
    ],
)
def test_weights_that_nothing_can_learn_with_are_one_line_with_their_number(
    weighted: Callable[..., ModelDefinition], expression: str, says: str
) -> None:
    definition = weighted(f'weight: "{expression}"')
    with pytest.raises(TerminalError, match=f"(?i){says}") as caught:
        fit(definition, machines())
    assert str(caught.value).startswith(f"{definition.folder / 'model.yaml'}: training.weight: ")
    assert "\n" not in str(caught.value) and "fix: write" in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("weight: amount", r"training\.weight: no such column in >>>amount<<<; allowed: busy, kind, .*machine"),
        ("weight: random()", r"training\.weight: returns another value on every call in >>>random<<<"),
        ("weight: sum(busy)", r"training\.weight: not allowed in an expression"),
        (
            "class_weight: even",
            r"training\.class_weight: no weights of classes; received 'even'; allowed: balanced, or",
        ),
        ("class_weight: {true: 0}", "the weight of the class True is no number above 0: 0; .*fix: write a number"),
        ("class_weight: {true: .inf}", "the weight of the class True is no number above 0: inf"),
        ("class_weight: {true: many}", "the weight of the class True is no number above 0: many"),
        (
            "class_weight: {late: 3}",
            "no class of the label; received 'late'; allowed: false, true; fix: write false or",
        ),
        ("class_weight: {1: 3}", "no class of the label; received '1'; allowed: false, true"),
    ],
)
def test_a_mistake_is_one_line_of_the_definition(
    weighted: Callable[..., ModelDefinition], lines: str, says: str
) -> None:
    with pytest.raises(DefinitionError, match=says) as caught:
        weighted(lines)
    assert len(caught.value.problems) == 1


def test_classes_of_a_number_have_no_weights(of_number: Callable[..., ModelDefinition]) -> None:
    says = "only classes are weighted, and the label is a number; fix: remove it, or declare `training.weight`"
    with pytest.raises(DefinitionError, match=says):
        of_number((PERIOD, f"{PERIOD}  class_weight: balanced\n"))


def test_a_number_is_weighted_by_its_label(of_number: Callable[..., ModelDefinition]) -> None:
    definition = of_number((PERIOD, f"{PERIOD}  weight: label + 1\n"))
    assert np.allclose(row_weights(definition, machines()), machines()["label"].to_numpy() + 1)


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0.01, 100)), min_size=2, max_size=30),
    st.one_of(st.just("balanced"), st.fixed_dictionaries({"true": st.floats(0.1, 9)})),
)
def test_class_weights_are_those_of_scikit_learn(rows: list[tuple[bool, float]], declared: ClassWeight) -> None:
    labels, weights = np.array([float(label) for label, _ in rows]), np.array([weight for _, weight in rows])
    theirs = {1: declared["true"], 0: 1} if isinstance(declared, dict) else declared
    expected = compute_sample_weight(theirs, labels.astype(int))
    assert np.allclose(class_weights(declared, labels, np.ones(len(labels))), expected)
    result = class_weights(declared, labels, weights)
    if declared == "balanced":
        totals = [result[labels == label].sum() for label in np.unique(labels)]
        assert np.allclose(totals, weights.sum() / len(totals))
    else:
        assert np.allclose(result, weights * expected)


@pytest.mark.parametrize("declared", ["balanced", "{true: 3, false: 1}", "{true: 3}"])
@pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)
def test_weights_of_classes_are_those_of_the_rows(
    weighted: Callable[..., ModelDefinition], declared: str, estimator: str
) -> None:
    definition, rows = weighted(f"class_weight: {declared}", estimator), dated_machines(failing=0.1)
    labels, weights = rows["label"].to_numpy(), fit_weights(definition, rows)
    assert weights is not None
    ratio = weights[labels == 1][0] / weights[labels == 0][0]
    assert ratio == pytest.approx((1 - labels.mean()) / labels.mean() if declared == "balanced" else 3)
    plain = definition.training.model_copy(update={"class_weight": None})
    unweighted = fit(definition.model_copy(update={"training": plain}), rows).score(rows)
    assert fit(definition, rows).score(rows).mean() > unweighted.mean()


def test_both_kinds_of_weights_are_multiplied(weighted: Callable[..., ModelDefinition]) -> None:
    definition, rows = weighted("weight: busy\nclass_weight: {true: 4}"), machines()
    expected = rows["busy"].to_numpy() * (1 + 3 * rows["label"].to_numpy())
    assert np.allclose(fit_weights(definition, rows), expected)


def test_calibrated_scores_are_probabilities_of_classes_that_were_weighted(
    weighted: Callable[..., ModelDefinition],
) -> None:
    rows, calibrated = dated_machines(40, 60), "calibration: {method: sigmoid, period: 10d}"
    share = rows["label"].to_numpy().mean()
    definition = weighted(f"class_weight: {{true: 30}}\n{calibrated}")
    assert fit(definition, rows).score(rows).mean() == pytest.approx(share, abs=0.05)


def test_the_weights_of_rows_are_those_of_the_calibration_too(weighted: Callable[..., ModelDefinition]) -> None:
    rows, calibrated = dated_machines(40, 60), "calibration: {method: isotonic, period: 10d}"
    heavy = fit(weighted(f"weight: if(label, 9, 1)\n{calibrated}"), rows).score(rows).mean()
    assert heavy > rows["label"].to_numpy().mean() + 0.2


def test_each_fold_of_a_search_is_fitted_with_weights(weighted: Callable[..., ModelDefinition]) -> None:
    grid = "search: {grid: {C: [1.0]}, folds: 2, metric: brier}"
    definition, rows = weighted(f"weight: if(label, 50, 1)\n{grid}"), dated_machines()
    [trial] = search(definition, rows, progress=lambda line: None)
    plain = definition.training.model_copy(update={"weight": None})
    [unweighted] = search(definition.model_copy(update={"training": plain}), rows, progress=lambda line: None)
    assert trial.score > unweighted.score + 0.05  # of the metric, which no weight changes, it is the worse model


def test_an_estimator_that_takes_no_weights_is_one_line(weighted: Callable[..., ModelDefinition]) -> None:
    neighbours = "{class: sklearn.neighbors.KNeighborsClassifier}"
    definition = weighted("weight: busy", neighbours)
    with pytest.raises(TerminalError, match="KNeighborsClassifier takes no weights of rows"):
        fit(definition, machines())


@pytest.mark.parametrize(
    ("estimator", "key"),
    [
        (LogisticRegression(), "sample_weight"),
        (make_pipeline(StandardScaler(), HistGradientBoostingClassifier()), "histgradientboostingclassifier__"),
        (make_pipeline(StandardScaler(), make_pipeline(Ridge())), "pipeline__ridge__"),
        (TransformedTargetRegressor(make_pipeline(Ridge())), "ridge__"),
        (KNeighborsClassifier(), None),
        (make_pipeline(KNeighborsClassifier()), None),
    ],
)
def test_the_last_step_takes_the_weights(estimator: object, key: str | None) -> None:
    assert weight_key(estimator) == (key and f"{key.removesuffix('sample_weight')}sample_weight")


def test_weights_are_part_of_what_makes_a_version(weighted: Callable[..., ModelDefinition]) -> None:
    assert definition_hash(weighted("weight: busy")) != definition_hash(weighted("class_weight: balanced"))
