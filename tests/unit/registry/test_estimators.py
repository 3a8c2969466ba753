"""Stored estimators: those of earlier formats and of other versions of a library, and what is refused of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pyarrow as pa
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.base import clone as sklearn_clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.feature_selection import SelectFromModel, SelectKBest, f_classif
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)

from nightshift.definition.prediction import PROBABILITY
from nightshift.errors import TerminalError
from nightshift.registry.estimators import (
    KINDS,
    check_estimator,
    dump_estimator,
    fit_estimator,
    iterations,
    load_estimator,
    prepare_estimator,
)
from nightshift.registry.estimators.adapter import TrainingMatrix
from nightshift.registry.estimators.lightgbm import require_all_trees
from nightshift.registry.estimators.manifest import MANIFEST, Control, Manifest, control_rows
from nightshift.registry.package import load_package, package_digest
from nightshift.training.fit import seeded

STORED = Path(__file__).parent / "stored"
# Without a manifest, as before there were other kinds; and by other versions of their libraries.
FORMATS = ("condition", "number", "lightgbm", "xgboost")
FEATURES = {"busy": pa.float64(), "kind": pa.string(), "machine_failures_3d": pa.float64()}


def stored_files(name: str) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (STORED / name).iterdir()}


@pytest.mark.parametrize("name", FORMATS)
def test_what_was_stored_once_loads_and_scores_as_then(name: str) -> None:
    then = json.loads((STORED / f"{name}.json").read_text())
    package = load_package(stored_files(name), then["digest"])
    rows = pa.Table.from_pylist(then["rows"], pa.schema(list(FEATURES.items())))
    assert np.allclose(package.score(rows), then["scores"], rtol=1e-9)


@pytest.mark.parametrize(("name", "installed"), [("lightgbm", lightgbm), ("xgboost", xgboost)])
def test_another_version_that_scores_otherwise_is_one_line_with_both_versions(name: str, installed: Any) -> None:
    files = stored_files(name)
    manifest = json.loads(files[MANIFEST])
    assert manifest["libraries"][name] != installed.__version__
    manifest["control"]["scores"][3] += 1e-4
    files[MANIFEST] = json.dumps(manifest).encode()
    with pytest.raises(TerminalError) as caught:
        load_package(files, package_digest(files))
    message, stored = str(caught.value), manifest["libraries"][name]
    assert "was not loaded: it scores 1 of 20 control rows otherwise than then" in message
    assert f"received '{name} {installed.__version__} instead of {stored}'" in message
    assert f"fix: pip install {name}=={stored}, or roll back" in message


def fitted_files(kind: str) -> dict[str, bytes]:
    random = np.random.default_rng(1)
    matrix = random.uniform(size=(200, 2))
    labels = (random.uniform(size=200) < matrix[:, 0]).astype(int)
    estimator = {
        "lightgbm": lightgbm.LGBMClassifier(n_estimators=3),
        "xgboost": xgboost.XGBClassifier(n_estimators=3),
        "scikit-learn": HistGradientBoostingClassifier(max_iter=3),
        "pipeline": make_pipeline(StandardScaler(), lightgbm.LGBMClassifier(n_estimators=3)),
    }[kind]
    prepare_estimator(estimator, seed=0)
    fitted = fit_estimator(estimator, TrainingMatrix(matrix, labels))
    return dump_estimator(fitted, PROBABILITY, control_rows(matrix))


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost", "scikit-learn", "pipeline"])
def test_a_file_that_another_version_cannot_read_is_one_line(kind: str) -> None:
    files = fitted_files(kind)
    manifest = json.loads(files[MANIFEST])
    manifest["libraries"] = dict.fromkeys(manifest["libraries"], "0.1")
    [name] = [name for name in files if name.startswith("estimator.") and name != MANIFEST]
    broken = files | {MANIFEST: json.dumps(manifest).encode(), name: files[name][: len(files[name]) // 8]}
    with pytest.raises(TerminalError, match=r"the model's artifact was not loaded: .*instead of 0\.1.*fix: pip instal"):
        load_estimator(broken, PROBABILITY)
    readable = files | {MANIFEST: json.dumps(manifest).encode()}
    assert load_estimator(readable, PROBABILITY)  # which it reads, and which scores as then


@given(st.data())
def test_a_cut_text_of_trees_is_refused_before_lightgbm_reads_beyond_its_end(data: st.DataObject) -> None:
    text = stored_files("lightgbm")["estimator.lightgbm.txt"].decode()
    require_all_trees(text)
    end = data.draw(st.integers(0, text.index("end of trees") + 5))
    with pytest.raises(ValueError, match="the text "):
        require_all_trees(text[:end])


def test_a_kind_of_a_later_nightshift_is_one_line() -> None:
    files = {MANIFEST: Manifest("catboost", {"catboost": "1.2"}).dump()}
    with pytest.raises(TerminalError, match="the model's kind is unknown; received 'catboost'; allowed: lightgbm, xg"):
        load_estimator(files, PROBABILITY)


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost", "scikit-learn", "pipeline"])
def test_a_manifest_names_kind_libraries_and_classes(kind: str) -> None:
    manifest = Manifest.load(fitted_files(kind)[MANIFEST])
    assert manifest.kind in KINDS and manifest.classes == (0, 1)
    assert manifest.libraries.items() >= KINDS[manifest.kind].versions().items()


TRANSFORMERS_OF_SCIKIT_LEARN: dict[str, Callable[[], Any]] = {
    "scaler": StandardScaler,
    "quantiles": lambda: QuantileTransformer(n_quantiles=20),
    "power": PowerTransformer,
    "polynomials": PolynomialFeatures,
    "splines": SplineTransformer,
    "bins": lambda: KBinsDiscretizer(3),
    "logarithm": lambda: FunctionTransformer(np.log1p),
    "one column a category": lambda: OneHotEncoder(handle_unknown="ignore"),
    "ordinals": lambda: OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    "target": TargetEncoder,
    "fill": lambda: SimpleImputer(add_indicator=True),
    "fill by neighbours": KNNImputer,
    "fill by regressions": IterativeImputer,
    "components": lambda: PCA(2, svd_solver="randomized"),
    "best features": lambda: SelectKBest(f_classif, k=2),
    "features of a forest": lambda: SelectFromModel(RandomForestClassifier(5)),
    "union": lambda: FeatureUnion([("a", PCA(1)), ("b", StandardScaler())]),
    "columns": lambda: ColumnTransformer(
        [("a", make_pipeline(SimpleImputer(), StandardScaler()), [0, 2]), ("b", OneHotEncoder(), slice(1, 2))],
        remainder="passthrough",
    ),
}
ESTIMATORS_OF_SCIKIT_LEARN: dict[str, Callable[[], Any]] = {
    "vote": lambda: VotingClassifier([("a", LogisticRegression()), ("b", GaussianNB())], voting="soft"),
    "stack": lambda: StackingClassifier([("a", RandomForestClassifier(3)), ("b", GaussianNB())], cv=2),
    "calibrated": lambda: CalibratedClassifierCV(RandomForestClassifier(3), cv=KFold(2, shuffle=True)),
    "bagging": lambda: BaggingClassifier(n_estimators=3),
}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("kind", [*TRANSFORMERS_OF_SCIKIT_LEARN, *ESTIMATORS_OF_SCIKIT_LEARN])
def test_transformers_and_estimators_of_estimators_are_stored_and_repeatable(kind: str) -> None:
    random = np.random.default_rng(1)
    matrix = np.column_stack([random.uniform(size=(200, 3)), random.integers(0, 4, 200)])[:, [0, 3, 1, 2]]
    labels, stored = (random.uniform(size=200) < matrix[:, 0]).astype(int), []
    for seed in (0, 0, 7):
        if kind in TRANSFORMERS_OF_SCIKIT_LEARN:
            estimator = make_pipeline(TRANSFORMERS_OF_SCIKIT_LEARN[kind](), LogisticRegression())
        else:
            estimator = ESTIMATORS_OF_SCIKIT_LEARN[kind]()
        prepare_estimator(estimator, seed)
        check_estimator(estimator, 4)
        with seeded(seed):
            fitted: Any = fit_estimator(estimator, TrainingMatrix(matrix, labels))
        stored.append(dump_estimator(fitted, PROBABILITY, None))
    assert stored[0] == stored[1]
    loaded: Any = load_estimator(stored[2], PROBABILITY)[0]
    # Arrays are stored in another order in memory, on which the last bit of a product depends.
    assert np.allclose(loaded.predict_proba(matrix), fitted.predict_proba(matrix), rtol=1e-12)


def test_absent_values_of_a_sparse_matrix_are_zeros_for_xgboost() -> None:
    """XGBoost alone takes what a sparse matrix does not store as missing."""
    random = np.random.default_rng(2)
    codes = random.integers(0, 4, size=(300, 1)).astype(float)
    labels = (random.uniform(size=300) < codes[:, 0] / 4).astype(int)
    scores = []
    for sparse in (True, False):
        pipeline = make_pipeline(OneHotEncoder(sparse_output=sparse), xgboost.XGBClassifier(n_estimators=3, n_jobs=1))
        fitted: Any = fit_estimator(pipeline, TrainingMatrix(codes, labels))
        scores.append(fitted.predict_proba(codes))
    assert np.array_equal(*scores)


@given(arrays.arrays(np.float64, st.tuples(st.integers(1, 9), st.integers(1, 4)), elements=st.floats()))
def test_control_rows_have_each_features_own_values_and_survive_storing(matrix: np.ndarray) -> None:
    rows = control_rows(matrix)
    assert np.array_equal(rows, control_rows(matrix), equal_nan=True)
    for place in range(matrix.shape[1]):
        assert set(rows[:, place].astype(str)) <= set(matrix[:, place].astype(str))
    manifest = Manifest("xgboost", {"xgboost": "3.2.0"}, (0, 1), Control(rows, rows[:, 0]))
    read = Manifest.load(manifest.dump())
    assert read == manifest and read.control is not None
    assert np.array_equal(read.control.rows, rows, equal_nan=True)
    assert np.array_equal(read.control.scores, rows[:, 0], equal_nan=True)
    json.loads(manifest.dump(), parse_constant=pytest.fail)  # JSON has no NaN and no infinity


def boosted(**params: Any) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(random_state=0, **params)


@pytest.mark.parametrize(
    ("estimator", "fixed"),
    [
        (boosted(early_stopping=True, n_iter_no_change=2, max_iter=200), {"early_stopping": False, "max_iter": ...}),
        (boosted(max_iter=7), {"early_stopping": False, "max_iter": 7}),  # more rows might stop it early
        (boosted(max_iter=7, early_stopping=False), {}),
        (
            GradientBoostingClassifier(n_iter_no_change=2, n_estimators=200, random_state=0),
            {"n_iter_no_change": None, "n_estimators": ...},
        ),
        (GradientBoostingClassifier(n_estimators=5), {}),
        (
            SGDClassifier(loss="log_loss", early_stopping=True, random_state=0),
            {"early_stopping": False, "max_iter": ...},
        ),
        (SGDClassifier(loss="log_loss", random_state=0), {}),
        (
            make_pipeline(StandardScaler(), boosted(early_stopping=True, n_iter_no_change=2)),
            {"histgradientboostingclassifier__early_stopping": False, "histgradientboostingclassifier__max_iter": ...},
        ),
        (LogisticRegression(), {}),
        (lightgbm.LGBMClassifier(n_estimators=3, verbose=-1), {}),
        (make_pipeline(StandardScaler(), xgboost.XGBClassifier(n_estimators=3)), {}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_iterations_that_were_stopped_early_are_fixed_for_another_fit(estimator: Any, fixed: dict[str, Any]) -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(400, 3))
    labels = (features[:, 0] + random.normal(size=400) > 0).astype(np.int64)
    prepare_estimator(estimator, 0)
    fitted = fit_estimator(estimator, TrainingMatrix(features, labels))
    chosen = iterations(fitted)
    assert chosen.keys() == fixed.keys()
    assert all(chosen[name] == value for name, value in fixed.items() if value is not ...)
    if chosen:
        again = fit_estimator(
            sklearn_clone(estimator).set_params(**chosen), TrainingMatrix(features[:300], labels[:300])
        )
        assert count_iterations(again) == count_iterations(fitted)


def count_iterations(fitted: Any) -> int:
    last = fitted.steps[-1][1] if hasattr(fitted, "steps") else fitted
    return int(last.n_estimators_ if hasattr(last, "n_estimators_") else last.n_iter_)
