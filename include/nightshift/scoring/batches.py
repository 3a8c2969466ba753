"""Scores feature rows batch by batch in Spark's workers, with several versions in one pass, and stages the scores.

The champion's scores are published; challengers score the same rows in shadow. The failure of a challenger never stops
the champion's rows.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from nightshift.errors import DataError, TerminalError, first_line
from nightshift.lake.parquet import batches_to_tables, with_columns, write_files
from nightshift.lake.tables import TableSpec
from nightshift.registry.classes import finite_rows
from nightshift.registry.package import ModelPackage, learned_features, load_package

# The schema of a worker's results, in Spark's notation.
RESULT_SCHEMA = "scorer int, file string, rows bigint, problem string, profile string"

log = logging.getLogger(__name__)

_LOADED: dict[str, ModelPackage] = {}


@dataclass(frozen=True)
class Scorer:
    """A model version that scores, with the staging folder of its rows.

    Attributes:
        files: The files of its package; they are sent to the workers with the function.
        digest: The package's digest, verified on every worker before the package is loaded.
        spec: The table of its rows.
        folder: The staging folder of its rows.
        provenance: The table's columns that have the same value in every row.
        tree_sums: Whether boosted trees of scikit-learn are summed by `TreeSums`.
    """

    files: Mapping[str, bytes] = field(repr=False)
    digest: str
    spec: TableSpec
    folder: str
    provenance: Mapping[str, Any]
    tree_sums: bool = True

    @property
    def features(self) -> tuple[str, ...]:
        """The features that the version uses."""
        return learned_features(self.files)

    def scores(self, rows: pa.RecordBatch) -> pa.StructArray:
        """The score of every row, with a field for each column that it is made of.

        Raises:
            DataError: If a score is not a finite number.
            TerminalError: If the version cannot score the rows.
        """
        if self.digest not in _LOADED:  # a worker loads each package once, however many partitions it scores
            _LOADED[self.digest] = load_package(dict(self.files), self.digest, self.tree_sums)
        package = _LOADED[self.digest]
        try:
            scores = package.score(rows)
        except TerminalError as error:
            where = ", ".join(filter(None, [f"version {self.provenance.get('model_version')}", error.where]))
            raise TerminalError(error.problem, where=where, received=error.received, fix=error.fix) from None
        finite = finite_rows(scores)
        if invalid := rows.num_rows - int(finite.sum()):
            raise DataError(f"{invalid} of {rows.num_rows} scores are not finite numbers")
        columns = package.scored_columns(scores)
        return pa.StructArray.from_arrays(list(columns.values()), list(columns))

    def write(self, key: pa.Table, scores: pa.ChunkedArray) -> dict[str, int]:
        """Stages scored rows; returns the files with their numbers of rows."""
        rows = key
        for column, values in zip(scores.type.names, scores.flatten(), strict=True):
            rows = rows.append_column(column, values)
        return write_files(self.spec, with_columns(rows, self.spec.schema, self.provenance), self.folder)


class MergeableProfile(Protocol):
    """The profile of some rows; the sum of two profiles is the profile of all their rows."""

    def __add__(self, profile: Any) -> Any: ...

    def to_json(self) -> dict[str, Any]: ...


ProfileBatch = Callable[[pa.RecordBatch, pa.RecordBatch], MergeableProfile]


def score_and_stage(
    batches: Iterable[pa.RecordBatch],
    key: Sequence[str],
    champion: Scorer,
    challengers: Sequence[Scorer],
    profile_batch: ProfileBatch | None = None,
) -> Iterator[pa.RecordBatch]:
    """Scores every row with every version and stages the scores.

    Args:
        batches: Features and key.
        key: The columns of the key, staged with each score.
        champion: The version whose scores are published; its errors are raised.
        challengers: The versions that score in shadow; the error of a challenger stops that challenger only.
        profile_batch: Profiles a batch with the champion's scores; after an error no profile is returned.

    Yields:
        Rows of `RESULT_SCHEMA`, with the position of the scorer, 0 for the champion: a row for each file, and a row for
        each challenger that failed, whose files are to be ignored. The champion's last row has the profile, as JSON.
    """
    problems: dict[int, str] = {}
    profiler = _BatchProfiler(profile_batch)

    def score_batches() -> Iterator[pa.RecordBatch]:
        for batch in batches:
            columns = {name: batch.column(name) for name in key} | {"0": champion.scores(batch)}
            profiler.add(batch, columns["0"])
            for position, challenger in enumerate(challengers, 1):
                if position not in problems:
                    try:
                        columns[str(position)] = challenger.scores(batch)
                    except Exception as error:  # no error of a challenger may stop the champion
                        problems[position] = format_problem(error)
                if position in problems:
                    columns[str(position)] = pa.nulls(batch.num_rows, pa.float64())
            yield pa.RecordBatch.from_pydict(columns)

    for table in batches_to_tables(score_batches()):
        for position, scorer in enumerate((champion, *challengers)):
            if position not in problems:
                files = scorer.write(table.select(key), table[str(position)])
                yield _result_batch([(position, file, rows, None, None) for file, rows in files.items()])
    if problems:
        yield _result_batch([(position, None, None, problem, None) for position, problem in problems.items()])
    if profiler.profile is not None:
        yield _result_batch([(0, None, None, None, json.dumps(profiler.profile.to_json()))])


class _BatchProfiler:
    """Sums the profiles of batches; an error is logged and discards the profile, it must not stop the champion."""

    def __init__(self, profile_batch: ProfileBatch | None) -> None:
        self.profile_batch, self.profile = profile_batch, None

    def add(self, batch: pa.RecordBatch, scores: pa.StructArray) -> None:
        if self.profile_batch is None:
            return
        try:
            profile: Any = self.profile_batch(batch, pa.RecordBatch.from_struct_array(scores))
            self.profile = profile if self.profile is None else self.profile + profile
        except Exception:
            log.exception("no profile of this part of the night")
            self.profile_batch = self.profile = None


def format_problem(error: BaseException) -> str:
    """The error of a challenger as one line."""
    return f"{type(error).__name__}: {first_line(error)}"


def _result_batch(rows: Sequence[tuple[int, str | None, int | None, str | None, str | None]]) -> pa.RecordBatch:
    kinds = {"scorer": pa.int32(), "file": pa.string(), "rows": pa.int64(), "problem": pa.string()}
    schema = pa.schema({**kinds, "profile": pa.string()})
    return pa.RecordBatch.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema=schema)
