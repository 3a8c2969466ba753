"""The aggregates over a source by key, and the table that keeps their partials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nightshift.definition.model import Aggregate, ModelDefinition
from nightshift.features.partials import part_types, parts
from nightshift.lake.tables import TableSpec

OVERALL = "all rows"


@dataclass(frozen=True)
class Group:
    """The aggregates over a source that share a key; they are computed together.

    Attributes:
        by: The columns of the key.
        aggregates: The aggregates by name.
        holders: For each of them the aggregate whose columns in the tiles hold its partials: of those of the
            source over the same values, the first by name.
    """

    by: tuple[str, ...]
    aggregates: Mapping[str, Aggregate]
    holders: Mapping[str, str]

    @property
    def name(self) -> str:
        """What the column `by` of a tile says."""
        return ", ".join(self.by) or OVERALL

    @property
    def keys(self) -> list[str]:
        """The key's columns in a tile: a source may have a column called `days` or `model`."""
        return [key_column(column) for column in self.by]

    @property
    def held(self) -> dict[str, Aggregate]:
        """Each aggregate of the group that differs from the others in what is kept of it, by its holder."""
        return {self.holders[name]: aggregate for name, aggregate in self.aggregates.items()}

    @property
    def partials(self) -> list[str]:
        """The columns of a tile that hold the group's partials."""
        return [column for name, aggregate in self.held.items() for column in part_types(name, aggregate)]


def grouped(definition: ModelDefinition, source: str) -> tuple[Group, ...]:
    """The aggregates over a source, by key."""
    over = {name: a for name, a in definition.features.aggregates.items() if a.source == source}
    first: dict[tuple[object, ...], str] = {}
    # By name, so that tiles do not depend on the order of declarations.
    holders = {name: first.setdefault((parts(a), a.value, a.where), name) for name, a in sorted(over.items())}
    groups: dict[tuple[str, ...], dict[str, Aggregate]] = {}
    for name, aggregate in over.items():
        groups.setdefault(aggregate.by, {})[name] = aggregate
    return tuple(Group(by, members, {name: holders[name] for name in members}) for by, members in groups.items())


def tiles_table(definition: ModelDefinition, source: str) -> TableSpec:
    """`tiles.<source>`: a row per model, span, first day, group and key."""
    types, groups = definition.sources[source].types, grouped(definition, source)
    keys = {key_column(column): types[column] for group in groups for column in group.by}
    partials = {
        column: kind
        for group in groups
        for name, a in group.held.items()
        for column, kind in part_types(name, a).items()
    }
    told = {"model": "string", "days": "integer", "source_date": "date", "made_from": "string", "by": "string"}
    return TableSpec(
        f"tiles.{source}",
        told | keys | partials,
        "source_date",
        ("source_date", "by"),
        split_by=("model", "days"),
        bounded=tuple(told),
    )


def key_column(column: str) -> str:
    """A key's column in a tile."""
    return f"key_{column}"
