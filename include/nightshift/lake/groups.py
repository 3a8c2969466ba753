"""The aggregates over a source by key, and the columns of a tile that store their partials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nightshift.definition.features import Aggregate
from nightshift.definition.model import ModelDefinition

OVERALL = "all rows"

# The sum of the values, and of their squares, in five limbs each: see `nightshift.features.partials`.
SUM_LIMBS = tuple(f"sum{limb}" for limb in range(5))
SQUARES_LIMBS = tuple(f"squares{limb}" for limb in range(5))

_PARTIAL_NAMES: dict[str, tuple[str, ...]] = {
    "count": ("n",),
    "rate": ("n", "hits"),
    "sum": ("n", *SUM_LIMBS),
    "mean": ("n", *SUM_LIMBS),
    "stddev": ("n", *SUM_LIMBS, *SQUARES_LIMBS),
    "min": ("min",),
    "max": ("max",),
    "approx_distinct": ("n", "sketch"),
}
_PARTIAL_TYPES = {"n": "integer", "hits": "integer", "at": "timestamp", "last_text": "string", "sketch": "binary"}


@dataclass(frozen=True)
class Group:
    """The aggregates over a source that share a key; they are computed together.

    Attributes:
        by: The columns of the key.
        aggregates: The aggregates by name.
        holders: For each aggregate, the name of the aggregate whose columns in the tiles store its partials: the first
            by name of those over the same source and the same values.
    """

    by: tuple[str, ...]
    aggregates: Mapping[str, Aggregate]
    holders: Mapping[str, str]

    @property
    def name(self) -> str:
        """The value of the column `by` in a tile."""
        return ", ".join(self.by) or OVERALL

    @property
    def keys(self) -> list[str]:
        """The key's columns in a tile: a source may have a column called `days` or `model`."""
        return [key_column(column) for column in self.by]

    @property
    def stored_aggregates(self) -> dict[str, Aggregate]:
        """One aggregate for each set of partials that the group stores, by the name of its holder."""
        return {self.holders[name]: aggregate for name, aggregate in self.aggregates.items()}

    @property
    def partial_columns(self) -> list[str]:
        """The columns of a tile that store the group's partials."""
        return [
            column for name, aggregate in self.stored_aggregates.items() for column in partial_types(name, aggregate)
        ]


def aggregate_groups(definition: ModelDefinition, source: str) -> tuple[Group, ...]:
    """The aggregates over a source, grouped by key."""
    aggregates = {name: a for name, a in definition.features.aggregates.items() if a.source == source}
    first: dict[tuple[object, ...], str] = {}
    # By name, so that tiles do not depend on the order of declarations.
    holders = {
        name: first.setdefault((partial_names(a), a.value, a.where), name) for name, a in sorted(aggregates.items())
    }
    groups: dict[tuple[str, ...], dict[str, Aggregate]] = {}
    for name, aggregate in aggregates.items():
        groups.setdefault(aggregate.by, {})[name] = aggregate
    return tuple(Group(by, members, {name: holders[name] for name in members}) for by, members in groups.items())


def partial_names(aggregate: Aggregate) -> tuple[str, ...]:
    """The names of an aggregate's partials."""
    if aggregate.agg == "last":
        return ("at", "last_text" if aggregate.type == "category" else "last")
    return _PARTIAL_NAMES[aggregate.agg]


def partial_types(name: str, aggregate: Aggregate) -> dict[str, str]:
    """An aggregate's columns in a tile, with their types."""
    return {f"{name}__{partial}": _PARTIAL_TYPES.get(partial, "number") for partial in partial_names(aggregate)}


def key_column(column: str) -> str:
    """The column of a tile that stores a column of a key."""
    return f"key_{column}"
