"""What every Spark job shares: a session, reading published tables, writing to staging, ending with one clear line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from math import ceil
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "include"))  # by hand, without installing

import pyarrow as pa
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from nightshift.errors import NightshiftError, TransientError
from nightshift.lake.catalog import Lake
from nightshift.lake.parquet import batches_to_tables, write_files
from nightshift.lake.read import data_files
from nightshift.lake.staging import seal, staging_folder
from nightshift.lake.tables import TableSpec, spark_schema
from nightshift.spark_submit import PROGRESS, STAGED
from nightshift.types import Staged

Step = TypeVar("Step")

TASK_BYTES = 32 * 2**20  # what one task reads
TERMINAL, TRANSIENT = 2, 75  # exit codes: 75 is sysexits' EX_TEMPFAIL


def start_session(name: str) -> Future[SparkSession]:
    """Starts the session of a job while the job opens the lake: both take seconds."""
    executor = ThreadPoolExecutor(1)
    try:
        return executor.submit(_session, name)
    finally:
        executor.shutdown(wait=False)


def _session(name: str) -> SparkSession:
    """A session with what the lake's files need, whoever submits the job."""
    return (
        SparkSession.builder.appName(name)
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "65536")
        # Else Spark makes one task of a union of parts that are one task each.
        .config("spark.sql.unionOutputPartitioning", "false")
        # Without a limit of bytes: Spark would add up those of a batch again with every row.
        .config("spark.sql.execution.arrow.maxBytesPerBatch", str(2**31 - 1))
        .getOrCreate()
    )


def read_table(spark: SparkSession, lake: Lake, spec: TableSpec, first: date, last: date, snapshot: int) -> DataFrame:
    """The published rows of a table at a snapshot; empty if there are none."""
    return read_files(spark, spec, data_files(lake, spec, first, last, snapshot))


def read_files(spark: SparkSession, spec: TableSpec, files: Mapping[str, int]) -> DataFrame:
    """The rows of some of a table's files; empty if there are none.

    Small files are read by few tasks: a night of them by one, which spares every shuffle that would follow.
    """
    schema = spark_schema(spec.columns)
    if not files:
        return spark.createDataFrame([], schema)
    return spark.read.schema(schema).parquet(*files).coalesce(ceil(sum(files.values()) / TASK_BYTES))


class Staging:
    """A staging folder that rows are written to, bite by bite, until it is sealed.

    Args:
        lake: The lake.
        spec: The table the rows are meant for.
        attempt: Names the folder.
        inputs: What the rows are made from.
        split: The values of the table's other partition columns, the same in every row.
    """

    def __init__(
        self,
        lake: Lake,
        spec: TableSpec,
        attempt: str,
        inputs: dict[str, str],
        split: Mapping[str, str | int] = MappingProxyType({}),
    ) -> None:
        self.spec, self.attempt, self.inputs, self.split = spec, attempt, inputs, split
        self.folder = staging_folder(lake.warehouse, spec.name, attempt)
        self.written: dict[str, int] = {}

    def write(self, rows: DataFrame, through: Callable[[pa.Table], pa.Table] = lambda table: table) -> None:
        """Writes rows, each date into files of its own: every worker those of the rows it has.

        Args:
            rows: The rows.
            through: Makes the table's columns of them, in the workers.
        """
        spec, folder = self.spec, self.folder

        def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for table in batches_to_tables(batches):
                written = write_files(spec, through(table), folder)
                yield pa.RecordBatch.from_pydict({"file": list(written), "rows": list(written.values())})

        self.written |= dict(map(tuple, rows.mapInArrow(write, "file string, rows bigint").collect()))

    def seal(self, first: date, last: date) -> Staged:
        """Declares the folder complete for the dates from `first` to `last`."""
        return seal(self.folder, self.spec.name, self.attempt, first, last, self.inputs, self.split, self.written)


def progress(what: str, steps: Sequence[Step]) -> Iterator[Step]:
    """Tells how far a job is, before each of several steps; a single step is not worth a word."""
    for number, step in enumerate(steps):
        if len(steps) > 1:
            print(f"{PROGRESS}{what}: {number} of {len(steps)}", flush=True)
        yield step
    if len(steps) > 1:
        print(f"{PROGRESS}{what}: {len(steps)} of {len(steps)}", flush=True)


def announce(staged: Sequence[Staged]) -> None:
    """Tells the submitter what was staged, and where."""
    for one in staged:
        print(f"staged {one.rows} rows of {one.table} from {one.first} to {one.last}", flush=True)
        print(f"{STAGED}{one.location}", flush=True)


def run(main: Callable[[], None]) -> None:
    """Runs a job; whatever goes wrong, the last line says what, and the exit code whether to try again."""
    try:
        main()
    except NightshiftError as error:
        _end(str(error), TRANSIENT if isinstance(error, TransientError) else TERMINAL)
    except PySparkException as error:
        _end(reason(error), TERMINAL)
    except Exception as error:  # the boundary of the process
        _end(f"{type(error).__name__}: {reason(error)}", 1)


def reason(error: Exception) -> str:
    """Why a job failed, as one line."""
    lines = [line.strip().removeprefix(": ") for line in str(error).splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].startswith("An error occurred while calling"):  # py4j's own, of what Spark raised
        del lines[0]
    # A failure inside a Python worker hides its reason in the last line of a nested stack trace.
    nested = [line for line in lines if "Error: " in line and not line.startswith(("at ", "File ", "Caused by"))]
    return (nested or lines or [repr(error)])[0]


def _end(line: str, code: int) -> None:
    print(f"error: {line}", file=sys.stderr, flush=True)
    raise SystemExit(code)
