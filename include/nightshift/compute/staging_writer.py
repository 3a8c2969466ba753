"""Writes the rows of a Spark frame into a staging folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import date
from types import MappingProxyType

import pyarrow as pa
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame

from nightshift.lake.catalog import Lake
from nightshift.lake.files import list_files, remove
from nightshift.lake.parquet import batches_to_tables, write_files
from nightshift.lake.staging import seal, staging_folder
from nightshift.lake.tables import TableSpec
from nightshift.types import Staged


class StagingWriter:
    """A staging folder that rows are written to, batch by batch, until it is sealed.

    Args:
        lake: The lake.
        spec: The table the rows are meant for.
        attempt: Names the folder.
        inputs: What the rows are made from.
        split: The values of the table's other partition columns, the same in every row.
    """

    def __init__(
        self,
        lake: Lake,
        spec: TableSpec,
        attempt: str,
        inputs: dict[str, str],
        split: Mapping[str, str | int] = MappingProxyType({}),
    ) -> None:
        self.spec, self.attempt, self.inputs, self.split = spec, attempt, inputs, split
        self.folder = staging_folder(lake.warehouse, spec.name, attempt)
        self.files: dict[str, int] = {}

    def write(self, rows: DataFrame, through: Callable[[pa.Table], pa.Table] = lambda table: table) -> None:
        """Writes rows, each date into files of its own: every worker those of the rows it has.

        Args:
            rows: The rows.
            through: Makes the table's columns of them, in the workers.
        """
        spec, folder = self.spec, self.folder

        def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for table in batches_to_tables(batches):
                files = write_files(spec, through(table), folder)
                yield pa.RecordBatch.from_pydict({"file": list(files), "rows": list(files.values())})

        try:
            self.files.update(map(tuple, rows.mapInArrow(write, "file string, rows bigint").collect()))
        except PySparkException:  # no attempt writes here again, and the disk may be full
            for file in list_files(folder):
                with suppress(OSError):
                    remove(file)
            raise

    def seal(self, first: date, last: date) -> Staged:
        """Declares the folder complete for the dates from `first` to `last`."""
        inputs = {**self.spec.inputs, **self.inputs}
        return seal(self.folder, self.spec.name, self.attempt, first, last, inputs, self.split, row_counts=self.files)
