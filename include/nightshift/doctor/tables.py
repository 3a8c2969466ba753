"""Whether the catalog has every table, and the files of published nights are there as they were written."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from nightshift.doctor.examination import Examination
from nightshift.errors import NightshiftError, TerminalError, first_line
from nightshift.lake.damage import damaged_file, file_problem
from nightshift.lake.files import file_sizes
from nightshift.lake.staging import staging_folder
from nightshift.service_errors import explain

READ_AT_ONCE = 8  # files


def check_tables(examination: Examination) -> Iterator[NightshiftError]:
    """Tables that cannot be read, and data files that are missing, have another size or, if it is deep, are damaged."""
    if not examination.settings.has_catalog:
        return
    for name in examination.lake.table_names():
        examination.progress(f"examining {name}")
        try:
            listed = examination.lake.table(name).inspect.data_files()
        except Exception as error:
            yield explain(error) or _unreadable(name, error)
            continue
        written = dict(zip(listed["file_path"].to_pylist(), listed["file_size_in_bytes"].to_pylist(), strict=True))
        yield from _damaged_files(examination, name, written)


def _damaged_files(examination: Examination, name: str, written: dict[str, int]) -> Iterator[NightshiftError]:
    # One listing of the table's folder instead of a question for each file.
    there = file_sizes(staging_folder(examination.lake.warehouse, name, "").rstrip("/"))
    suspects = [file for file, size in written.items() if examination.deep or there.get(file) != size]
    with ThreadPoolExecutor(READ_AT_ONCE) as pool:
        problems = pool.map(lambda file: file_problem(file, written[file]), suspects)
        yield from (damaged_file(file, problem) for file, problem in zip(suspects, problems, strict=True) if problem)


def _unreadable(name: str, error: Exception) -> NightshiftError:
    return TerminalError(
        f"the table's metadata cannot be read: {type(error).__name__}: {first_line(error)}",
        where=name,
        fix="restore the table's folder `metadata` in the warehouse from a backup",
    )
