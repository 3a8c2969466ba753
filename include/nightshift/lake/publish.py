"""Publishing: one commit makes all staged rows visible at once.

The staged files are registered in place, and the files they replace are removed in the same snapshot: a reader sees
either the old night or the new one.
"""

from __future__ import annotations

import logging

from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.io.pyarrow import parquet_files_to_data_files
from pyiceberg.manifest import DataFile
from sqlalchemy.exc import OperationalError
from tenacity import Retrying, before_sleep_log, retry_if_exception, stop_after_attempt, wait_random_exponential

from nightshift.errors import DataError, FullDiskError, ReadOnlyError, TerminalError
from nightshift.lake.catalog import Lake
from nightshift.lake.commit import Replacement
from nightshift.lake.files import exists
from nightshift.lake.read import WITHOUT_ROWS, dates_without_rows, partition_filter, partition_values
from nightshift.lake.tables import TableSpec
from nightshift.service_errors import explain
from nightshift.types import Staged

log = logging.getLogger(__name__)

ATTEMPT = "nightshift.attempt"
INPUT = "nightshift.input."  # how the properties begin that name a commit's inputs
COMMIT_ATTEMPTS = 12
MAX_INPUT_PROPERTIES, MAX_PROPERTY_LENGTH = 16, 200
# What concurrent writers cause; a disk that is full or read-only stays so for longer than a commit waits.
CONFLICTS = (CommitFailedException, ValidationException, OperationalError)


def publish(lake: Lake, spec: TableSpec, staged: Staged, *, replace: bool = True) -> int:
    """Replaces the partitions that a staged set covers by its files, in one snapshot.

    If the same files are published already, after a lost reply or by a task that is run again, nothing changes. Dates
    that the staged set covers without having rows for them become empty. The snapshot lists the dates whose files have
    no rows: no data file shows them.

    Args:
        lake: The lake.
        spec: The table to publish to.
        staged: The complete staged set.
        replace: Whether it replaces published rows. If not, and a covered partition has rows, nothing changes.

    Returns:
        The id of the snapshot that shows the rows.

    Raises:
        TerminalError: If a staged file no longer exists.
        DataError: If a staged file lies outside the partitions that the set covers.
    """
    with lake.lock(spec.name), lake.writing():
        # Under the lock: maintenance removes files under it.
        if missing := [file for file in staged.files if not exists(file)]:
            raise TerminalError(
                "a staged file no longer exists", where=missing[0], fix="clear the task that stages it and run it again"
            )
        return retry_on_conflict()(_commit, lake, spec, staged, replace)


def retry_on_conflict() -> Retrying:
    """Retries a commit that conflicts with a concurrent one."""
    return Retrying(
        retry=retry_if_exception(_is_conflict),
        wait=wait_random_exponential(multiplier=0.05, max=5),
        stop=stop_after_attempt(COMMIT_ATTEMPTS),
        before_sleep=before_sleep_log(log, logging.WARNING),
        reraise=True,
    )


def _is_conflict(error: BaseException) -> bool:
    return isinstance(error, CONFLICTS) and not isinstance(explain(error), FullDiskError | ReadOnlyError)


def _commit(lake: Lake, spec: TableSpec, staged: Staged, replace: bool) -> int:
    table = lake.ensure(spec)  # freshly loaded: the files to replace are planned against its newest snapshot
    predicate = partition_filter(spec, staged.first, staged.last, staged.split)
    new = [f for f in parquet_files_to_data_files(table.io, table.metadata, iter(staged.files)) if f.record_count]
    _check_partitions(spec, staged, new)
    old = [task.file for task in table.scan(predicate).plan_files()]
    head = table.current_snapshot()
    same = {file.file_path for file in old} == {file.file_path for file in new}
    before = dates_without_rows(head)
    filled = {partition_values(spec, file)[-1] for file in new}
    without_rows = sorted((before - filled) | set(staged.without_rows))
    if head is not None and ((same and before == set(without_rows)) or (old and not replace)):
        return int(head.snapshot_id)
    # A history has hundreds of inputs, and some are long: their manifest holds them, and the snapshot stays small.
    inputs = {name: value for name, value in staged.inputs.items() if len(value) <= MAX_PROPERTY_LENGTH}
    inputs = inputs if len(inputs) <= MAX_INPUT_PROPERTIES else {}
    properties = {ATTEMPT: staged.attempt} | {f"{INPUT}{name}": value for name, value in inputs.items()}
    if without_rows:
        properties[WITHOUT_ROWS] = ",".join(map(str, without_rows))
    replacement = Replacement(table, properties)
    replacement.delete_by_predicate(predicate)  # concurrent commits are validated against it
    for file in old:
        replacement.delete_data_file(file)
    for file in new:
        replacement.append_data_file(file)
    snapshot_id = replacement.publish()
    log.info("published %s rows of %s as snapshot %s", staged.rows, spec.name, snapshot_id)
    return snapshot_id


def _check_partitions(spec: TableSpec, staged: Staged, files: list[DataFile]) -> None:
    """Refuses files outside the covered partitions: PyIceberg would register them silently."""
    split = [staged.split[column] for column in spec.split_by]
    for file in files:
        *values, day = partition_values(spec, file)
        if values != split or day is None or not staged.first <= day <= staged.last:
            raise DataError(
                "a staged file lies outside the partitions of its night",
                where=file.file_path,
                received=[*values, str(day)],
                allowed=f"{split or spec.date_column} {staged.first} to {staged.last}",
            )
