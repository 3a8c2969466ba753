"""Keeps the rows that the API scored as rows of `serving.<model>`, with what the challenger would have answered.

Rows wait in memory for seconds, in a Parquet file of this machine for an hour, and are then published: a batch is a
partition of its own, so that one that is published again, after a kill in between, is the same. What a process that is
gone has left is published by the next one.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from nightshift.errors import first_line
from nightshift.lake.parquet import with_columns
from nightshift.lake.publish import publish
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import serving_table
from nightshift.project import Project
from nightshift.serving.served_version import ServedVersion

log = logging.getLogger(__name__)

FOLDER, LOCK, PARTS = "serving", "lock", "*.parquet"  # of the installation; of a batch
FLUSH = 5.0  # seconds that rows wait in memory
MOST_IN_MEMORY = 200_000  # rows; older ones are given up when the disk takes none


def waiting_rows(project: Project, day: date) -> int:
    """How many rows of a day wait in files of this machine for their publication."""
    folder, count = project.settings.var_path / FOLDER / project.definition.name, 0
    for file in folder.glob(f"*/{PARTS}"):
        with suppress(FileNotFoundError):  # it is published meanwhile
            count += pq.read_table(file, columns=["served_on"])["served_on"].to_pylist().count(day)
    return count


@dataclass(frozen=True)
class ScoredRequest:
    """The rows of a request that were scored.

    Attributes:
        route: What was asked for: `score` or `invocations`.
        caller: Who asked; empty if anybody may.
        night: The night as of which features were computed; None if they were sent.
        version: The version that answered.
        rows: The features, and the key if it is known.
        places: The place of each row in the request.
        scores: The columns of each row's score.
    """

    route: str
    caller: str
    night: date | None
    version: ServedVersion
    rows: pa.Table
    places: Sequence[int]
    scores: Sequence[Mapping[str, Any]]


class RowKeeper:
    """Keeps the scored rows of a model.

    Args:
        project: The model.
        challenger: Gives the version that scores beside the champion; None if there is none.
        seconds: Between two publications.
    """

    def __init__(self, project: Project, challenger: Callable[[], ServedVersion | None], seconds: float) -> None:
        self.project, self._challenger, self._seconds = project, challenger, seconds
        self._folder = project.settings.make_folder(FOLDER, project.definition.name)
        self._spec = serving_table(project.definition)
        self._pending: list[pa.Table] = []
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self._batch: _Batch | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def add(self, request: ScoredRequest) -> None:
        """Takes the rows of a request; they are written later."""
        columns = {name: request.rows[name] for name in request.rows.column_names if name in self._spec.columns}
        scores: dict[str, list[Any]] = {}
        for row in request.scores:
            for name, value in row.items():
                scores.setdefault(f"served_{name}", []).append(value)
        columns |= {name: pa.array(values) for name, values in scores.items() if name in self._spec.columns}
        now = datetime.now(UTC)
        constants = {
            "served_on": now.date(),
            "served_at": now,
            "served_request": uuid.uuid4().hex,
            "served_route": request.route,
            "served_caller": request.caller,
            "served_night": request.night,
            "served_version": request.version.number,
        }
        count = len(request.places)
        columns["served_row"] = pa.array(request.places, pa.int64())
        for name, value in constants.items():
            columns[name] = pa.repeat(pa.scalar(value, self._spec.schema.field(name).type), count)
        with self._lock:
            self._pending.append(pa.table(columns))

    def start(self) -> None:
        """Publishes what processes that are gone have left, and begins to write."""
        self._try(self._publish_left)
        self._thread.start()

    def stop(self) -> None:
        """Writes and publishes what there is."""
        self._stopped.set()
        self._thread.join()
        self._try(self._flush)
        self._try(self._publish)

    def _run(self) -> None:
        published = time.monotonic()
        while not self._stopped.wait(min(FLUSH, self._seconds)):
            self._try(self._flush)
            if time.monotonic() - published >= self._seconds:
                self._try(self._publish)
                published = time.monotonic()

    def _try(self, work: Callable[[], None]) -> None:
        """Does something that is done again later if it fails: requests are answered meanwhile."""
        try:
            work()
        except Exception as error:
            log.warning("%s: rows are kept for later: %s", self._spec.name, first_line(error))

    def _flush(self) -> None:
        """Writes the rows in memory to the batch's folder, with the challenger's scores."""
        with self._lock:
            pending, self._pending = self._pending, []
        if not pending:
            return
        try:
            rows = self._with_challenger(pa.concat_tables(pending, promote_options="permissive"))
            self._batch = self._batch or _Batch.new(self._folder)
            of_batch = self._spec.schema.get_field_index("served_batch")
            self._batch.write(with_columns(rows, self._spec.schema.remove(of_batch)))
        except BaseException:
            with self._lock:
                self._pending = _newest([*pending, *self._pending], MOST_IN_MEMORY)
            raise

    def _with_challenger(self, rows: pa.Table) -> pa.Table:
        """The rows with what the challenger gives them; without it if it fails: it never answers."""
        challenger = self._challenger()
        if challenger is None:
            return rows
        try:
            scores = challenger.package.scored_columns(challenger.package.score(rows))
        except Exception as error:
            log.warning("challenger %d scores no rows: %s", challenger.number, first_line(error))
            return rows
        rows = rows.append_column("challenger_version", pa.repeat(pa.scalar(challenger.number), rows.num_rows))
        for name in (name for name in scores if f"challenger_{name}" in self._spec.columns):
            rows = rows.append_column(f"challenger_{name}", scores[name])
        return rows

    def _publish(self) -> None:
        """Publishes the batch; the next rows begin another."""
        if self._batch is not None:
            self._publish_batch(self._batch)
            self._batch = None

    def _publish_left(self) -> None:
        for batch in _Batch.left(self._folder):
            self._publish_batch(batch)

    def _publish_batch(self, batch: _Batch) -> None:
        if rows := batch.read():
            name = pa.repeat(pa.scalar(batch.name), len(rows))
            days = rows["served_on"].to_pylist()
            staged = stage_arrow(
                self.project.lake,
                self._spec,
                rows.append_column("served_batch", name),
                min(days),
                max(days),
                {},
                {"served_batch": batch.name},
            )
            publish(self.project.lake, self._spec, staged, replace=False)
        batch.remove()


@dataclass(frozen=True)
class _Batch:
    """The folder of rows that are published together; locked for as long as its process lives."""

    folder: Path
    lock: IO[bytes]

    @classmethod
    def new(cls, folder: Path) -> _Batch:
        path = folder / f"{datetime.now(UTC):%Y-%m-%d-%H%M}-{uuid.uuid4().hex[:12]}"
        path.mkdir()
        return cls(path, _locked(path / LOCK))

    @classmethod
    def left(cls, folder: Path) -> Iterator[_Batch]:
        """The batches of processes that are gone."""
        for path in sorted(folder.iterdir()):
            with suppress(BlockingIOError, FileNotFoundError):  # another process lives, or removes it
                yield cls(path, _locked(path / LOCK))

    @property
    def name(self) -> str:
        return self.folder.name

    def write(self, rows: pa.Table) -> None:
        """Writes rows as a file that is whole or not there."""
        file = self.folder / f"{uuid.uuid4().hex}.part"
        pq.write_table(rows, file, compression="zstd")
        file.rename(file.with_suffix(".parquet"))

    def read(self) -> pa.Table:
        files = sorted(self.folder.glob(PARTS))
        return pa.concat_tables([pq.read_table(file) for file in files]) if files else pa.table({})

    def remove(self) -> None:
        shutil.rmtree(self.folder)
        self.lock.close()


def _locked(file: Path) -> IO[bytes]:
    """Locks a file for this process.

    Raises:
        BlockingIOError: If another process has it.
    """
    stream = os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        stream.close()
        raise
    return stream


def _newest(tables: Sequence[pa.Table], most_rows: int) -> list[pa.Table]:
    """The last of some tables, of not many more rows than given."""
    kept: list[pa.Table] = []
    for table in reversed(tables):
        if kept and sum(map(len, kept)) + len(table) > most_rows:
            break
        kept.append(table)
    return kept[::-1]
