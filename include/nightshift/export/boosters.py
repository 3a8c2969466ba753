"""The trees of boosted estimators, as they are stored, and what follows their sums."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nightshift.export import floats
from nightshift.export.ensembles import Ensemble
from nightshift.export.links import Link, exponential, identity, logistic, softmax
from nightshift.export.refusal import not_exported
from nightshift.registry.estimators.hist_gradient_boosting import trees_of
from nightshift.registry.estimators.lightgbm import LightgbmModel
from nightshift.registry.estimators.tree_sums import MISSING, Branch, BranchCondition, Leaf, Tree
from nightshift.registry.estimators.xgboost import XgboostModel


@dataclass(frozen=True)
class Booster:
    """A boosted estimator.

    Attributes:
        ensemble: Its trees.
        link: What turns their sums into its scores.
        in_floats: Whether it computes with 32 bits, as its link does then.
    """

    ensemble: Ensemble
    link: Link
    in_floats: bool = False


# ---- scikit-learn


def of_scikit_learn(estimator: Any) -> Booster:
    """A histogram gradient boosting of scikit-learn.

    Raises:
        TerminalError: If its loss has no form here.
    """
    features, codes = _input_features(estimator)
    trees = [(position, _with_features(tree, features, codes)) for position, tree in trees_of(estimator)]
    start = np.asarray(estimator._baseline_prediction, dtype=np.float64).reshape(-1).tolist()
    return Booster(Ensemble.of(start, trees), _link_of_scikit_learn(estimator))


def _link_of_scikit_learn(estimator: Any) -> Link:
    links = {"IdentityLink": identity, "LogLink": exponential, "LogitLink": logistic(), "MultinomialLogit": softmax}
    name = type(estimator._loss.link).__name__
    if name not in links:
        raise not_exported(f"the loss of {type(estimator).__name__}", type(estimator._loss).__name__)
    return links[name]


def _input_features(estimator: Any) -> tuple[list[int], dict[int, Sequence[float]]]:
    """The matrix's column of each of its own features, and the codes that are the categories of some.

    It moves categories to the front and numbers those that it has seen.
    """
    if estimator._preprocessor is None:
        return list(range(estimator.n_features_in_)), {}
    (_, encoder, categories), (_, _, numbers) = estimator._preprocessor.transformers_[:2]
    places = list(range(estimator.n_features_in_))
    features = [int(place) for columns in (categories, numbers) for place in np.array(places)[columns]]
    return features, {place: codes.tolist() for place, codes in enumerate(encoder.categories_)}


def _with_features(tree: Tree, features: Sequence[int], codes: Mapping[int, Sequence[float]]) -> Tree:
    """A tree on the matrix's columns and codes."""
    if isinstance(tree, Leaf):
        return tree
    condition = tree.condition
    categories = condition.categories
    if categories is not None:
        known = codes[condition.feature]
        categories = frozenset(MISSING if place == MISSING else int(known[place]) for place in categories)
    mapped = BranchCondition(features[condition.feature], condition.threshold, condition.missing, categories)
    return Branch(mapped, *(_with_features(child, features, codes) for child in (tree.left, tree.right)))


# ---- LightGBM

LIGHTGBM_LINKS: Mapping[str, Callable[[Mapping[str, str]], Link]] = {
    "binary": lambda options: logistic(float(options.get("sigmoid", 1))),
    "cross_entropy": lambda _: logistic(),
    "multiclass": lambda _: softmax,
    **{name: lambda _: exponential for name in ("poisson", "gamma", "tweedie")},
    **{
        name: lambda _: identity
        for name in ("regression", "regression_l1", "huber", "fair", "quantile", "mape")
    },
}  # fmt: skip


def of_lightgbm(model: LightgbmModel) -> Booster:
    """The trees of LightGBM.

    Raises:
        TerminalError: If something of it has no form here.
    """
    content = model.booster.dump_model()
    objective, *words = (content.get("objective") or "none").split()
    options = dict(word.partition(":")[::2] for word in words)
    if objective not in LIGHTGBM_LINKS or "sqrt" in options:
        raise not_exported("the objective of LightGBM", " ".join([objective, *words]))
    sums, trees = content["num_tree_per_iteration"], content["tree_info"]
    share = sums / len(trees) if content["average_output"] else 1.0
    placed = [(number % sums, _lightgbm_tree(tree["tree_structure"], share)) for number, tree in enumerate(trees)]
    return Booster(Ensemble(placed, sums), LIGHTGBM_LINKS[objective](options))


def _lightgbm_tree(node: Mapping[str, Any], share: float) -> Tree:
    if "leaf_coeff" in node:
        raise not_exported("LightGBM", "linear_tree")
    if "leaf_value" in node:
        return Leaf(node["leaf_value"] * share)
    children = (_lightgbm_tree(node[name], share) for name in ("left_child", "right_child"))
    return Branch(_lightgbm_condition(node), *children)


def _lightgbm_condition(node: Mapping[str, Any]) -> BranchCondition:
    feature = node["split_feature"]
    if node["decision_type"] == "==":  # a missing category goes to the right
        return BranchCondition(feature, categories=frozenset(map(int, str(node["threshold"]).split("||"))))
    if node["missing_type"] == "Zero":
        raise not_exported("LightGBM", "zero_as_missing")
    threshold = float(node["threshold"])
    missing = node["default_left"] if node["missing_type"] == "NaN" else threshold >= 0  # it takes NaN for 0
    return BranchCondition(feature, threshold, bool(missing))


# ---- XGBoost

LOGISTIC = ("binary:logistic", "reg:logistic")
LOGARITHMIC = ("count:poisson", "reg:gamma", "reg:tweedie")
PLAIN = ("reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror", "reg:squaredlogerror")
XGBOOST_LINKS: Mapping[str, Link] = {
    **dict.fromkeys(LOGISTIC, floats.logistic),
    **dict.fromkeys(LOGARITHMIC, floats.exponential),
    **dict.fromkeys(PLAIN, floats.identity),
    "multi:softprob": floats.softmax,
}


def of_xgboost(model: XgboostModel, categories: Mapping[int, int]) -> Booster:
    """The trees of XGBoost.

    Args:
        model: The model.
        categories: The number of codes of each feature that is a category.

    Raises:
        TerminalError: If something of it has no form here.
    """
    learner = json.loads(model.content)["learner"]
    objective, booster = learner["objective"]["name"], learner["gradient_booster"]
    if objective not in XGBOOST_LINKS:
        raise not_exported("the objective of XGBoost", objective)
    if booster["name"] not in ("gbtree", "dart"):
        raise not_exported("the booster of XGBoost", booster["name"])
    content = booster["gbtree"]["model"] if booster["name"] == "dart" else booster["model"]
    if any(int(tree["tree_param"]["size_leaf_vector"]) > 1 for tree in content["trees"]):
        raise not_exported("XGBoost", "multi_strategy: multi_output_tree")
    weights = booster.get("weight_drop") or [1.0] * len(content["trees"])
    trees = [
        (position, _xgboost_tree(tree, 0, weight, categories))
        for position, tree, weight in zip(content["tree_info"], content["trees"], weights, strict=True)
    ]
    params = learner["learner_model_param"]
    sums = max(1, int(params["num_class"]))
    start = [_margin(objective, base) for base in _numbers(params["base_score"])]
    return Booster(Ensemble.of(start * (sums // len(start)), trees), XGBOOST_LINKS[objective], in_floats=True)


def _numbers(text: str) -> list[float]:
    """The numbers of `5E-1` or `[5E-1,2E-1]`."""
    return [float(part) for part in text.strip("[]").split(",")]


def _margin(objective: str, base: float) -> float:
    """The sum that a base score stands for, in XGBoost's 32 bits."""
    score, one = np.float32(base), np.float32(1)
    if objective in LOGISTIC:
        return -float(np.log(one / score - one))
    return float(np.log(score)) if objective in LOGARITHMIC else float(score)


def _xgboost_tree(tree: Mapping[str, Any], node: int, weight: float, categories: Mapping[int, int]) -> Tree:
    left, right = tree["left_children"][node], tree["right_children"][node]
    if left == -1:
        return Leaf(float(np.float32(tree["split_conditions"][node]) * np.float32(weight)))
    children = (_xgboost_tree(tree, child, weight, categories) for child in (left, right))
    return Branch(_xgboost_condition(tree, node, categories), *children)


def _xgboost_condition(tree: Mapping[str, Any], node: int, categories: Mapping[int, int]) -> BranchCondition:
    feature, missing = tree["split_indices"][node], bool(tree["default_left"][node])
    if tree["split_type"][node] == 1:  # the categories that it names go to the right
        if feature not in categories:
            raise not_exported("XGBoost", "feature_types of transformed features")
        place = tree["categories_nodes"].index(node)
        first, count = tree["categories_segments"][place], tree["categories_sizes"][place]
        left = frozenset(range(categories[feature])) - set(tree["categories"][first : first + count])
        return BranchCondition(feature, categories=left | {MISSING} if missing else left)
    # It asks `value < threshold` of floats: that is, whether the value is at most the float below.
    below = np.nextafter(np.float32(tree["split_conditions"][node]), np.float32(-np.inf))
    return BranchCondition(feature, float(below), missing)
