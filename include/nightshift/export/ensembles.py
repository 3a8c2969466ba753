"""Ensembles of trees as one node of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from nightshift.export.graph import ML, OnnxGraph, tensor
from nightshift.registry.estimators.tree_sums import MISSING, Branch, BranchCondition, Leaf, Tree

# Of ONNX's operator.
SUM, NO_TRANSFORM = 1, 0
AT_MOST, IS_MEMBER = 0, 6
NO_CATEGORY = -0.5  # codes are at least 0


@dataclass(frozen=True)
class Ensemble:
    """Trees whose values are added.

    Attributes:
        trees: Each with the position of its sum, in the order in which they are added.
        sums: The number of sums.
    """

    trees: Sequence[tuple[int, Tree]] = field(repr=False)
    sums: int

    @classmethod
    def of(cls, start: Sequence[float], trees: Sequence[tuple[int, Tree]]) -> Ensemble:
        """The trees after what each sum begins with, which is a tree of one leaf."""
        return cls([*((position, Leaf(value)) for position, value in enumerate(start)), *trees], len(start))


def add_ensemble(graph: OnnxGraph, ensemble: Ensemble, matrix: str) -> str:
    """Adds the sums of the trees of each row, shape (rows, sums)."""
    nodes = _Nodes()
    for position, tree in ensemble.trees:
        nodes.add_tree(tree, position)
    return graph.add(
        "TreeEnsemble",
        matrix,
        domain=ML,
        n_targets=ensemble.sums,
        aggregate_function=SUM,
        post_transform=NO_TRANSFORM,
        tree_roots=nodes.roots,
        nodes_featureids=nodes.features,
        nodes_modes=tensor(nodes.modes, np.uint8),
        nodes_splits=tensor(nodes.thresholds),
        nodes_truenodeids=[place for place, _ in nodes.met],
        nodes_trueleafs=[int(is_leaf) for _, is_leaf in nodes.met],
        nodes_falsenodeids=[place for place, _ in nodes.unmet],
        nodes_falseleafs=[int(is_leaf) for _, is_leaf in nodes.unmet],
        nodes_missing_value_tracks_true=nodes.missing,
        leaf_targetids=nodes.sums,
        leaf_weights=tensor(nodes.values),
        **({"membership_values": tensor(nodes.members)} if nodes.members else {}),
    )


class _Nodes:
    """The nodes of all trees, as columns of the operator; a child is its place and whether it is a leaf."""

    def __init__(self) -> None:
        self.roots: list[int] = []
        self.features: list[int] = []
        self.modes: list[int] = []
        self.thresholds: list[float] = []
        self.missing: list[int] = []
        self.met: list[tuple[int, bool]] = []
        self.unmet: list[tuple[int, bool]] = []
        self.members: list[float] = []
        self.sums: list[int] = []
        self.values: list[float] = []

    def add_tree(self, tree: Tree, position: int) -> None:
        self.roots.append(len(self.features))
        if isinstance(tree, Leaf):  # the operator begins with a condition
            leaf = self._add_leaf(tree.value, position)
            self._add_condition(BranchCondition(0))
            self.met[-1] = self.unmet[-1] = leaf
            return
        ahead = [(self._add_condition(tree.condition), tree)]
        while ahead:
            place, branch = ahead.pop()
            children: list[tuple[int, bool]] = []
            for child in (branch.left, branch.right):
                if isinstance(child, Branch):
                    ahead.append((self._add_condition(child.condition), child))
                    children.append((ahead[-1][0], False))
                else:
                    children.append(self._add_leaf(child.value, position))
            self.met[place], self.unmet[place] = children

    def _add_leaf(self, value: float, position: int) -> tuple[int, bool]:
        self.values.append(value)
        self.sums.append(position)
        return len(self.values) - 1, True

    def _add_condition(self, condition: BranchCondition) -> int:
        categories = condition.categories
        members = () if categories is None else sorted(categories - {MISSING})
        self.features.append(condition.feature)
        self.modes.append(IS_MEMBER if members else AT_MOST)
        self.thresholds.append(condition.threshold if categories is None else NO_CATEGORY)
        self.missing.append(int(condition.missing if categories is None else MISSING in categories))
        self.members += [*map(float, members), np.nan] if members else []
        self.met.append((0, False))
        self.unmet.append((0, False))
        return len(self.features) - 1
