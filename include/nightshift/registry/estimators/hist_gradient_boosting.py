"""Lets scikit-learn's histogram gradient boosting score by `TreeSums`, several times as fast and bit for bit the same.

Only the sum of the trees is replaced, by an attribute of the loaded estimator that takes the place of its method: what
precedes and follows it, such as categories and the link function, stays scikit-learn's own.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np

from nightshift.registry.estimators.adapter import Matrix
from nightshift.registry.estimators.tree_sums import MISSING, Branch, BranchCondition, Leaf, Tree, TreeSums

SUM = "_predict_iterations"  # scikit-learn's method
NODE = ("is_leaf", "value", "left", "right", "feature_idx", "num_threshold", "missing_go_to_left", "is_categorical",
        "bitset_idx")  # fmt: skip
LEAVES = 64  # of a tree: larger ones are walked as fast
PROBES = 512  # rows
FEW_ROWS = 4_096  # whose trees are walked faster than the vectors of all conditions are made

log = logging.getLogger(__name__)


def sum_by_bits(fitted: Any) -> None:
    """Replaces the sum of the trees of all boosted estimators in a fitted estimator, such as in a pipeline.

    One whose trees are too large, or give other sums on rows at the limits of their conditions, keeps its own.
    """
    for estimator in _boosted(fitted, {}):
        if not hasattr(estimator, "_predictors"):  # the template of fitted ones
            continue
        try:
            _require_small_trees(estimator)
            sums = TreeSums(trees_of(estimator), _categories(estimator))
        except (ValueError, AttributeError, TypeError, KeyError) as error:  # of a later scikit-learn, too
            log.info("the trees are summed by scikit-learn: %s", error)
            continue
        if _agrees(sums, estimator):
            setattr(estimator, SUM, _Sum(sums, estimator._predictors, getattr(estimator, SUM)))
        else:
            log.warning("the trees are summed by scikit-learn, whose sums differ from those of NIGHTSHIFT_TREE_SUMS")


class _Sum:
    """Takes the place of scikit-learn's method, for all of the trees that the estimator had; others it sums itself."""

    def __init__(self, sums: TreeSums, predictors: Any, own: Any) -> None:
        self.sums, self.predictors, self.rounds, self.own = sums, predictors, len(predictors), own

    def __call__(self, rows: Matrix, predictors: Any, total: Matrix, is_binned: bool, n_threads: int) -> None:
        are_all = predictors is self.predictors and len(predictors) == self.rounds
        if is_binned or not are_all or len(rows) < FEW_ROWS:
            self.own(rows, predictors, total, is_binned, n_threads)
        else:
            self.sums.add_to(total, rows)


def _boosted(part: Any, visited: dict[int, Any]) -> Iterator[Any]:
    """The boosted estimators of a fitted estimator, in all of its parts; those visited are kept, so are their ids."""
    if id(part) in visited or isinstance(part, np.ndarray | str | bytes | int | float):
        return
    visited[id(part)] = part
    if hasattr(part, SUM):
        yield part
    elif isinstance(part, list | tuple):
        for item in part:
            yield from _boosted(item, visited)
    elif isinstance(part, dict):
        yield from _boosted(list(part.values()), visited)
    elif hasattr(part, "__dict__"):
        yield from _boosted(vars(part), visited)


def trees_of(estimator: Any) -> list[tuple[int, Tree]]:
    """The trees of a boosted estimator, each with the position of its sum; features as the estimator orders them."""
    return [
        (position, _tree(predictor))
        for iteration in estimator._predictors
        for position, predictor in enumerate(iteration)
    ]


def _require_small_trees(estimator: Any) -> None:
    counts = [predictor.nodes["is_leaf"].sum() for iteration in estimator._predictors for predictor in iteration]
    if (leaves := int(max(counts, default=0))) > LEAVES:
        raise ValueError(f"a tree has {leaves} leaves")


def _tree(predictor: Any) -> Tree:
    """The tree of a predictor, whose nodes follow their parents."""
    nodes: dict[int, Tree] = {}
    columns = zip(*(predictor.nodes[name].tolist() for name in NODE), strict=True)
    for number, (is_leaf, value, left, right, *condition) in reversed(list(enumerate(columns))):
        if is_leaf:
            nodes[number] = Leaf(value)
        else:
            nodes[number] = Branch(_condition(predictor, *condition), nodes[left], nodes[right])
    return nodes[0]


def _condition(
    predictor: Any, feature: int, threshold: float, missing: int, is_categorical: int, categories: int
) -> BranchCondition:
    if not is_categorical:
        return BranchCondition(feature, threshold, bool(missing))
    bits = predictor.raw_left_cat_bitsets[categories].astype("<u4").view(np.uint8)
    left = frozenset(np.flatnonzero(np.unpackbits(bits, bitorder="little")).tolist())
    return BranchCondition(feature, categories=left | {MISSING} if missing else left)


def _categories(estimator: Any) -> dict[int, frozenset[int]]:
    mapper = estimator._bin_mapper
    return {
        int(feature): frozenset(int(category) for category in mapper.bin_thresholds_[feature])
        for feature in np.flatnonzero(mapper.is_categorical_)
    }


def _agrees(sums: TreeSums, estimator: Any) -> bool:
    """Whether the sums are bit for bit those of the estimator's own method, on rows at the limits of its conditions."""
    rows = _probes(sums, estimator.n_features_in_)
    own, ours = (np.zeros((len(rows), estimator.n_trees_per_iteration_), order="F") for _ in range(2))
    getattr(estimator, SUM)(rows, estimator._predictors, own, False, 1)
    sums.add_to(ours, rows)
    return own.tobytes() == ours.tobytes()


def _probes(sums: TreeSums, width: int) -> Matrix:
    """Rows of values at which conditions change their answer, and of missing and infinite ones."""
    random = np.random.default_rng(0)
    rows = np.empty((PROBES, width))
    for feature in range(width):
        thresholds = np.array([item.threshold for item in sums.conditions if item.feature == feature])
        if feature in sums.categories:
            values = np.array([*sums.categories[feature], -1.0, np.nan])
        else:
            beside = [np.nextafter(thresholds, side) for side in (-np.inf, np.inf)]
            values = np.concatenate([thresholds, *beside, [0.0, np.inf, -np.inf, np.nan]])
        rows[:, feature] = random.choice(values, PROBES)
    return rows
