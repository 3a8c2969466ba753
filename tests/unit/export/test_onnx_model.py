"""Exported versions, run by onnxruntime, give their scores: each kind of estimator, link and calibration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, OneHotEncoder, RobustScaler, StandardScaler
from xgboost import XGBClassifier, XGBRegressor

from nightshift.definition.prediction import CLASS, NUMBER, PROBABILITY
from nightshift.errors import TerminalError
from nightshift.export.comparison import OnnxScorer
from nightshift.export.onnx_model import onnx_model
from nightshift.registry.classes import LabelClasses, scored_columns
from nightshift.registry.package import ModelPackage
from unit.export.worlds import rows, version, with_limits

CATEGORIES = [1, 3]
ENCODED = ColumnTransformer(
    [
        ("categories", OneHotEncoder(handle_unknown="ignore"), CATEGORIES),
        ("numbers", make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), [0, 2, 4]),
    ],
    remainder="passthrough",
)
IN_DOUBLES, IN_FLOATS = 1e-12, 1e-6


def boosted(**params: Any) -> Any:
    return HistGradientBoostingClassifier(max_iter=30, min_samples_leaf=5, categorical_features=CATEGORIES, **params)


def boosted_numbers() -> Any:
    return HistGradientBoostingClassifier(max_iter=10)


def boosted_number(**params: Any) -> Any:
    return HistGradientBoostingRegressor(max_iter=30, min_samples_leaf=5, categorical_features=CATEGORIES, **params)


VERSIONS: dict[str, tuple[Callable[[], ModelPackage], float]] = {
    "boosted": (lambda: version(boosted()), IN_DOUBLES),
    "boosted, isotonic": (lambda: version(boosted(), calibration="isotonic"), IN_DOUBLES),
    "boosted, sigmoid": (lambda: version(boosted(), calibration="sigmoid"), IN_DOUBLES),
    "boosted, large trees": (lambda: version(boosted(max_leaf_nodes=200)), IN_DOUBLES),
    "boosted, codes as numbers": (lambda: version(HistGradientBoostingClassifier(max_iter=20)), IN_DOUBLES),
    "boosted classes": (lambda: version(boosted(), CLASS), IN_DOUBLES),
    "boosted classes, isotonic": (lambda: version(boosted(), CLASS, "isotonic"), IN_DOUBLES),
    "boosted classes, sigmoid": (lambda: version(boosted(), CLASS, "sigmoid"), IN_DOUBLES),
    "boosted, filled": (lambda: version(boosted(), impute="median"), IN_DOUBLES),
    **{
        f"boosted number, {loss}": (lambda loss=loss: version(boosted_number(loss=loss), NUMBER), IN_DOUBLES)
        for loss in ("squared_error", "absolute_error", "poisson", "gamma")
    },
    "LightGBM": (lambda: version(LGBMClassifier(n_estimators=40)), IN_DOUBLES),
    "LightGBM, isotonic": (lambda: version(LGBMClassifier(n_estimators=40), calibration="isotonic"), IN_DOUBLES),
    "LightGBM, without missing": (lambda: version(LGBMClassifier(n_estimators=20, use_missing=False)), IN_DOUBLES),
    "LightGBM, filled": (lambda: version(LGBMClassifier(n_estimators=20), impute="mean"), IN_DOUBLES),
    "LightGBM classes": (lambda: version(LGBMClassifier(n_estimators=20), CLASS), IN_DOUBLES),
    "LightGBM forest": (
        lambda: version(
            LGBMRegressor(n_estimators=20, boosting_type="rf", bagging_freq=1, bagging_fraction=0.7), NUMBER
        ),
        IN_DOUBLES,
    ),
    "LightGBM dart": (lambda: version(LGBMClassifier(n_estimators=20, boosting_type="dart")), IN_DOUBLES),
    **{
        f"LightGBM number, {loss}": (
            lambda loss=loss: version(LGBMRegressor(n_estimators=20, objective=loss), NUMBER),
            IN_DOUBLES,
        )
        for loss in ("regression", "regression_l1", "huber", "quantile", "poisson", "gamma", "tweedie")
    },
    "XGBoost": (lambda: version(XGBClassifier(n_estimators=40, max_depth=5)), IN_FLOATS),
    "XGBoost, isotonic": (lambda: version(XGBClassifier(n_estimators=40), calibration="isotonic"), IN_FLOATS),
    "XGBoost, one category each": (lambda: version(XGBClassifier(n_estimators=20, max_cat_to_onehot=100)), IN_FLOATS),
    "XGBoost classes": (lambda: version(XGBClassifier(n_estimators=20), CLASS), IN_FLOATS),
    "XGBoost classes, sigmoid": (lambda: version(XGBClassifier(n_estimators=20), CLASS, "sigmoid"), IN_FLOATS),
    "XGBoost dart": (lambda: version(XGBClassifier(n_estimators=20, booster="dart", rate_drop=0.3)), IN_FLOATS),
    "XGBoost base score": (lambda: version(XGBClassifier(n_estimators=9, base_score=0.2)), IN_FLOATS),
    **{
        f"XGBoost number, {loss}": (
            lambda loss=loss: version(XGBRegressor(n_estimators=20, objective=loss), NUMBER),
            2 * IN_FLOATS,  # of numbers up to 50
        )
        for loss in ("reg:squarederror", "reg:absoluteerror", "count:poisson", "reg:gamma", "reg:tweedie")
    },
    "logistic": (lambda: version(LogisticRegression(max_iter=500), impute="median"), IN_DOUBLES),
    "logistic, encoded": (lambda: version(make_pipeline(ENCODED, LogisticRegression(max_iter=500))), IN_DOUBLES),
    "logistic classes": (
        lambda: version(make_pipeline(ENCODED, LogisticRegression(max_iter=500)), CLASS, "isotonic"),
        IN_DOUBLES,
    ),
    "linear": (lambda: version(LinearRegression(), NUMBER, impute="mean"), IN_DOUBLES),
    "ridge without intercept": (lambda: version(Ridge(fit_intercept=False), NUMBER, impute="mean"), IN_DOUBLES),
    "Poisson": (
        lambda: version(
            make_pipeline(RobustScaler(), MinMaxScaler(clip=True), PoissonRegressor()), NUMBER, None, "mean"
        ),
        IN_DOUBLES,
    ),
    "logistic, scaled otherwise": (
        lambda: version(
            make_pipeline(
                "passthrough",
                SimpleImputer(strategy="constant", fill_value=-7),
                ColumnTransformer(
                    [
                        ("weighted", StandardScaler(with_mean=False), [0]),
                        ("first", OneHotEncoder(drop="first", handle_unknown="ignore"), CATEGORIES),
                        ("dropped", "drop", [2]),
                        ("none", StandardScaler(), []),
                    ],
                    remainder=MaxAbsScaler(clip=True),
                    transformer_weights={"weighted": 3.0},
                ),
                LogisticRegression(max_iter=500),
            )
        ),
        IN_DOUBLES,
    ),
    "boosted, clipped": (lambda: version(make_pipeline(MinMaxScaler(clip=True), boosted_numbers())), IN_DOUBLES),
    "XGBoost, weighed and isotonic": (
        lambda: version(XGBClassifier(n_estimators=10, scale_pos_weight=4), calibration="isotonic"),
        IN_FLOATS,
    ),
    "LightGBM, encoded": (
        lambda: version(make_pipeline(ENCODED, MaxAbsScaler(), LGBMClassifier(n_estimators=20))),
        IN_DOUBLES,
    ),
    "XGBoost, encoded": (lambda: version(make_pipeline(ENCODED, XGBClassifier(n_estimators=20))), IN_FLOATS),
}


@pytest.mark.parametrize("name", VERSIONS)
def test_an_exported_version_gives_its_scores(name: str) -> None:
    require_equal_scores(name, 3_000)


def require_equal_scores(name: str, count: int) -> None:
    """Compares a version with its graph over rows as they come, and as many at the limits of conditions."""
    make, tolerance = VERSIONS[name]
    package = make()
    scorer = OnnxScorer(onnx_model(package, "tiny", 3, "d1gest"))
    table = with_limits(rows(9, count), [20.0, 40.0, 0.5, 3.0])
    scores, expected = scorer.score(table), package.score(table)
    assert np.array_equal(np.isnan(scores), np.isnan(expected))
    difference = np.abs(scores - expected) / np.maximum(1, np.abs(expected))
    assert np.nanmax(difference) <= tolerance
    if package.classes is not None:
        columns = scored_columns(expected, package.classes)
        clear = np.sort(expected)[:, -1] - np.sort(expected)[:, -2] > 2 * tolerance
        outputs = scorer.run(table)
        predicted = np.array(columns["prediction"].to_pylist(), dtype=object)
        assert np.array_equal(outputs["prediction"][clear, 0], predicted[clear])
        assert np.allclose(outputs["score"][:, 0], np.array(columns["score"]), rtol=0, atol=tolerance)


def renamed(package: ModelPackage, names: dict[str, str]) -> ModelPackage:
    encoder = package.encoder
    types = {names.get(name, name): kind for name, kind in encoder.types.items()}
    categories = {names.get(name, name): values for name, values in encoder.categories.items()}
    return replace(package, encoder=replace(encoder, types=types, categories=categories))


def test_features_may_be_called_as_they_like_but_not_as_an_output() -> None:
    package, table = version(boosted()), rows(9, 500)
    names = {"age": "constant_0", "city": "sub 3", "weight": "ü'b", "kind": "rows", "count": "gather_1"}
    graph = onnx_model(renamed(package, names), "tiny", 3, "d1gest")
    scores = OnnxScorer(graph).score(table.rename_columns(names))
    assert np.allclose(scores, package.score(table), rtol=0, atol=IN_DOUBLES)
    for output in ("score", "prediction", "probabilities"):
        with pytest.raises(TerminalError, match=f"tiny: a feature has the name of an output; received '{output}'"):
            onnx_model(renamed(package, {"age": output}), "tiny", 3, "d1gest")


def test_a_score_depends_neither_on_threads_nor_on_the_other_rows() -> None:
    import onnxruntime

    for package in (version(boosted()), version(XGBClassifier(n_estimators=200), CLASS)):
        graph = onnx_model(package, "tiny", 3, "d1gest")
        table = rows(9, 300)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 4
        scorer, threaded = OnnxScorer(graph), OnnxScorer(graph)
        threaded._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        expected = scorer.score(table)
        for place in (0, 7, 299):
            assert np.allclose(scorer.score(table.slice(place, 1)), expected[place], rtol=0, atol=1e-15)
            assert np.allclose(threaded.score(table.slice(place, 1)), expected[place], rtol=0, atol=1e-15)
        assert np.allclose(threaded.score(table), expected, rtol=0, atol=1e-15)


def test_an_estimator_that_knows_other_classes_than_the_version_is_refused() -> None:
    package = replace(version(boosted(), CLASS), classes=LabelClasses(("a", "b", "c", "d")))
    with pytest.raises(TerminalError, match=r"tiny: the graph is not valid; received .* differ in dimension 1"):
        onnx_model(package, "tiny", 3, "d1gest")


def test_what_cannot_be_exported_is_said_by_name() -> None:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.preprocessing import PolynomialFeatures, QuantileTransformer

    for estimator, part in [
        (RandomForestClassifier(n_estimators=3), "estimator.*RandomForestClassifier"),
        (make_pipeline(QuantileTransformer(n_quantiles=10), LogisticRegression()), "transformer.*QuantileTransformer"),
        (make_pipeline(PolynomialFeatures(), LGBMClassifier(n_estimators=3)), "transformer.*PolynomialFeatures"),
        (LGBMClassifier(n_estimators=3, zero_as_missing=True), "LightGBM.*zero_as_missing"),
        (LGBMClassifier(n_estimators=3, objective="cross_entropy_lambda"), "objective of LightGBM"),
        (LGBMRegressor(n_estimators=3, linear_tree=True), "LightGBM.*linear_tree"),
        (LGBMRegressor(n_estimators=3, reg_sqrt=True), "objective of LightGBM.*sqrt"),
        (XGBClassifier(n_estimators=3, booster="gblinear"), "booster of XGBoost.*gblinear"),
        (XGBClassifier(n_estimators=3, objective="binary:hinge"), "objective of XGBoost.*binary:hinge"),
    ]:
        prediction = NUMBER if isinstance(estimator, LGBMRegressor) else PROBABILITY
        package = version(estimator, prediction, impute="median")
        with pytest.raises(TerminalError, match=f"{part}.*fix: serve the version"):
            onnx_model(package, "tiny", 3, "d1gest")
