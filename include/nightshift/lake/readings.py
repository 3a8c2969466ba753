"""The readings by which published dates of sources were read, and which dates the definition reads otherwise now."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

from nightshift.definition.calendar import spans_in_words
from nightshift.definition.model import ModelDefinition
from nightshift.definition.reading import source_readings
from nightshift.definition.recipe import RecipeChange, recipe_change
from nightshift.errors import TerminalError
from nightshift.lake.catalog import Lake
from nightshift.lake.staging import inputs_by_date
from nightshift.lake.tables import READINGS, Layer, raw_table


@dataclass(frozen=True)
class OutdatedReadings:
    """Published dates of a source that were read otherwise than the definition says now.

    Attributes:
        source: The name of the source.
        changes: How the columns of each date differ, by date.
    """

    source: str
    changes: Mapping[date, RecipeChange]

    @property
    def change(self) -> RecipeChange:
        """How the columns of all these dates differ."""
        columns = tuple(dict.fromkeys(name for change in self.changes.values() for name in change.features))
        return RecipeChange(columns, unrecorded=not columns)

    def __str__(self) -> str:
        return f"{Layer.RAW.table(self.source)} of {spans_in_words(self.changes)} was read by {self.change}"


def outdated_readings(
    lake: Lake, definition: ModelDefinition, columns: Collection[tuple[str, str]] | None = None
) -> list[OutdatedReadings]:
    """The published dates of each source whose columns the definition reads otherwise now.

    Args:
        lake: The lake.
        definition: The definition.
        columns: The columns that matter, each with its source; every one that is declared if None.
    """
    outdated = []
    for name in definition.sources:
        readings = source_readings(definition, name).items()
        wanted = {column: reading for column, reading in readings if columns is None or (name, column) in columns}
        if not wanted:
            continue
        changes = {}
        for day, inputs in inputs_by_date(lake, raw_table(definition, name), date.min, date.max).items():
            recorded = json.loads(inputs[READINGS]) if READINGS in inputs else None
            if change := recipe_change(wanted, recorded):
                changes[day] = change
        if changes:
            outdated.append(OutdatedReadings(name, changes))
    return outdated


def require_current_readings(lake: Lake, definition: ModelDefinition, columns: Collection[tuple[str, str]]) -> None:
    """Requires that all published dates of some columns were read as the definition says.

    Raises:
        TerminalError: If some were not: what is computed of them would mean two things.
    """
    if outdated := outdated_readings(lake, definition, columns):
        raise TerminalError(
            "; ".join(map(str, outdated)),
            where=definition.name,
            allowed="dates that were read as the definition says",
            fix=f"nightshift build {definition.name}, which reads them again",
        )
