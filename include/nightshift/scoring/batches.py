"""Scores feature rows in Spark, batch by batch, without pandas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from nightshift.registry.package import ModelPackage, load_package

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_LOADED: dict[str, ModelPackage] = {}


def score_rows(rows: DataFrame, files: dict[str, bytes], digest: str, key: tuple[str, ...], schema: str) -> DataFrame:
    """Scores every row.

    Args:
        rows: Features and key.
        files: The model package's files; they travel to the workers with the function.
        digest: The package's digest, verified on every worker before it is loaded.
        key: The columns kept beside the score.
        schema: The result's schema in Spark's notation: the key and `score double`.

    Returns:
        The key and `score`, one row an input row.
    """

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        package = _package(files, digest)
        for batch in batches:
            kept = [batch.column(name) for name in key]
            yield pa.RecordBatch.from_arrays([*kept, pa.array(package.score(batch))], [*key, "score"])

    return rows.mapInArrow(score, schema)


def _package(files: dict[str, bytes], digest: str) -> ModelPackage:
    """A worker loads each package once, however many partitions it scores."""
    if digest not in _LOADED:
        _LOADED[digest] = load_package(files, digest)
    return _LOADED[digest]
