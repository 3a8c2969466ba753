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
from nightshift.registry.estimators.tree_sums import MISSING, Condition, Leaf, Split, Tree, TreeSums

SUM = "_predict_iterations"  # scikit-learn's method
PROBES = 512  # rows
FEW_ROWS = 4_096  # whose trees are walked faster than the vectors of all conditions are made

log = logging.getLogger(__name__)


def sum_by_bits(fitted: Any) -> None:
    """Replaces the sum of the trees of all boosted estimators in a fitted estimator, such as in a pipeline.

    One whose trees are too large, or give other sums on rows at the limits of their conditions, keeps its own.
    """
    for estimator in _boosted(fitted, set()):
        try:
            sums = TreeSums(_trees(estimator), _categories(estimator))
        except (ValueError, AttributeError, TypeError, KeyError) as error:  # of a later scikit-learn, too
            log.info("the trees are summed by scikit-learn: %s", error)
            continue
        if _agrees(sums, estimator):
            setattr(estimator, SUM, _Sum(sums, getattr(estimator, SUM)))
        else:
            log.warning("the trees are summed by scikit-learn, whose sums differ from those of NIGHTSHIFT_TREE_SUMS")


class _Sum:
    """Takes the place of scikit-learn's method."""

    def __init__(self, sums: TreeSums, own: Any) -> None:
        self.sums, self.own = sums, own

    def __call__(self, rows: Matrix, predictors: Any, total: Matrix, is_binned: bool, threads: int) -> None:
        if is_binned or len(rows) < FEW_ROWS:
            self.own(rows, predictors, total, is_binned, threads)
        else:
            self.sums.add_to(total, rows)


def _boosted(part: Any, visited: set[int]) -> Iterator[Any]:
    """The boosted estimators of a fitted estimator, in all of its parts."""
    if id(part) in visited or isinstance(part, np.ndarray | str | bytes | int | float):
        return
    visited.add(id(part))
    if hasattr(part, SUM):
        yield part
    elif isinstance(part, list | tuple):
        for item in part:
            yield from _boosted(item, visited)
    elif isinstance(part, dict):
        yield from _boosted(list(part.values()), visited)
    elif hasattr(part, "__dict__"):
        yield from _boosted(vars(part), visited)


def _trees(estimator: Any) -> list[tuple[int, Tree]]:
    return [
        (position, _tree(predictor, estimator._bin_mapper))
        for iteration in estimator._predictors
        for position, predictor in enumerate(iteration)
    ]


def _tree(predictor: Any, mapper: Any) -> Tree:
    """The tree of a predictor, whose nodes follow their parents."""
    nodes: dict[int, Tree] = {}
    for number in reversed(range(len(predictor.nodes))):
        node = dict(zip(predictor.nodes.dtype.names, predictor.nodes[number].item(), strict=True))
        if node["is_leaf"]:
            nodes[number] = Leaf(node["value"])
        else:
            nodes[number] = Split(_condition(node, predictor, mapper), nodes[node["left"]], nodes[node["right"]])
    return nodes[0]


def _condition(node: dict[str, Any], predictor: Any, mapper: Any) -> Condition:
    feature, missing = node["feature_idx"], bool(node["missing_go_to_left"])
    if not node["is_categorical"]:
        return Condition(feature, node["num_threshold"], missing)
    bits = predictor.raw_left_cat_bitsets[node["bitset_idx"]].astype("<u4").view(np.uint8)
    left = frozenset(np.flatnonzero(np.unpackbits(bits, bitorder="little")).tolist())
    return Condition(feature, categories=left | {MISSING} if missing else left)


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
