"""A staged set as Great Expectations takes it: as a pandas frame in this process, or as a frame of Spark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

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


class InProcessRows:
    """Rows that fit into this process.

    Args:
        rows: The rows.
        computed: The columns to compute of them.
    """

    def __init__(self, rows: pa.Table, computed: Mapping[str, ComputedColumn]) -> None:
        self.table, self.rows = rows, rows.num_rows
        self._computed = computed
        self._clean = _without_nan(rows)

    def batch(self, context: Any, computed: bool, numbered: bool) -> Any:
        """A pandas frame; its integers stay integers when some are missing, and a number that is none is missing."""
        import pandas as pd

        rows = computed_columns(self._clean, self._computed) if computed else self._clean
        if numbered:
            rows = rows.append_column(ROW_NUMBER, pa.array(np.arange(rows.num_rows)))
        kinds = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
        frame = rows.to_pandas(types_mapper=kinds.get, date_as_object=True)
        return _whole(context.data_sources.add_or_update_pandas("staging"), frame)

    def take(self, numbers: Sequence[int]) -> pa.Table:
        """The rows with these numbers."""
        return self.table.take(pa.array(numbers, pa.int64()))

    def without(self, numbers: Sequence[int]) -> Iterator[pa.Table]:
        """The other rows, in parts."""
        yield _without(self.table, numbers)


class SparkRows:
    """Rows that Spark reads, wherever it runs; they are never gathered.

    Args:
        spark: The session.
        staged: The staged set.
        spec: The table it is for.
        computed: The columns to compute of its rows.
    """

    def __init__(
        self, spark: SparkSession, staged: Staged, spec: TableSpec, computed: Mapping[str, ComputedColumn]
    ) -> None:
        self._spark, self._staged, self._spec, self._computed = spark, staged, spec, computed
        self.rows = staged.rows

    def batch(self, context: Any, computed: bool, numbered: bool) -> Any:
        """A frame of Spark; a number that is not one is missing in it, as it is in pandas."""
        rows = self._numbered() if numbered else self._read()
        if computed:
            rows = self._with_computed(rows, numbered)
        return _whole(context.data_sources.add_or_update_spark("staging", persist=False), rows)

    def take(self, numbers: Sequence[int]) -> pa.Table:
        """The rows with these numbers, in their order."""
        # Only the files that hold one of them are read: of a good night none.
        places = {file: inside for file, inside in self._places(numbers).items() if inside}
        parts = [read_files([file], self._spec).take(pa.array(inside, pa.int64())) for file, inside in places.items()]
        return pa.concat_tables(parts) if parts else self._spec.schema.empty_table()

    def without(self, numbers: Sequence[int]) -> Iterator[pa.Table]:
        """The other rows, a file at once."""
        for file, inside in self._places(numbers).items():
            yield _without(read_files([file], self._spec), inside)

    def _places(self, numbers: Sequence[int]) -> dict[str, list[int]]:
        """Which of the numbered rows are in each file, by their places there."""
        left = np.sort(np.asarray(numbers, dtype=np.int64))
        firsts = [*self._first_rows.values(), self.rows]
        cuts = np.searchsorted(left, firsts)
        return {
            file: (left[begin:end] - first).tolist()
            for (file, first), (begin, end) in zip(self._first_rows.items(), pairwise(cuts), strict=True)
        }

    @cached_property
    def _first_rows(self) -> dict[str, int]:
        """The number of each file's first row."""
        counts = [row_count(file) for file in self._staged.files]
        return dict(zip(self._staged.files, [0, *accumulate(counts)], strict=False))

    def _read(self, *more: Any) -> DataFrame:
        from pyspark.sql import functions as F

        schema = spark_schema(self._spec.columns)
        if not self._staged.files:
            return self._spark.createDataFrame([], schema).select("*", *more)
        rows = self._spark.read.schema(schema).parquet(*self._staged.files)
        columns = [
            F.when(~F.isnan(name), F.col(name)).alias(name) if kind == "number" else F.col(name)
            for name, kind in self._spec.columns.items()
        ]
        return rows.select(*columns, *more)

    def _numbered(self) -> DataFrame:
        """The rows with their numbers: where a file's rows begin, and the place in it."""
        from pyspark.sql import functions as F

        name = F.regexp_extract("_metadata.file_path", r"[^/]+$", 0)
        first = F.create_map(*[F.lit(one) for file, count in self._first_rows.items() for one in (_name(file), count)])
        return self._read((first[name] + F.col("_metadata.row_index")).alias(ROW_NUMBER))

    def _with_computed(self, rows: DataFrame, numbered: bool) -> DataFrame:
        computed, kept = dict(self._computed), [ROW_NUMBER] if numbered else []
        needed = sorted({column for one in computed.values() for column in one.columns})
        example = computed_columns(self._spec.schema.empty_table(), computed)
        schema = ", ".join(
            [f"`{field.name}` {_SPARK[str(field.type)]}" for field in example.schema]
            + [f"`{one}` bigint" for one in kept]
        )

        def compute(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                table = pa.Table.from_batches([batch])
                made = computed_columns(table, computed).cast(example.schema)
                for name in kept:
                    made = made.append_column(name, table[name])
                yield from made.combine_chunks().to_batches()

        return rows.select(*needed, *kept).mapInArrow(compute, schema)


_SPARK = {"bool": "boolean", "double": "double", "string": "string", "int64": "bigint", "int32": "int"}


def _without_nan(rows: pa.Table) -> pa.Table:
    for place, column in enumerate(rows.schema):
        if pa.types.is_floating(column.type):
            values = rows[column.name]
            numbers = pc.if_else(pc.is_nan(values), pa.scalar(None, column.type), values)
            rows = rows.set_column(place, column, numbers)
    return rows


def _whole(source: Any, frame: Any) -> Any:
    asset = source.add_dataframe_asset(f"rows {id(frame)}")
    return asset.add_batch_definition_whole_dataframe("staged").get_batch(batch_parameters={"dataframe": frame})


def _without(rows: pa.Table, places: Sequence[int]) -> pa.Table:
    if not places:
        return rows
    stays = np.ones(rows.num_rows, dtype=bool)
    stays[list(places)] = False
    return rows.filter(pa.array(stays))


def _name(uri: str) -> str:
    return uri.rsplit("/", 1)[-1]
