"""Staging: the folders that jobs write to before their rows are audited and published."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import date
from types import MappingProxyType

import pyarrow as pa

from nightshift.errors import FullDiskError, NotYetAvailable, TerminalError
from nightshift.json_documents import parse_as
from nightshift.lake.catalog import Lake
from nightshift.lake.damage import MANIFEST
from nightshift.lake.files import as_uri, file_sizes, list_files, read_bytes, remove, write_bytes
from nightshift.lake.parquet import read_files, write_files
from nightshift.lake.read import Partition, published_partitions
from nightshift.lake.tables import TableSpec
from nightshift.service_errors import explain
from nightshift.types import Staged

MANIFEST_FIELDS = {"table": str, "attempt": str, "location": str, "files": list, "rows": int, "first": str, "last": str}
MANIFESTS_AT_ONCE = 16
JOBS = "jobs"  # next to the tables' folders: a folder for each attempt of a Spark job, for files of no single table


def new_attempt(first: date, last: date) -> str:
    """A unique name of an attempt: a folder that may be published is never written to again."""
    span = f"{first}" if first == last else f"{first}_{last}"
    return f"{span}-{uuid.uuid4().hex[:12]}"


def staging_folder(warehouse: str, table: str, attempt: str) -> str:
    """The folder of one attempt. Publishing registers its files in place, without a copy."""
    return f"{as_uri(warehouse)}/staged/{table}/{attempt}"


def stage_arrow(
    lake: Lake,
    spec: TableSpec,
    data: pa.Table,
    first: date,
    last: date,
    inputs: dict[str, str],
    split: Mapping[str, str | int] = MappingProxyType({}),
    without_rows: Sequence[date] = (),
) -> Staged:
    """Stages an Arrow table, one file for each partition.

    Args:
        lake: The lake.
        spec: The table of the rows.
        data: Rows with the columns of `spec`, sorted or not.
        first: The first date that the rows cover.
        last: The last date that they cover.
        inputs: The names of their inputs, each with its version.
        split: The values of the table's other partition columns.
        without_rows: The dates whose source files have no rows.
    """
    return stage_parts(lake, spec, [data], first, last, inputs, split, without_rows)


def stage_parts(
    lake: Lake,
    spec: TableSpec,
    parts: Iterable[pa.Table],
    first: date,
    last: date,
    inputs: dict[str, str],
    split: Mapping[str, str | int] = MappingProxyType({}),
    without_rows: Sequence[date] = (),
) -> Staged:
    """Stages rows in parts that fit into memory; see `stage_arrow`."""
    attempt = Attempt(lake, spec, first, last)
    return attempt.seal(attempt.write(parts), first, last, inputs, split, without_rows)


class Attempt:
    """An attempt to stage rows of a table: a folder that is written to until it is sealed.

    Args:
        lake: The lake.
        spec: The table.
        first: The first date that the rows may cover.
        last: The last.
    """

    def __init__(self, lake: Lake, spec: TableSpec, first: date, last: date) -> None:
        self._spec, self._name = spec, new_attempt(first, last)
        self._folder = staging_folder(lake.warehouse, spec.name, self._name)

    def write(self, parts: Iterable[pa.Table]) -> dict[str, int]:
        """Writes rows, each part into files of its own.

        Returns:
            The files with their numbers of rows. Those of parts before one that raises belong to no staged set.

        Raises:
            FullDiskError: If there is no space for them; what was written of the attempt is removed.
        """
        row_counts: dict[str, int] = {}
        with cleared_if_full(self._folder):
            for part in parts:
                row_counts |= write_files(self._spec, part, self._folder)
        return row_counts

    def seal(
        self,
        row_counts: Mapping[str, int],
        first: date,
        last: date,
        inputs: Mapping[str, str],
        split: Mapping[str, str | int] = MappingProxyType({}),
        without_rows: Sequence[date] = (),
    ) -> Staged:
        """Declares written files a staged set; see `seal`."""
        inputs = {**self._spec.inputs, **inputs}
        return seal(
            self._folder,
            self._spec.name,
            self._name,
            first,
            last,
            inputs,
            split,
            row_counts=row_counts,
            without_rows=without_rows,
        )


def seal(
    folder: str,
    table: str,
    attempt: str,
    first: date,
    last: date,
    inputs: dict[str, str],
    split: Mapping[str, str | int] = MappingProxyType({}),
    *,
    row_counts: Mapping[str, int],
    without_rows: Sequence[date] = (),
) -> Staged:
    """Declares a staging folder complete by writing its manifest, the last file of every attempt.

    Args:
        folder: The folder.
        table: The identifier of the rows' table.
        attempt: The name of the attempt.
        first: The first date that the rows cover.
        last: The last date that they cover.
        inputs: The names of their inputs, each with its version.
        split: The values of the table's other partition columns.
        row_counts: The files with their numbers of rows, as their writers counted them. Never what the folder lists: it
            may show the file of a killed writer, and lack a new one in an object store whose listings lag.
        without_rows: The dates whose source files have no rows.
    """
    rows = sum(row_counts.values())
    files = tuple(row_counts)
    staged = Staged(table, attempt, folder, files, rows, first, last, inputs, dict(split), tuple(without_rows))
    with cleared_if_full(folder):
        write_bytes(f"{folder}/{MANIFEST}", json.dumps(staged.to_json()).encode())
    return staged


@contextmanager
def cleared_if_full(folder: str) -> Iterator[None]:
    """Removes what was written of an attempt if there is no space for it: others need it, and so does the next attempt.

    Args:
        folder: The attempt's folder.
    """
    try:
        yield
    except Exception as error:
        if isinstance(explain(error), FullDiskError):
            for file in list_files(folder):
                with suppress(OSError):
                    remove(file)
        raise


def staged_sizes(staged: Staged) -> dict[str, int]:
    """The files of a staged set with their sizes in bytes; 0 of a file that the store does not list yet."""
    sizes = file_sizes(staged.location, ".parquet")
    return {file: sizes.get(file, 0) for file in staged.files}


def load_staged(folder: str) -> Staged:
    """Reads the manifest of a staging folder.

    Raises:
        TerminalError: If the attempt did not finish, maintenance has removed it, or its manifest is damaged.
    """
    uri, fix = f"{folder}/{MANIFEST}", "clear the task that stages it and run it again"
    try:
        content = read_bytes(uri)
    except FileNotFoundError:
        raise TerminalError(
            "the folder holds no complete staged set",
            where=folder,
            fix=fix,
        ) from None
    return parse_as(content, uri, Staged, MANIFEST_FIELDS, fix)


def published_inputs(lake: Lake, spec: TableSpec, day: date) -> dict[str, str]:
    """The inputs of the published rows of a date, from the manifest of their staging folder.

    Raises:
        NotYetAvailable: If nothing is published for the date.
    """
    partition = published_partitions(lake, spec, within=(day, day)).get(day)
    if partition is None:
        raise NotYetAvailable(f"{day} is not published", where=spec.name, fix="run or build the night first")
    return load_staged(published_folder(lake, spec, partition)).inputs


def inputs_by_date(
    lake: Lake, spec: TableSpec, first: date, last: date, snapshot: int | None = None
) -> dict[date, dict[str, str]]:
    """The inputs of every published date from `first` to `last`; none of a date whose manifest is gone.

    Args:
        lake: The lake.
        spec: The table.
        first: The first date.
        last: The last date.
        snapshot: The snapshot to read; the newest if None.
    """
    partitions = published_partitions(lake, spec, snapshot, (first, last))
    folders = {day: published_folder(lake, spec, partition) for day, partition in partitions.items()}
    distinct = sorted(set(folders.values()))
    with ThreadPoolExecutor(MANIFESTS_AT_ONCE) as executor:  # in an object store each takes tens of milliseconds
        inputs = dict(zip(distinct, executor.map(_inputs_of, distinct), strict=True))
    return {day: inputs[folder] for day, folder in folders.items()}


def _inputs_of(folder: str) -> dict[str, str]:
    try:
        return load_staged(folder).inputs
    except TerminalError:
        return {}


def published_folder(lake: Lake, spec: TableSpec, partition: Partition) -> str:
    """The staging folder of the files of a published date."""
    folders = staging_folder(lake.warehouse, spec.name, "")
    return folders + partition.files[0].removeprefix(folders).split("/")[0]


def read_staged(staged: Staged, spec: TableSpec) -> pa.Table:
    """Reads the staged rows as they would be published."""
    return read_files(staged.files, spec)
