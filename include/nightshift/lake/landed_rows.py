"""The rows of landed files: read as their source declares them, and staged with what their dates are known by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from nightshift.definition.calendar import zone_of
from nightshift.definition.model import ModelDefinition
from nightshift.lake.catalog import Lake
from nightshift.lake.landed_lookups import LandedLookups
from nightshift.lake.landed_parts import LandingFile
from nightshift.lake.landing import read_landed
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import TableSpec, raw_table
from nightshift.types import Staged


@dataclass(frozen=True)
class LandedRows:
    """The rows of a landed file.

    Attributes:
        file: The file.
        rows: Its rows.
        inputs: The file and those of its look-ups, each with its SHA-256.
    """

    file: LandingFile
    rows: pa.Table
    inputs: Mapping[str, str]


def read_rows(definition: ModelDefinition, file: LandingFile, lookups: LandedLookups) -> LandedRows:
    """Reads a landed file of a source as the definition declares it.

    Args:
        definition: The model definition.
        file: The file.
        lookups: The look-ups of the definition's sources.

    Raises:
        NotYetAvailable: If the file has not landed, or no version of a source that it looks up.
        DataError: If one of them cannot be read, lacks a column, or holds a value of another type.
    """
    source, spec = definition.sources[file.source], raw_table(definition, file.source)
    rows, digest = read_landed(file, source, spec, zone_of(definition.schedule, source))
    rows, inputs = lookups.complete(file, rows)
    return LandedRows(file, rows.select(spec.schema.names).cast(spec.schema), {file.uri: digest, **inputs})


def stage_rows(
    lake: Lake,
    spec: TableSpec,
    landed: Sequence[LandedRows],
    first: date,
    last: date,
    published: Sequence[pa.Table] = (),
) -> Staged:
    """Stages the rows of landed files of a source.

    Args:
        lake: The lake.
        spec: The source's raw table.
        landed: The files with their rows.
        first: The first date that they cover.
        last: The last date that they cover.
        published: Rows of other dates, which were published elsewhere.
    """
    rows = pa.concat_tables([*published, *(part.rows for part in landed)])
    inputs = {name: digest for part in landed for name, digest in part.inputs.items()}
    without_rows = [part.file.day for part in landed if not part.rows.num_rows]
    return stage_arrow(lake, spec, rows, first, last, inputs, without_rows=without_rows)
