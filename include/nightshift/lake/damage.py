"""Data files of tables that are missing, cut off or unreadable: which, of which night, and what writes them again.

A data file is `<warehouse>/staged/<table>/<attempt>/<date>-….parquet`: its address says which rows are lost, also in a
worker that does not reach the catalog.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from nightshift.definition.declarations import used_sources
from nightshift.definition.load import FILE, definition_folders
from nightshift.errors import DamagedFileError, NightshiftError, first_line
from nightshift.lake.files import as_uri, open_fs
from nightshift.lake.tables import REGISTRY_EVENTS, Layer, split_identifier
from nightshift.service_errors import explain
from nightshift.settings import get_settings

DATA_FILE = re.compile(r".*/staged/(?P<table>[a-z]+\.[^/]+)/[^/]+/(?P<day>\d{4}-\d\d-\d\d)-[^/]*")
BACKUP = "restore the file from a backup"
# How DuckDB's errors begin that are Arrow's.
OF_ARROW = "Invalid Input Error: reading the Arrow source failed"


@contextmanager
def reading(files: Iterable[str]) -> Iterator[None]:
    """Names the file that is to blame when reading files fails within.

    Args:
        files: Their URIs.

    Raises:
        DamagedFileError: If a file is missing, has another size than its table says, or cannot be read.
    """
    try:
        yield
    except (OSError, pa.ArrowException, duckdb.Error) as error:
        if isinstance(error, duckdb.Error) and not str(error).startswith(OF_ARROW):
            raise
        if not isinstance(error, FileNotFoundError) and explain(error):  # an object store's answer
            raise
        if damage := find_damage(list(files)):
            raise damage from None
        raise


def find_damage(files: Sequence[str]) -> DamagedFileError | None:
    """The first of some files that cannot be read as it was written; None if all can. Reads them until then.

    Args:
        files: Their URIs.
    """
    sizes: dict[str, int] = {}
    for file in files:
        system, path = open_fs(file)
        if (info := system.get_file_info(path)).type != fs.FileType.File:
            return damaged_file(file, "is missing")
        sizes[file] = info.size
    for file, written in _written_sizes(sizes).items():
        if sizes[file] != written:
            return damaged_file(file, f"has {sizes[file]:,} of {written:,} bytes")
    for file in files:
        if problem := _content_problem(*open_fs(file)):
            return damaged_file(file, problem)
    return None


def _written_sizes(files: Iterable[str]) -> dict[str, int]:
    """The sizes of published files in bytes when they were written; of none if the catalog cannot be read from here."""
    from nightshift.lake.catalog import Lake  # slow to import; workers that read files seldom need it

    settings = get_settings()
    folder = f"{as_uri(settings.warehouse_uri)}/staged/"
    tables = {file.removeprefix(folder).partition("/")[0] for file in files if file.startswith(folder)}
    sizes: dict[str, int] = {}
    with suppress(Exception):  # a worker may not reach it: then the file's content says that it is damaged
        for table in tables:
            listed = Lake(settings).table(table).inspect.all_data_files()
            sizes |= dict(zip(listed["file_path"].to_pylist(), listed["file_size_in_bytes"].to_pylist(), strict=True))
    return {file: sizes[file] for file in files if file in sizes}


def damaged_file(uri: str, problem: str) -> DamagedFileError:
    """The error of a data file.

    Args:
        uri: The file.
        problem: What is wrong with it, such as "is missing".
    """
    match = DATA_FILE.fullmatch(uri)
    if match is None:
        return DamagedFileError(f"a data file {problem}", where=uri, fix=BACKUP)
    where = f"{match['table']} of {match['day']}"
    fix = rewriting_command(match["table"], match["day"])
    return DamagedFileError(f"a data file {problem}: {uri}", where=where, fix=f"{fix}; or {BACKUP}" if fix else BACKUP)


def rewriting_command(table: str, day: str) -> str:
    """The command that writes the rows of a date again; empty if there is none."""
    layer, name = split_identifier(table)
    match layer:
        case Layer.FEATURES:
            return f"nightshift build {name} --from {day} --to {day}"
        case Layer.RAW | Layer.QUARANTINE | Layer.TILES:
            # What is computed from other files is computed again: tiles follow the raw rows.
            build = f"nightshift build {_model_of(name)} --from {day} --to {day}"
            return f"{build}, which reads the landed files again"
        case Layer.SCORES | Layer.SHADOW:
            return f"nightshift score {name} --night {day}"
        case Layer.MONITORING if name != REGISTRY_EVENTS:
            return f"nightshift score {name} --night {day}, which measures the night again"
    return ""


def _model_of(source: str) -> str:
    """A model that uses a source, if this machine has its definition: a worker may not."""
    try:
        models = used_sources(folder / FILE for folder in definition_folders(get_settings().models_path))
    except NightshiftError:
        models = {}
    return next((model for model, sources in sorted(models.items()) if source in sources), "<model>")


def _content_problem(system: fs.FileSystem, path: str) -> str:
    try:
        with system.open_input_file(path) as stream:
            for _ in pq.ParquetFile(stream).iter_batches():
                pass
    except (OSError, pa.ArrowException) as error:
        if explain(error):
            raise
        return f"cannot be read: {first_line(error)}"
    return ""
