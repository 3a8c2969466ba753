"""Data files of tables that are missing, cut off or unreadable: which, of which night, and what writes them again.

A data file is `<warehouse>/staged/<table>/<attempt>/<date>-….parquet`: its address says which rows are lost, also in a
worker that does not reach the catalog.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from itertools import chain
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from nightshift.definition.calendar import is_available, newest_night, next_night
from nightshift.definition.declarations import used_sources
from nightshift.definition.load import FILE, definition_folders, find_definition
from nightshift.definition.model import ModelDefinition
from nightshift.errors import DamagedFileError, NightshiftError, first_line
from nightshift.lake.files import as_uri, open_fs, read_bytes
from nightshift.lake.footers import footer_problem
from nightshift.lake.tables import REGISTRY_EVENTS, Layer, split_identifier
from nightshift.service_errors import explain
from nightshift.settings import get_settings

DATA_FILE = re.compile(r"(?P<folder>.*/staged/(?P<table>[a-z]+\.[^/]+)/[^/]+)/(?P<day>\d{4}-\d\d-\d\d)-[^/]*")
MANIFEST = "_staged.json"  # of a staging folder
# A message of `damaged_file`, of which another process has the text alone.
MESSAGE = re.compile(r".*: a data file (?P<problem>.*?): (?P<uri>\S*/staged/.*?); fix: .*")
BACKUP = "restore the file from a backup"
# The values of a training's gate and of the rows that the API scored are of their time: no night measures them again.
NOT_MEASURED_AGAIN = ("gate", "refit", "served_drift", "served_skew", "ingest")
# How DuckDB's errors begin that are Arrow's.
OF_ARROW = re.compile(r"Invalid Input Error: reading the (Arrow source|stream registered as '.*') failed")


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
    except (OSError, pa.ArrowException, duckdb.Error, UnicodeError) as error:
        if isinstance(error, duckdb.Error) and not OF_ARROW.match(str(error)):
            raise
        if not isinstance(error, FileNotFoundError) and explain(error):  # an object store's answer
            raise
        if damage := find_damage(list(files)):
            raise damage from None
        raise


def require_undamaged(files: Mapping[str, int]) -> None:
    """Requires that files have the size and the footer that they were written with: their pages have checksums.

    Only on local disks, where it costs little: an object store exchanges no bytes of a file.

    Args:
        files: Their URIs with their sizes in bytes.

    Raises:
        DamagedFileError: If one of them is missing, or has another size or footer.
    """
    for file, written in files.items():
        is_local = isinstance(open_fs(file)[0], fs.LocalFileSystem)
        if is_local and (problem := _size_problem(file, written) or footer_problem(file)):
            raise damaged_file(file, problem)


def find_damage(files: Sequence[str]) -> DamagedFileError | None:
    """The first of some files that cannot be read as it was written; None if all can. Reads them until then.

    Args:
        files: Their URIs.
    """
    written = _written_sizes(files)
    sizes = ((file, _size_problem(file, written.get(file))) for file in files)  # quick, so all of them first
    contents = ((file, _content_problem(file)) for file in files)
    return next((damaged_file(file, problem) for file, problem in chain(sizes, contents) if problem), None)


def file_problem(file: str, written: int | None) -> str:
    """What is wrong with a data file, as a message says it; empty if it can be read as it was written.

    Args:
        file: Its URI.
        written: Its size in bytes when it was written; None if that is unknown.
    """
    return _size_problem(file, written) or _content_problem(file)


def _size_problem(file: str, written: int | None) -> str:
    system, path = open_fs(file)
    info = system.get_file_info(path)
    if info.type != fs.FileType.File:
        return "is missing"
    return f"has {info.size:,} of {written:,} bytes" if written not in (None, info.size) else ""


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
    fix = rewriting_command(match["table"], date.fromisoformat(match["day"]), _split_of(match["folder"]))
    return DamagedFileError(f"a data file {problem}: {uri}", where=where, fix=f"{fix}; or {BACKUP}" if fix else BACKUP)


def reworded(message: str) -> DamagedFileError:
    """The error of a worker's message as this machine words it: a worker may not have the definitions.

    Args:
        message: The message.
    """
    match = MESSAGE.fullmatch(message)
    return damaged_file(match["uri"], match["problem"]) if match else DamagedFileError(message)


def rewriting_command(table: str, day: date, split: Mapping[str, Any]) -> str:
    """The command that writes the rows of a date again; empty if there is none.

    Args:
        table: The table.
        day: The date.
        split: The values of the table's other partition columns, as far as they are known.
    """
    layer, name = split_identifier(table)
    match layer:
        case Layer.FEATURES:
            return _build(name, day, day)
        case Layer.RAW | Layer.QUARANTINE:
            return f"{_build(_model_of(name), day, day)}, which reads the landed files again"
        case Layer.TILES:  # they follow the raw rows: of rows that were published again, they are computed again
            model, last = (
                str(split.get("model") or _model_of(name)),
                day + timedelta(days=int(split.get("days", 1)) - 1),
            )
            build = _build(model, day, _first_night_with(model, name, last))
            return f"{build}, which reads the landed files again and computes the tile of them"
        case Layer.SCORES | Layer.SHADOW:
            return f"nightshift score {name} --night {day}"
        case Layer.MONITORING if name != REGISTRY_EVENTS:
            score = f"nightshift score {name} --night {day}"
            if (monitor := split.get("monitor")) in NOT_MEASURED_AGAIN:
                return f"{score}, which goes on without what {monitor} measured: that is lost"
            return f"{score}, which measures the night again"
    return ""


def _build(model: str, first: date, last: date) -> str:
    """The command that ingests some dates again and builds their features, as far as the model's schedule has them."""
    with suppress(Exception):  # a worker may not have the definition
        schedule = _definition_of(model).schedule
        first, last = max(first, schedule.start), min(last, schedule.end or last)
    return f"nightshift build {model} --from {first} --to {last}"


def _first_night_with(model: str, source: str, day: date) -> date:
    """The first score date that sees a date of a source: it is the first that needs the tiles that end then."""
    night = day
    with suppress(Exception):  # a worker may not have the definition
        definition = _definition_of(model)
        night = newest_night(definition.schedule, day)
        while not is_available(definition.schedule, definition.sources[source], day, night):
            night = next_night(definition.schedule, night)
    return max(day, night)


def _definition_of(model: str) -> ModelDefinition:
    return find_definition(get_settings().models_path, model, get_settings().sources_path)


def _split_of(folder: str) -> Mapping[str, Any]:
    """The partition that the files of a staging folder belong to, besides their date; empty if its manifest is gone."""
    try:
        manifest = json.loads(read_bytes(f"{folder}/{MANIFEST}"))
        return dict(manifest.get("split", {}))
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _model_of(source: str) -> str:
    """A model that uses a source, if this machine has its definition: a worker may not."""
    try:
        models = used_sources(folder / FILE for folder in definition_folders(get_settings().models_path))
    except NightshiftError:
        models = {}
    return next((model for model, sources in sorted(models.items()) if source in sources), "<model>")


def _content_problem(file: str) -> str:
    system, path = open_fs(file)
    try:
        if problem := footer_problem(file):
            return problem
        with system.open_input_file(path) as stream:
            parquet = pq.ParquetFile(stream, page_checksum_verification=True)
            rows = sum(batch.num_rows for batch in parquet.iter_batches())
            # The headers of pages, which say how many values they have, have no checksum.
            if rows != (written := parquet.metadata.num_rows):
                return f"cannot be read: {rows:,} of {written:,} rows are there"
    except (OSError, pa.ArrowException, UnicodeError) as error:  # of the names of columns, pyarrow's is of Python
        if explain(error):
            raise
        return f"cannot be read: {first_line(error)}"
    return ""
