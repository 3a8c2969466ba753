"""The rows of landed files with every column of their source, and how they are staged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from itertools import chain

import pyarrow as pa

from nightshift.definition.calendar import zone_of
from nightshift.definition.model import ModelDefinition
from nightshift.lake.catalog import Lake
from nightshift.lake.landed_files import LandedTables
from nightshift.lake.landed_lookups import LandedLookups
from nightshift.lake.parquet import joined_tables
from nightshift.lake.source_partitions import SourcePartition
from nightshift.lake.staging import Attempt
from nightshift.lake.tables import TableSpec, raw_table
from nightshift.types import Staged

REPORTED = 5_000_000  # rows between two lines of progress


class LandedRows:
    """The rows of a landed date as the definition declares them, in tables that fit into memory. Read once.

    Args:
        definition: The model definition.
        file: The file.
        lookups: The look-ups of the definition's sources.
        progress: Takes a line of progress every `REPORTED` rows.

    Attributes:
        day: The date.
        rows: The number of rows, once all were read.
        inputs: The file and those of its look-ups, each with its SHA-256, once all rows were read.
    """

    def __init__(
        self,
        definition: ModelDefinition,
        file: SourcePartition,
        lookups: LandedLookups,
        progress: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._file, self._lookups, self._progress = file, lookups, progress
        source, self._spec = definition.sources[file.source], raw_table(definition, file.source)
        self._tables = LandedTables(file, source, self._spec, zone_of(definition.schedule, source))
        self.day, self.rows, self.inputs = file.day, 0, dict[str, str]()

    def __iter__(self) -> Iterator[pa.Table]:
        """The rows with the columns of the raw table; at least one table.

        Raises:
            NotYetAvailable: If the file has not landed, or no version of a source that it looks up.
            DataError: If one of them cannot be read, lacks a column, or holds a value of another type.
            TransientError: If a part appears or changes meanwhile.
        """
        versions, reported = dict[str, str](), REPORTED
        for table in self._tables:
            rows, versions = self._lookups.complete(self._file, table)
            if self._tables.rows >= reported:
                self._progress(f"{self._file.source} of {self.day}: {self._tables.rows:,} rows are read")
                reported = self._tables.rows + REPORTED
            yield rows.select(self._spec.schema.names).cast(self._spec.schema)
        self.rows, self.inputs = self._tables.rows, {self._file.uri: self._tables.digest, **versions}


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
        landed: The rows of its files.
        first: The first date that they cover.
        last: The last date that they cover.
        published: Rows of other dates, which were published elsewhere.
    """
    attempt = Attempt(lake, spec, first, last)
    files = attempt.write(joined_tables(chain(published, *landed)))
    return seal_rows(attempt, files, landed, first, last)


def seal_rows(
    attempt: Attempt, files: Mapping[str, int], landed: Sequence[LandedRows], first: date, last: date
) -> Staged:
    """Declares the written rows of landed files complete."""
    inputs = {name: digest for part in landed for name, digest in part.inputs.items()}
    without_rows = [part.day for part in landed if not part.rows]
    return attempt.seal(files, first, last, inputs, without_rows=without_rows)
