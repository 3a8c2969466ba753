"""Scores feature rows batch by batch in Spark's workers, by several versions in one pass, and stages what they gave.

The champion makes the published scores; challengers are scored beside it. Whatever a challenger does, the champion's
rows are staged.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from nightshift.errors import DataError, first_line
from nightshift.lake.parquet import batches_to_tables, write_files
from nightshift.lake.tables import TableSpec
from nightshift.registry.package import ModelPackage, load_package

# What a worker tells of the files it wrote, in Spark's notation.
WRITTEN = "scorer int, file string, rows bigint, problem string, profile string"

log = logging.getLogger(__name__)

_LOADED: dict[str, ModelPackage] = {}


@dataclass(frozen=True)
class Scorer:
    """A version that scores, and where its rows go.

    Attributes:
        files: Its package's files; they travel to the workers with the function.
        digest: The package's digest, verified on every worker before it is loaded.
        spec: The table its rows are meant for.
        folder: Where they are staged.
        made_by: The table's columns that are the same in every row.
    """

    files: Mapping[str, bytes] = field(repr=False)
    digest: str
    spec: TableSpec
    folder: str
    made_by: Mapping[str, Any]

    def scores(self, rows: pa.RecordBatch) -> pa.Array:
        """The score of every row.

        Raises:
            DataError: If one is no number.
        """
        if self.digest not in _LOADED:  # a worker loads each package once, however many partitions it scores
            _LOADED[self.digest] = load_package(dict(self.files), self.digest)
        found = _LOADED[self.digest].score(rows)
        if wrong := rows.num_rows - int(np.isfinite(found).sum()):
            raise DataError(f"{wrong} of {rows.num_rows} scores are no numbers")
        return pa.array(found)

    def write(self, key: pa.Table, scores: pa.ChunkedArray) -> dict[str, int]:
        """Stages scored rows; the files with their numbers of rows."""
        rows = key.append_column("score", scores)
        for name, value in self.made_by.items():
            kind = self.spec.schema.field(name).type
            rows = rows.append_column(name, pa.repeat(pa.scalar(value, kind), rows.num_rows))
        return write_files(self.spec, rows, self.folder)


class Addable(Protocol):
    """What is found of some rows; that of two parts adds up to that of both."""

    def __add__(self, other: Any) -> Any: ...

    def to_json(self) -> dict[str, Any]: ...


Profile = Callable[[pa.RecordBatch, pa.Array], Addable]


def score_and_stage(
    batches: Iterable[pa.RecordBatch],
    key: Sequence[str],
    champion: Scorer,
    challengers: Sequence[Scorer],
    profile: Profile | None = None,
) -> Iterator[pa.RecordBatch]:
    """Scores every row by every version and stages the scores.

    Args:
        batches: Features and key.
        key: The columns kept beside a score.
        champion: Who makes the published scores; what it raises is raised.
        challengers: Who is scored beside it; what one of them raises is its problem alone.
        profile: What is found of every batch and the champion's scores of it; what it raises leaves all rows without.

    Yields:
        As `WRITTEN` says, with the scorer's place, 0 the champion's: a row a file, and one a challenger that failed,
        whose files are worth nothing. The champion's last row has the profile, as JSON.
    """
    problems: dict[int, str] = {}
    profiled = _Profiled(profile)

    def scored() -> Iterator[pa.RecordBatch]:
        for batch in batches:
            columns = {name: batch.column(name) for name in key} | {"0": champion.scores(batch)}
            profiled.add(batch, columns["0"])
            for place, challenger in enumerate(challengers, 1):
                columns[str(place)] = pa.nulls(batch.num_rows, pa.float64())
                if place not in problems:
                    try:
                        columns[str(place)] = challenger.scores(batch)
                    except Exception as error:  # whatever it is, it must not stop the champion
                        problems[place] = problem_of(error)
            yield pa.RecordBatch.from_pydict(columns)

    for table in batches_to_tables(scored()):
        for place, scorer in enumerate((champion, *challengers)):
            if place not in problems:
                written = scorer.write(table.select(key), table[str(place)])
                yield _told([(place, file, rows, None, None) for file, rows in written.items()])
    if problems:
        yield _told([(place, None, None, problem, None) for place, problem in problems.items()])
    if profiled.found is not None:
        yield _told([(0, None, None, None, json.dumps(profiled.found.to_json()))])


class _Profiled:
    """What was found of the rows so far; nothing once something went wrong, which must not stop the champion."""

    def __init__(self, profile: Profile | None) -> None:
        self.profile, self.found = profile, None

    def add(self, batch: pa.RecordBatch, scores: pa.Array) -> None:
        if self.profile is None:
            return
        try:
            found: Any = self.profile(batch, scores)
            self.found = found if self.found is None else self.found + found
        except Exception:
            log.exception("no profile of this part of the night")
            self.profile = self.found = None


def problem_of(error: BaseException) -> str:
    """What went wrong with a challenger, as one line."""
    return f"{type(error).__name__}: {first_line(error)}"


def _told(rows: Sequence[tuple[int, str | None, int | None, str | None, str | None]]) -> pa.RecordBatch:
    kinds = {"scorer": pa.int32(), "file": pa.string(), "rows": pa.int64(), "problem": pa.string()}
    schema = pa.schema({**kinds, "profile": pa.string()})
    return pa.RecordBatch.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema=schema)
