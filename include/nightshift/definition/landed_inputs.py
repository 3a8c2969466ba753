"""The landed columns that the expressions of a definition read, through derived columns and look-ups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nightshift.definition.calendar import zone_of
from nightshift.definition.expressions import Dialect, paths_in
from nightshift.definition.reading import column_reading
from nightshift.definition.source import Source

if TYPE_CHECKING:
    from nightshift.definition.model import ModelDefinition


@dataclass
class LandedInputs:
    """Collects what expressions read of the sources: landed columns, derived columns and look-ups.

    Attributes:
        definition: The definition of the sources.
        columns: The reading of each landed column, by its source and its name.
        parts: What the columns go through: derived columns and look-ups, each with its declaration.
    """

    definition: ModelDefinition
    columns: dict[tuple[str, str], str] = field(default_factory=dict)
    parts: dict[str, object] = field(default_factory=dict)

    def add_expression(self, source: str, expression: str, dialect: Dialect = "spark") -> None:
        """Adds every column that an expression over a source's rows names, and every look-up's field."""
        for name, *fields in paths_in(expression, dialect):
            if name in self.definition.sources[source].types:
                self.add_column(source, name)
            elif name in self.definition.features.lookups:
                self.add_lookup(name, fields)

    def add_column(self, source: str, name: str) -> None:
        """Adds a column, landed or derived; a name of no column, such as the score date's, adds nothing."""
        declared = self.definition.sources[source]
        if name in declared.columns:
            self.columns[source, name] = column_reading(self.definition, source, name)
        elif name in declared.derived:
            derived = declared.derived[name]
            self.parts[f"{source}.{name}"] = [derived.expression.strip(), derived.type]
            self.add_expression(source, derived.expression)

    def add_lookup(self, name: str, fields: Sequence[str]) -> None:
        """Adds a look-up: its key on both sides, and the field that is used; all where it is used as a struct."""
        lookup = self.definition.features.lookups[name]
        source = self.definition.sources[lookup.source]
        self.parts[f"look-up {name}"] = [lookup.source, lookup.key, source.cadence, *clock(self.definition, source)]
        for column in lookup.key:
            self.add_column(self.definition.observations.source, column)
            self.add_column(lookup.source, column)
        for column in fields[:1] or source.types:
            self.add_column(lookup.source, column)


def clock(definition: ModelDefinition, source: Source | None = None) -> list[object]:
    """What decides which data a night may use: the cutoff's time of day, and when a source is available."""
    schedule = definition.schedule
    clock: list[object] = [schedule.timezone, f"{schedule.time_of_day:%H:%M}"]
    if source is None:
        return clock
    return [*clock, zone_of(schedule, source), source.available.model_dump(mode="json")]
