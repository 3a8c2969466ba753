"""Estimators by declaration and by `estimator.py`, for conditions and for numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import r2_score

from nightshift.definition.load import definition_files, definition_hash, load_definition, write_definition
from nightshift.definition.model import ModelDefinition
from nightshift.definition.prediction import NUMBER
from nightshift.errors import DefinitionError, TerminalError
from nightshift.registry.package import TASK, load_package, package_digest
from nightshift.training.fit import fit
from unit.conftest import Edit
from unit.training.machines import machines
from unit.training.test_fit import DECLARED

WriteEstimator = OfNumber = Callable[..., ModelDefinition]
NUMBER_LABEL = (("  expression: failed\n", "  expression: failed\n  type: number\n"), ("{roc_auc: 0.5}", "{mae: 99}"))
REGRESSORS = {
    "squared_error": "{class: sklearn.ensemble.HistGradientBoostingRegressor, "
    "params: {max_iter: 5, learning_rate: 0.4}}",
    "absolute_error": "{class: sklearn.ensemble.HistGradientBoostingRegressor, "
    "params: {max_iter: 5, learning_rate: 0.4, loss: absolute_error}}",
    "quantile": "{class: sklearn.ensemble.HistGradientBoostingRegressor, "
    "params: {max_iter: 5, learning_rate: 0.4, loss: quantile, quantile: 0.6}}",
    "ridge": "{class: sklearn.linear_model.Ridge, params: {alpha: 0.1}}",
    "forest": "{class: sklearn.ensemble.RandomForestRegressor, params: {n_estimators: 5, max_depth: 4}}",
    "tweedie": "{class: sklearn.linear_model.TweedieRegressor, params: {power: 0, alpha: 0.0}}",
}
PIPELINE = """
import numpy as np
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def make_estimator(params, seed, categories):
    named = make_pipeline(SimpleImputer(strategy="constant", fill_value=-1), OneHotEncoder(handle_unknown="ignore"))
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = ColumnTransformer([("named", named, categories)], remainder=numbers)
    return TransformedTargetRegressor(
        make_pipeline(columns, Ridge(**params, random_state=seed)), func=np.arcsinh, inverse_func=np.sinh
    )
"""
FOREST = """
from sklearn.ensemble import RandomForestClassifier


def make_estimator(params, seed, categories):
    return RandomForestClassifier(**params, random_state=seed)
"""


def numbers(count: int = 300, seed: int = 1) -> pa.Table:
    """The busier a machine, the longer it is out of service; and one kind of machine longer than the others."""
    rows, random = machines(count, seed), np.random.default_rng(seed)
    longer = 5 * (rows["kind"].to_numpy(zero_copy_only=False) == "b")
    minutes = 20 * rows["busy"].to_numpy() + longer + random.exponential(2, count)
    return rows.set_column(rows.schema.get_field_index("label"), "label", pa.array(minutes))


@pytest.fixture
def write_estimator(models: Path) -> WriteEstimator:
    """The tiny definition with an `estimator.py`."""

    def write(code: str, params: str = "{}", *, number: bool = False) -> ModelDefinition:
        (models / "tiny" / "estimator.py").write_text(code)
        file = models / "tiny" / "model.yaml"
        text = file.read_text().replace(DECLARED, f"{{params: {params}}}")
        for old, new in NUMBER_LABEL if number else ():
            text = text.replace(old, new)
        file.write_text(text)
        return load_definition(models / "tiny")

    return write


# Numbers.


@pytest.mark.parametrize("estimator", REGRESSORS.values(), ids=REGRESSORS)
def test_a_fitted_regressor_is_stored_and_predicts_the_same_when_loaded(of_number: OfNumber, estimator: str) -> None:
    definition = of_number((DECLARED, estimator))
    package = fit(definition, numbers())
    files = package.dump()
    assert TASK in files
    loaded, unseen = load_package(files, package_digest(files)), numbers(80, seed=2)
    predicted = loaded.score(unseen)
    assert loaded.prediction is NUMBER and np.array_equal(predicted, package.score(unseen))
    assert predicted.shape == (80,) and predicted.dtype == np.float64
    assert r2_score(unseen["label"].to_numpy(), predicted) > 0.5
    assert predicted.max() > 5  # these are no probabilities


@pytest.mark.parametrize("estimator", REGRESSORS.values(), ids=REGRESSORS)
def test_the_same_rows_make_the_same_regressor(of_number: OfNumber, estimator: str) -> None:
    definition = of_number((DECLARED, estimator))
    first, second = (fit(definition, numbers()) for _ in range(2))
    assert package_digest(first.dump()) == package_digest(second.dump())


def test_labels_of_a_number_are_not_cut_to_integers(of_number: OfNumber) -> None:
    rows = numbers()
    small = rows.set_column(rows.schema.get_field_index("label"), "label", pa.array(rows["busy"].to_numpy() / 10))
    predicted = fit(of_number(), small).score(small)
    assert r2_score(small["label"].to_numpy(), predicted) > 0.9


def test_the_files_of_a_classifier_say_nothing_of_its_task(tiny: ModelDefinition) -> None:
    files = {"estimator.skops", "estimator.json", "encoder.json", "reference.json"}
    assert set(fit(tiny, machines()).dump()) == files


@pytest.mark.parametrize(
    ("class_", "says"),
    [
        ("sklearn.ensemble.RandomForestClassifier", "a classifier cannot predict a number"),
        ("sklearn.dummy.DummyClassifier", "a classifier cannot predict a number"),
    ],
)
def test_a_classifier_of_a_number_is_refused_with_the_definition(of_number: OfNumber, class_: str, says: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        of_number((DECLARED, f"{{class: {class_}}}"))
    [line] = [line for line in str(caught.value).splitlines() if "training.estimator.class" in line]
    assert says in line and f"received '{class_}'; allowed: a regressor" in line


def test_a_regressor_of_a_condition_is_refused_with_the_definition(edit: Edit) -> None:
    with pytest.raises(DefinitionError, match=r"training\.estimator\.class: a regressor gives no probability of a"):
        edit(DECLARED, "{class: sklearn.ensemble.RandomForestRegressor}")


@pytest.mark.parametrize(
    ("estimator", "says"),
    [
        ("{class: sklearn.linear_model.LogisticRegression}", "the label is a number, and a classifier predicts none"),
        ("{class: sklearn.cluster.KMeans}", "no regressor; received 'sklearn.cluster._kmeans.KMeans'"),
        ("{class: collections.OrderedDict}", "no scikit-learn-compatible class"),
    ],
)
def test_what_predicts_no_number_is_refused_before_it_is_fitted(of_number: OfNumber, estimator: str, says: str) -> None:
    with pytest.raises(TerminalError, match=says):
        fit(of_number((DECLARED, estimator)), numbers())


def test_a_regressor_whose_name_does_not_say_so_is_refused_before_it_is_fitted(edit: Edit) -> None:
    definition = edit(DECLARED, "{class: sklearn.linear_model.Ridge}")
    with pytest.raises(
        TerminalError, match=r"the label is a condition, and a regressor .*_ridge\.Ridge'; allowed: a cl"
    ):
        fit(definition, machines())


def test_a_number_is_not_calibrated(of_number: OfNumber, edit: Edit) -> None:
    of_number()
    with pytest.raises(DefinitionError, match=r"training\.calibration: only probabilities are calibrated"):
        edit("  period: 20d\n", "  period: 20d\n  calibration: {period: 5d}\n")


# The definition's own code.


def test_a_pipeline_with_preprocessing_of_its_own_is_fitted_stored_and_made_again(
    write_estimator: WriteEstimator,
) -> None:
    definition = write_estimator(PIPELINE, "{alpha: 0.1}", number=True)
    rows = numbers()
    holed = rows.set_column(0, "busy", pa.array([None, *rows["busy"].to_pylist()[1:]], pa.float64()))
    package = fit(definition, holed)
    files = package.dump()
    loaded, unseen = load_package(files, package_digest(files)), numbers(80, seed=2)
    assert np.array_equal(loaded.score(unseen), package.score(unseen))
    assert r2_score(unseen["label"].to_numpy(), package.score(unseen)) > 0.7
    assert package_digest(fit(definition, holed).dump()) == package_digest(files)
    ridge: Any = package.estimator
    assert ridge.regressor_.named_steps["ridge"].alpha == 0.1


def test_a_classifier_is_made_with_the_parameters_the_seed_and_those_of_a_search(
    write_estimator: WriteEstimator,
) -> None:
    definition = write_estimator(FOREST, "{n_estimators: 7, max_depth: 2}")
    package = fit(definition, machines(), {"max_depth": 3})
    estimator: Any = package.estimator
    assert (estimator.n_estimators, estimator.max_depth, estimator.random_state) == (7, 3, definition.training.seed)
    assert 0 <= package.score(machines(20)).min() <= package.score(machines(20)).max() <= 1


def test_the_code_is_a_part_of_what_the_user_wrote(write_estimator: WriteEstimator, tmp_path: Path) -> None:
    first = write_estimator(FOREST)
    files, hashed = definition_files(first), definition_hash(first)
    assert files["estimator.py"].decode() == FOREST
    assert definition_hash(write_estimator(FOREST + "# otherwise\n")) != hashed
    again = write_definition(tmp_path / "then" / "tiny", files)
    assert definition_hash(again) == hashed
    digests = {package_digest(fit(definition, machines()).dump()) for definition in (again, write_estimator(FOREST))}
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (
            "A = 1\n",
            r"estimator\.py: no function make_estimator\(params, seed, categories\); fix: define it|no function",
        ),
        ("make_estimator = 3\n", "no function make_estimator"),
        ("def make_estimator(\n", r"estimator\.py: it raised SyntaxError: .*; fix: define make_estimator"),
        ("import nowhere_at_all\n", "it raised ModuleNotFoundError: No module named 'nowhere_at_all'"),
        (
            "def make_estimator(params, seed, categories):\n    raise KeyError('depth')\n",
            r"estimator\.py: make_estimator: it raised KeyError: 'depth'; received \{'depth': 1\}",
        ),
        (
            "def make_estimator(params):\n    return None\n",
            r"it raised TypeError: make_estimator\(\) takes 1 positional.*fix: it is called with \(params, seed, cat",
        ),
        (
            "def make_estimator(params, seed, categories):\n    return {'depth': 3}\n",
            r"estimator\.py: no scikit-learn-compatible estimator; received 'builtins\.dict'; fix: return an instance",
        ),
        ("def make_estimator(params, seed, categories):\n    pass\n", "received 'builtins.NoneType'"),
        (
            "from sklearn.svm import SVC\n\ndef make_estimator(params, seed, categories):\n    return SVC\n",
            r"no scikit-learn-compatible estimator; received .*sklearn\.svm\._classes\.SVC",
        ),
        (
            "from sklearn.svm import LinearSVC as It\ndef make_estimator(params, seed, categories):\n    return It()\n",
            r"gives no probabilities; received 'sklearn\.svm\._classes\.LinearSVC'",
        ),
    ],
)
def test_code_that_makes_no_estimator_says_what_is_wrong(write_estimator: WriteEstimator, code: str, says: str) -> None:
    definition = write_estimator(code, "{depth: 1}")
    with pytest.raises(TerminalError, match=says) as caught:
        fit(definition, machines())
    assert str(caught.value).startswith(str(definition.folder / "estimator.py"))
    assert "\n" not in str(caught.value)


MINE = """
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.naive_bayes import GaussianNB


class Mine(ClassifierMixin, BaseEstimator):
    def fit(self, matrix, labels):
        raise AssertionError("it must not come to this")

    def predict_proba(self, matrix): ...


def doubled(matrix):
    return 2 * matrix


def make_estimator(params, seed, categories):
    return {}
"""


@pytest.mark.parametrize(
    ("returned", "type_"),
    [
        ("Mine()", "estimator.Mine"),
        ("make_pipeline(FunctionTransformer(doubled), GaussianNB())", "estimator.doubled"),
        ("make_pipeline(FunctionTransformer(lambda matrix: matrix), GaussianNB())", "estimator.<lambda>"),
    ],
)
def test_a_type_nobody_trusts_is_refused_by_name_before_it_is_fitted(
    write_estimator: WriteEstimator, returned: str, type_: str
) -> None:
    definition = write_estimator(MINE.replace("return {}", f"return {returned}"))
    with pytest.raises(TerminalError) as caught:
        fit(definition, machines())
    assert "not trusted" in str(caught.value) and f"received '{type_}'" in str(caught.value)


def test_an_estimator_is_declared_once(write_estimator: WriteEstimator, models: Path, edit: Edit) -> None:
    write_estimator(FOREST)
    refused = r"estimator\.class: estimator\.py makes an estimator as well; .*remove `cl"
    with pytest.raises(DefinitionError, match=refused):
        edit("{params: {}}", DECLARED)
    (models / "tiny" / "estimator.py").unlink()
    with pytest.raises(DefinitionError, match=r"training\.estimator: no estimator; allowed: class, or estimator\.py"):
        edit(DECLARED, "{params: {}}")
