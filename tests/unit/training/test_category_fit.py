"""Fits of several classes: estimators, calibration, folds of a search, and weights."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sklearn.utils.class_weight import compute_sample_weight

from nightshift.definition.load import load_definition
from nightshift.definition.model import ModelDefinition
from nightshift.errors import DefinitionError, TerminalError
from nightshift.registry.calibration import UNCHANGED, OneAgainstRest
from nightshift.registry.package import load_package, package_digest
from nightshift.training import category
from nightshift.training.fit import fit
from nightshift.training.importance import permutation_importance
from nightshift.training.search import search
from nightshift.training.smoke import smoke_test
from nightshift.training.weights import fit_weights, row_weights
from unit.training.machines import FIRST, dated_machines

Change = Callable[..., ModelDefinition]
PERIOD = "  period: 20d\n"
ESTIMATOR = "{class: sklearn.linear_model.LogisticRegression, params: {C: 1.0}}"
NAMES = ("idle", "busy", "broken")


@pytest.fixture
def of_class(models: object) -> Change:
    """The tiny definition with a class as its label, and further texts of its training or another estimator."""

    def changed(training: str = "", estimator: str = ESTIMATOR) -> ModelDefinition:
        file = models / "tiny" / "model.yaml"  # type: ignore[operator]
        text = file.read_text()
        for old, new in (
            ("  expression: failed\n", f"  expression: machine\n  type: category\n  classes: [{', '.join(NAMES)}]\n"),
            ("{roc_auc: 0.5}", "{accuracy: 0.1}"),
            (PERIOD, PERIOD + training),
            (ESTIMATOR, estimator),
        ):
            assert text.count(old) == 1
            text = text.replace(old, new)
        file.write_text(text)
        return load_definition(file.parent)

    return changed


def rows_of_classes(absent: str = "", before: int = 0) -> pa.Table:
    """The busier a machine is, the later its class in the list; of a class there may be no row before a day."""
    rows = dated_machines()
    names = np.array(NAMES)[np.digitize(rows["busy"].to_numpy(), [0.4, 0.8])]
    rows = rows.set_column(rows.column_names.index("label"), "label", pa.array(names))
    early = pc.less(rows["score_date"], pa.scalar(FIRST + timedelta(days=before)))
    return rows.filter(pc.invert(pc.and_(early, pc.equal(rows["label"], absent))))


@pytest.mark.parametrize(
    "estimator",
    [ESTIMATOR, "{class: lightgbm.LGBMClassifier, params: {n_estimators: 9}}", "{class: xgboost.XGBClassifier}"],
)
def test_a_fit_gives_every_class_its_probability(of_class: Change, estimator: str) -> None:
    rows = rows_of_classes()
    package = fit(of_class(estimator=estimator), rows)
    assert package.classes is not None
    assert package.classes.names == NAMES  # as they are listed
    scores = package.score(rows)
    predicted = np.array(NAMES)[scores.argmax(axis=1)]
    assert (predicted == rows["label"].to_numpy()).mean() > 0.75
    assert next(iter(permutation_importance(package, rows, 0))) == "busy"


@pytest.mark.slow  # starts a process that imports everything
def test_a_stored_model_of_classes_is_tried_in_a_process_of_its_own(of_class: Change) -> None:
    rows = rows_of_classes()
    package = fit(of_class(), rows)
    files, scores = package.dump(), package.score(rows)
    scores[:5, :2] = scores[:5, 1::-1]
    problem = smoke_test(files, package_digest(files), rows, scores).problem
    assert problem == f"in a process of its own it scored 5 of {rows.num_rows} rows differently"


def test_calibrated_classes_are_stored_with_the_model(of_class: Change) -> None:
    rows = rows_of_classes()
    package = fit(of_class("  calibration: {method: sigmoid, period: 5d}\n"), rows)
    assert isinstance(package.calibration, OneAgainstRest)
    files = package.dump()
    scores = load_package(files, package_digest(files)).score(rows)
    assert (scores == package.score(rows)).all()
    assert scores.sum(axis=1) == pytest.approx(np.ones(rows.num_rows))


def test_a_class_that_only_the_calibrations_days_have_is_named(of_class: Change) -> None:
    definition = of_class("  calibration: {method: sigmoid, period: 5d}\n")
    with pytest.raises(TerminalError, match=r"and no further class in its own.*only in these: broken"):
        fit(definition, rows_of_classes("broken", 15))


def test_a_class_that_the_calibrations_days_lack_keeps_its_probability(of_class: Change) -> None:
    rows = rows_of_classes()
    late = pc.greater_equal(rows["score_date"], pa.scalar(FIRST + timedelta(days=15)))
    rows = rows.filter(pc.invert(pc.and_(late, pc.equal(rows["label"], "broken"))))
    package = fit(of_class("  calibration: {method: isotonic, period: 5d}\n"), rows)
    assert isinstance(package.calibration, OneAgainstRest)
    assert [each == UNCHANGED for each in package.calibration.maps] == [False, False, True]
    assert category.valid_scores(package.score(rows)).all()


def test_a_fold_may_have_a_class_that_the_days_before_it_do_not_have(of_class: Change) -> None:
    definition = of_class("  search: {grid: {C: [1.0e-9, 1.0]}, folds: 2, metric: log_loss}\n")
    trials = search(definition, rows_of_classes("broken", 10), lambda line: None)
    assert [trial.params for trial in trials] == [{"C": 1.0}, {"C": 1e-9}]
    assert all(np.isfinite(trial.scores).all() for trial in trials)


def test_classes_weigh_as_their_names_say(of_class: Change) -> None:
    rows = rows_of_classes()
    labels = rows["label"].to_numpy()
    weights = fit_weights(of_class("  class_weight: {broken: 3}\n"), rows)
    assert weights is not None
    assert weights.tolist() == [3 if label == "broken" else 1 for label in labels]


def test_balanced_classes_weigh_alike(of_class: Change) -> None:
    rows = rows_of_classes()
    weights = fit_weights(of_class("  class_weight: balanced\n"), rows)
    assert weights == pytest.approx(compute_sample_weight("balanced", rows["label"].to_numpy()))


def test_a_class_of_which_no_row_weighs_anything_is_named(of_class: Change) -> None:
    definition = of_class("  weight: case when label = 'busy' then 0 else 1 end\n")
    with pytest.raises(TerminalError, match="weights of the label busy are 0"):
        row_weights(definition, rows_of_classes())


@pytest.mark.parametrize(
    ("training", "estimator", "message"),
    [
        ("  class_weight: {brocken: 3}\n", ESTIMATOR, "class_weight.brocken: no class of the label"),
        ("", "{class: sklearn.linear_model.Ridge}", "a regressor gives no probabilities of classes"),
        ("  search: {grid: {C: [1]}, folds: 2, metric: roc_auc}\n", ESTIMATOR, "no metric of a label that is a class"),
    ],
)
def test_what_does_not_fit_a_class_is_one_line(of_class: Change, training: str, estimator: str, message: str) -> None:
    with pytest.raises((DefinitionError, TerminalError), match=message):
        fit(of_class(training, estimator), rows_of_classes())
