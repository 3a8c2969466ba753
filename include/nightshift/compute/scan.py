"""Reads Parquet files in Spark's workers, by Arrow: on every file system that Arrow opens, Spark needs no client of it.

Spark cannot tell a scan which columns a query uses, so whoever scans names them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from math import ceil
from types import MappingProxyType
from typing import TYPE_CHECKING

import pyarrow as pa

from nightshift.lake.parquet import FilePart, read_batches, row_group_count
from nightshift.lake.tables import ARROW, TableSpec, spark_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

TASK_BYTES = 32 * 2**20  # what one task reads
FOOTERS_AT_ONCE = 8

BatchFunction = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


@dataclass(frozen=True)
class FileScan:
    """Rows of Parquet files that Spark's workers read, each task a share of them; it is sent to the workers.

    Attributes:
        columns: The columns to read, each with the name of its type.
        shares: The share of each task.
    """

    columns: Mapping[str, str]
    shares: tuple[tuple[FilePart, ...], ...]

    @classmethod
    def of(cls, spec: TableSpec, files: Mapping[str, int], columns: Iterable[str] = ()) -> FileScan:
        """The rows of some of a table's files.

        Small files are read by few tasks: a night of them by one, which spares every shuffle that would follow.

        Args:
            spec: The table.
            files: The files' URIs with their sizes in bytes.
            columns: The columns to read; all if empty.
        """
        return cls(spec.columns, file_shares(files)).only(columns)

    def only(self, columns: Iterable[str]) -> FileScan:
        """The same rows with some of the columns, in the table's order; with all if none is named."""
        selected = set(columns) or set(self.columns)
        return replace(self, columns={name: kind for name, kind in self.columns.items() if name in selected})

    def frame(self, spark: SparkSession) -> DataFrame:
        """The rows as a Spark frame."""
        return self.map(spark, lambda batches: batches, spark_schema(self.columns))

    def map(self, spark: SparkSession, function: BatchFunction, schema: str) -> DataFrame:
        """What a function makes of the rows in the workers, without a way through the JVM.

        Args:
            spark: The session.
            function: Takes the batches of a share.
            schema: The columns of its batches, in Spark's notation.
        """
        if not self.shares:
            return spark.createDataFrame([], schema)
        shares, arrow = self.shares, pa.schema([(name, ARROW[kind]) for name, kind in self.columns.items()])

        def scan(numbers: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            parts = (part for batch in numbers for number in batch["id"].to_pylist() for part in shares[number])
            return function(read_batches(parts, arrow))

        return spark.range(0, len(shares), 1, len(shares)).mapInArrow(scan, schema)


def file_shares(
    files: Mapping[str, int], first_rows: Mapping[str, int] = MappingProxyType({})
) -> tuple[tuple[FilePart, ...], ...]:
    """The share of each task in the order of the files, of about `TASK_BYTES`; large files are cut between row groups.

    Args:
        files: The files' URIs with their sizes in bytes.
        first_rows: The number of each file's first row, for scans that number rows.

    Raises:
        DataError: If a large file is missing or damaged.
    """
    large = [file for file, size in files.items() if size > TASK_BYTES]
    with ThreadPoolExecutor(FOOTERS_AT_ONCE) as executor:  # in an object store each takes tens of milliseconds
        row_groups = dict(zip(large, executor.map(row_group_count, large), strict=True))
    sizes: dict[FilePart, float] = {}
    for file, size in files.items():
        count = row_groups.get(file, 1)
        pieces = max(1, min(count, ceil(size / TASK_BYTES)))
        for cut in pairwise(count * number // pieces for number in range(pieces + 1)):
            part = FilePart(file, cut if pieces > 1 else None, first_rows.get(file, 0))
            sizes[part] = size / pieces
    total = sum(sizes.values()) or 1
    shares: dict[int, list[FilePart]] = {}
    for (part, part_size), end in zip(sizes.items(), accumulate(sizes.values()), strict=True):
        shares.setdefault(int((end - part_size / 2) / total * ceil(total / TASK_BYTES)), []).append(part)
    return tuple(map(tuple, shares.values()))
