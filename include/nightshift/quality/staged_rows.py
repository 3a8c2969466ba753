"""Staged rows as batches for Great Expectations: a pandas frame in this process, or a Spark frame."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.compute.scan import FileScan, file_shares
from nightshift.lake.parquet import read_files, row_count
from nightshift.lake.staging import staged_sizes
from nightshift.lake.tables import ROW_NUMBER, TableSpec, spark_schema
from nightshift.quality.computed import computed_columns
from nightshift.quality.distinct_keys import are_distinct
from nightshift.quality.expectation import ComputedColumn, ExpectationSpec
from nightshift.quality.screening import is_satisfied
from nightshift.types import Staged

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


class StagedRows(Protocol):
    """A staged set that can be checked and split.

    Attributes:
        rows: The number of rows.
        is_scanned: Whether every measure of a batch reads its columns again.
    """

    rows: int
    is_scanned: bool

    def batch(self, context: Any, columns: Collection[str] | None, *, computed: bool, numbered: bool) -> Any:
        """The rows, or the columns computed from them, as a batch.

        Args:
            context: The context of Great Expectations.
            columns: The columns that are needed, all if None; a batch may have more.
            computed: Whether they are the computed columns.
            numbered: Whether the batch needs `ROW_NUMBER`.
        """

    def satisfied(self, expectations: Mapping[int, ExpectationSpec], *, computed: bool) -> set[int]:
        """The numbers of the screened expectations that every row satisfies.

        Args:
            expectations: Screened expectations, by number.
            computed: Whether they are about the computed columns.
        """

    def are_distinct(self, columns: Sequence[str]) -> bool:
        """Whether it is proven, without Great Expectations, that no two rows have the same values in stored columns."""

    def count(self, conditions: Mapping[str, ComputedColumn]) -> dict[str, int]:
        """How many rows satisfy each condition."""

    def take(self, numbers: Sequence[int]) -> pa.Table:
        """The rows with these numbers, in their order."""

    def without(self, numbers: Sequence[int]) -> Iterable[pa.Table]:
        """The rows without these numbers, in parts."""


class InProcessRows:
    """Rows that fit into this process.

    Args:
        rows: The rows.
        computed: The columns to compute from them.
    """

    is_scanned = False

    def __init__(self, rows: pa.Table, computed: Mapping[str, ComputedColumn]) -> None:
        self.table, self.rows = rows, rows.num_rows
        self._computed = computed
        self._rows_without_nan = _without_nan(rows)

    def batch(self, context: Any, columns: Collection[str] | None, *, computed: bool, numbered: bool) -> Any:
        """A pandas frame of all columns: integers stay integers where some are missing, and NaN is missing."""
        import pandas as pd

        rows = self._computed_columns if computed else self._rows_without_nan
        if numbered:
            rows = rows.append_column(ROW_NUMBER, pa.array(np.arange(rows.num_rows)))
        kinds = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
        frame = rows.to_pandas(types_mapper=kinds.get, date_as_object=True)
        return _batch_of(context.data_sources.add_pandas(uuid4().hex), frame)

    def satisfied(self, expectations: Mapping[int, ExpectationSpec], *, computed: bool) -> set[int]:
        """The numbers of the screened expectations that every row satisfies."""
        rows = self._computed_columns if computed else self._rows_without_nan
        return {number for number, expectation in expectations.items() if is_satisfied(expectation, rows)}

    def are_distinct(self, columns: Sequence[str]) -> bool:
        """Never proven: Great Expectations compares rows in memory as fast."""
        del columns
        return False

    @cached_property
    def _computed_columns(self) -> pa.Table:
        return computed_columns(self._rows_without_nan, self._computed)

    def count(self, conditions: Mapping[str, ComputedColumn]) -> dict[str, int]:
        """How many rows satisfy each condition."""
        columns = computed_columns(self._rows_without_nan, conditions)
        return {name: int(pc.sum(columns[name]).as_py() or 0) for name in conditions}

    def take(self, numbers: Sequence[int]) -> pa.Table:
        """The rows with these numbers."""
        return self.table.take(pa.array(numbers, pa.int64()))

    def without(self, numbers: Sequence[int]) -> Iterator[pa.Table]:
        """The rows without these numbers, in parts."""
        yield _without_rows(self.table, numbers)


class SparkRows:
    """Rows that Spark reads where it runs; the driver never collects them.

    Args:
        spark: The session.
        staged: The staged set.
        spec: Its table.
        computed: The columns to compute from its rows.
    """

    is_scanned = True

    def __init__(
        self, spark: SparkSession, staged: Staged, spec: TableSpec, computed: Mapping[str, ComputedColumn]
    ) -> None:
        self._spark, self._staged, self._spec, self._computed = spark, staged, spec, computed
        self.rows = staged.rows

    def batch(self, context: Any, columns: Collection[str] | None, *, computed: bool, numbered: bool) -> Any:
        """A Spark frame of the columns; NaN is missing, as it is in pandas."""
        frame = self._computed_columns(columns, numbered) if computed else self._stored_columns(columns, numbered)
        return _batch_of(context.data_sources.add_spark(uuid4().hex, persist=False), frame)

    def satisfied(self, expectations: Mapping[int, ExpectationSpec], *, computed: bool) -> set[int]:
        """The numbers of the screened expectations that every row satisfies, decided where the rows are."""
        columns = {str(dict(spec.arguments)["column"]) for spec in expectations.values()}
        needed = {name: spec for name, spec in self._computed.items() if computed and name in columns}

        def screen(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                rows = _without_nan(batch)
                rows = computed_columns(rows, needed) if computed else rows
                broken = [number for number, spec in expectations.items() if not is_satisfied(spec, rows)]
                yield pa.RecordBatch.from_pydict({"broken": pa.array(broken, pa.int64())})

        scan = self._scan(_columns_of(needed) if computed else columns, numbered=False)
        broken = scan.map(self._spark, screen, "broken bigint").distinct().collect()
        return set(expectations).difference(number for (number,) in broken)

    def are_distinct(self, columns: Sequence[str]) -> bool:
        """Whether it is proven that no two rows have the same values in stored columns.

        Spark would sort all rows by them: of 50 million, for six times as long.
        """
        is_stored = all(column in self._spec.columns for column in columns)
        return is_stored and are_distinct(list(self._staged.files), self.rows, self._spec, columns)

    def count(self, conditions: Mapping[str, ComputedColumn]) -> dict[str, int]:
        """How many rows satisfy each condition."""
        counts = dict.fromkeys(conditions, 0)

        def count(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                columns = computed_columns(_without_nan(batch), conditions)
                satisfied = [pc.sum(columns[name]).as_py() or 0 for name in conditions]
                yield pa.RecordBatch.from_pydict({"name": list(conditions), "rows": satisfied})

        scan = self._scan(_columns_of(conditions), numbered=False)
        for name, rows in scan.map(self._spark, count, "name string, rows bigint").collect():
            counts[name] += rows
        return counts

    def take(self, numbers: Sequence[int]) -> pa.Table:
        """The rows with these numbers, in their order."""
        # Only files with such rows are read: none of a good night.
        positions = {file: places for file, places in self._positions(numbers).items() if places}
        parts = [
            read_files([file], self._spec).take(pa.array(places, pa.int64())) for file, places in positions.items()
        ]
        return pa.concat_tables(parts) if parts else self._spec.schema.empty_table()

    def without(self, numbers: Sequence[int]) -> Iterator[pa.Table]:
        """The rows without these numbers, a table per file."""
        for file, places in self._positions(numbers).items():
            yield _without_rows(read_files([file], self._spec), places)

    def _positions(self, numbers: Sequence[int]) -> dict[str, list[int]]:
        """The positions of the numbered rows within each file."""
        ordered = np.sort(np.asarray(numbers, dtype=np.int64))
        firsts = [*self._first_rows.values(), self.rows]
        cuts = np.searchsorted(ordered, firsts)
        return {
            file: (ordered[begin:end] - first).tolist()
            for (file, first), (begin, end) in zip(self._first_rows.items(), pairwise(cuts), strict=True)
        }

    @cached_property
    def _first_rows(self) -> dict[str, int]:
        """The number of each file's first row."""
        counts = [row_count(file) for file in self._staged.files]
        return dict(zip(self._staged.files, [0, *accumulate(counts)], strict=False))

    def _scan(self, columns: Iterable[str] | None, numbered: bool) -> FileScan:
        """Some columns of the rows, with the number of each row if it is needed."""
        scan = FileScan(self._spec.columns, file_shares(self._sizes, self._first_rows if numbered else {}))
        if columns is not None:
            scan = scan.only([self._spec.date_column, *columns])  # at least one column, so that rows can be counted
        return replace(scan, columns={**scan.columns, ROW_NUMBER: "integer"}) if numbered else scan

    @cached_property
    def _sizes(self) -> dict[str, int]:
        """The size of each staged file, in bytes."""
        return staged_sizes(self._staged)

    def _stored_columns(self, columns: Collection[str] | None, numbered: bool) -> DataFrame:
        scan = self._scan(columns, numbered)

        def clean(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            return (part for batch in batches for part in _without_nan(batch).to_batches())

        return scan.map(self._spark, clean, spark_schema(scan.columns))

    def _computed_columns(self, names: Collection[str] | None, numbered: bool) -> DataFrame:
        computed = {name: spec for name, spec in self._computed.items() if names is None or name in names}
        example = computed_columns(self._spec.schema.empty_table(), computed)
        schema = ", ".join(f"`{field.name}` {_SPARK[str(field.type)]}" for field in example.schema)
        schema += f", `{ROW_NUMBER}` bigint" if numbered else ""

        def compute(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                columns = computed_columns(_without_nan(batch), computed).cast(example.schema)
                if numbered:
                    columns = columns.append_column(ROW_NUMBER, batch.column(ROW_NUMBER))
                yield from columns.combine_chunks().to_batches()

        return self._scan(_columns_of(computed), numbered).map(self._spark, compute, schema)


_SPARK = {"bool": "boolean", "double": "double", "string": "string", "int64": "bigint", "int32": "int"}


def _columns_of(computed: Mapping[str, ComputedColumn]) -> set[str]:
    """The columns that computed columns use."""
    return {column for spec in computed.values() for column in spec.columns}


def _without_nan(rows: pa.Table | pa.RecordBatch) -> pa.Table:
    rows = pa.table(rows)
    for place, column in enumerate(rows.schema):
        if pa.types.is_floating(column.type):
            values = rows[column.name]
            numbers = pc.if_else(pc.is_nan(values), pa.scalar(None, column.type), values)
            rows = rows.set_column(place, column, numbers)
    return rows


def _batch_of(source: Any, frame: Any) -> Any:
    asset = source.add_dataframe_asset("staged")
    return asset.add_batch_definition_whole_dataframe("staged").get_batch(batch_parameters={"dataframe": frame})


def _without_rows(rows: pa.Table, places: Sequence[int]) -> pa.Table:
    if not places:
        return rows
    remaining = np.ones(rows.num_rows, dtype=bool)
    remaining[list(places)] = False
    return rows.filter(pa.array(remaining))
