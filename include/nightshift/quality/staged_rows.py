"""Staged rows as batches for Great Expectations: a pandas frame in this process, or a Spark frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.lake.parquet import read_files, row_count
from nightshift.lake.tables import ROW_NUMBER, TableSpec, spark_schema
from nightshift.quality.computed import computed_columns
from nightshift.quality.expectation import ComputedColumn
from nightshift.types import Staged

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


class StagedRows(Protocol):
    """A staged set that can be checked and split.

    Attributes:
        rows: The number of rows.
    """

    rows: int

    def batch(self, context: Any, computed: bool, numbered: bool) -> Any:
        """The rows, or the columns computed from them, as a batch; with `ROW_NUMBER` if they are numbered."""

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

    def __init__(self, rows: pa.Table, computed: Mapping[str, ComputedColumn]) -> None:
        self.table, self.rows = rows, rows.num_rows
        self._computed = computed
        self._rows_without_nan = _without_nan(rows)

    def batch(self, context: Any, computed: bool, numbered: bool) -> Any:
        """A pandas frame: integers stay integers where some are missing, and NaN is missing."""
        import pandas as pd

        rows = computed_columns(self._rows_without_nan, self._computed) if computed else self._rows_without_nan
        if numbered:
            rows = rows.append_column(ROW_NUMBER, pa.array(np.arange(rows.num_rows)))
        kinds = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
        frame = rows.to_pandas(types_mapper=kinds.get, date_as_object=True)
        return _batch_of(context.data_sources.add_or_update_pandas("staging"), frame)

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

    def __init__(
        self, spark: SparkSession, staged: Staged, spec: TableSpec, computed: Mapping[str, ComputedColumn]
    ) -> None:
        self._spark, self._staged, self._spec, self._computed = spark, staged, spec, computed
        self.rows = staged.rows

    def batch(self, context: Any, computed: bool, numbered: bool) -> Any:
        """A Spark frame; NaN is missing, as it is in pandas."""
        rows = self._numbered() if numbered else self._read()
        if computed:
            rows = self._with_computed(rows, self._computed, numbered)
        return _batch_of(context.data_sources.add_or_update_spark("staging", persist=False), rows)

    def count(self, conditions: Mapping[str, ComputedColumn]) -> dict[str, int]:
        """How many rows satisfy each condition."""
        from pyspark.sql import functions as F

        rows = self._with_computed(self._read(), conditions)
        counts = rows.agg(*[F.count_if(F.col(name)).alias(name) for name in conditions]).first()
        return dict(counts.asDict()) if counts else {}

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

    def _read(self, *extra_columns: Any) -> DataFrame:
        from pyspark.sql import functions as F

        schema = spark_schema(self._spec.columns)
        if not self._staged.files:
            return self._spark.createDataFrame([], schema).select("*", *extra_columns)
        rows = self._spark.read.schema(schema).parquet(*self._staged.files)
        columns = [
            F.when(~F.isnan(name), F.col(name)).alias(name) if kind == "number" else F.col(name)
            for name, kind in self._spec.columns.items()
        ]
        return rows.select(*columns, *extra_columns)

    def _numbered(self) -> DataFrame:
        """The rows with their numbers: the number of the file's first row plus the position in the file."""
        from pyspark.sql import functions as F

        name = F.regexp_extract("_metadata.file_path", r"[^/]+$", 0)
        first = F.create_map(
            *[F.lit(entry) for file, count in self._first_rows.items() for entry in (_file_name(file), count)]
        )
        return self._read((first[name] + F.col("_metadata.row_index")).alias(ROW_NUMBER))

    def _with_computed(
        self, rows: DataFrame, columns: Mapping[str, ComputedColumn], numbered: bool = False
    ) -> DataFrame:
        computed, unchanged = dict(columns), [ROW_NUMBER] if numbered else []
        needed = sorted({column for spec in computed.values() for column in spec.columns})
        example = computed_columns(self._spec.schema.empty_table(), computed)
        schema = ", ".join(
            [f"`{field.name}` {_SPARK[str(field.type)]}" for field in example.schema]
            + [f"`{name}` bigint" for name in unchanged]
        )

        def compute(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                table = pa.Table.from_batches([batch])
                columns = computed_columns(table, computed).cast(example.schema)
                for name in unchanged:
                    columns = columns.append_column(name, table[name])
                yield from columns.combine_chunks().to_batches()

        return rows.select(*needed, *unchanged).mapInArrow(compute, schema)


_SPARK = {"bool": "boolean", "double": "double", "string": "string", "int64": "bigint", "int32": "int"}


def _without_nan(rows: pa.Table) -> pa.Table:
    for place, column in enumerate(rows.schema):
        if pa.types.is_floating(column.type):
            values = rows[column.name]
            numbers = pc.if_else(pc.is_nan(values), pa.scalar(None, column.type), values)
            rows = rows.set_column(place, column, numbers)
    return rows


def _batch_of(source: Any, frame: Any) -> Any:
    asset = source.add_dataframe_asset(f"rows {id(frame)}")
    return asset.add_batch_definition_whole_dataframe("staged").get_batch(batch_parameters={"dataframe": frame})


def _without_rows(rows: pa.Table, places: Sequence[int]) -> pa.Table:
    if not places:
        return rows
    remaining = np.ones(rows.num_rows, dtype=bool)
    remaining[list(places)] = False
    return rows.filter(pa.array(remaining))


def _file_name(uri: str) -> str:
    return uri.rsplit("/", 1)[-1]
