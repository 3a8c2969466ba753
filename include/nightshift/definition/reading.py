"""Readings: everything in a source's declaration that decides a landed column's values, as one text a column.

Two columns with the same reading have the same values of the same file. Descriptions and checks are no part of it, nor
is the folder that the files land in.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from nightshift.definition.calendar import zone_of
from nightshift.definition.source import PLAIN_CSV, Source

if TYPE_CHECKING:
    from nightshift.definition.model import ModelDefinition

ZONED = {"date", "timestamp"}  # types whose values depend on the source's clock
NUMERALS = {"integer", "number", "boolean"}  # types that are written as numbers


def column_reading(definition: ModelDefinition, source: str, column: str) -> str:
    """How the values of a landed column are read from the files.

    Args:
        definition: The model definition.
        source: The name of the source.
        column: The name of the column in its table.
    """
    declared, kind = definition.sources[source], definition.sources[source].columns[column].type
    if name := declared.columns[column].lookup:
        return json.dumps([kind, *_lookup_reading(definition, source, name, column)])
    zone = zone_of(definition.schedule, declared) if kind in ZONED else ""
    # A plain CSV file adds nothing: it is read like Parquet of the same values.
    written = _csv_reading(declared, kind)
    if declared.query:  # another query may mean something else by the same name
        written["sql"] = " ".join(declared.query.sql.split())
    return json.dumps([kind, declared.file_columns[column], zone, *([written] if written else [])])


def source_readings(definition: ModelDefinition, source: str) -> dict[str, str]:
    """The reading of every landed column of a source."""
    return {column: column_reading(definition, source, column) for column in definition.sources[source].columns}


def _lookup_reading(definition: ModelDefinition, source: str, name: str, column: str) -> list[object]:
    """What decides the values of a column that is looked up: where, by what, and the times that choose a version.

    The key is read on both sides.
    """
    declared = definition.sources[source]
    lookup = declared.lookups[name]
    other = definition.sources[lookup.source]
    times = [[str(part.available.after), zone_of(definition.schedule, part)] for part in (declared, other)]
    read = [(side, part) for part in sorted(lookup.key) for side in (source, lookup.source)]
    read.append((lookup.source, declared.looked_up(name)[column]))
    return [lookup.source, times, *(json.loads(column_reading(definition, side, part)) for side, part in read)]


def _csv_reading(source: Source, kind: str) -> dict[str, object]:
    """How the texts of a column of CSV files are written, as far as that differs from plain CSV."""
    written, plain = source.csv.model_dump(mode="json"), PLAIN_CSV.model_dump(mode="json")
    differing = {key: value for key, value in written.items() if value != plain[key]}
    if kind not in NUMERALS:
        differing.pop("decimal", None)
        differing.pop("thousands", None)
    if "null" in differing:  # words in another order are the same words
        differing["null"] = sorted(set(source.csv.null))
        if differing["null"] == sorted(PLAIN_CSV.null):
            del differing["null"]
    return differing
