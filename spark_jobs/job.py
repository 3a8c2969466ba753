"""What every Spark job shares: a session, reading published tables, writing to staging, ending with one clear line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "include"))  # by hand, without installing

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from nightshift.errors import NightshiftError, TransientError
from nightshift.lake.catalog import Lake
from nightshift.lake.read import data_files
from nightshift.lake.staging import seal, staging_folder
from nightshift.lake.tables import TableSpec
from nightshift.types import Staged

TERMINAL, TRANSIENT = 2, 75  # exit codes: 75 is sysexits' EX_TEMPFAIL
SPARK_TYPES = {
    "string": "string", "category": "string", "integer": "bigint", "number": "double",
    "boolean": "boolean", "date": "date", "timestamp": "timestamp",
}  # fmt: skip


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
        .config("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
        .config("spark.sql.parquet.compression.codec", "zstd")
        .getOrCreate()
    )


def read_table(spark: SparkSession, lake: Lake, spec: TableSpec, first: date, last: date, snapshot: int) -> DataFrame:
    """The published rows of a table at a snapshot; empty if there are none."""
    schema = ", ".join(f"`{name}` {SPARK_TYPES[kind]}" for name, kind in spec.columns.items())
    files = data_files(lake, spec, first, last, snapshot)
    if not files:
        return spark.createDataFrame([], schema)
    return spark.read.schema(schema).parquet(*files)


def write_staged(
    lake: Lake, spec: TableSpec, rows: DataFrame, attempt: str, first: date, last: date, inputs: dict[str, str]
) -> Staged:
    """Conforms rows to their table and stages them, each date in files of its own."""
    folder = staging_folder(lake.warehouse, spec.name, attempt)
    typed = [F.col(name).cast(SPARK_TYPES[kind]).alias(name) for name, kind in spec.columns.items()]
    rows = rows.select(*typed)
    if first != last:
        rows = rows.repartition(spec.date_column)
    rows = rows.sortWithinPartitions(*spec.key)
    # The date stays in the files; the copy that names the folders does not.
    rows.withColumn("_date", F.col(spec.date_column)).write.mode("overwrite").partitionBy("_date").parquet(folder)
    return seal(folder, spec.name, attempt, first, last, inputs)


def run(main: Callable[[], None]) -> None:
    """Runs a job; whatever goes wrong, the last line says what, and the exit code whether to try again."""
    try:
        main()
    except NightshiftError as error:
        _end(str(error), TRANSIENT if isinstance(error, TransientError) else TERMINAL)
    except PySparkException as error:
        _end(_first_line(error), TERMINAL)
    except Exception as error:  # the boundary of the process
        _end(f"{type(error).__name__}: {_first_line(error)}", 1)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # A failure inside a Python worker hides its reason in the last line of a nested stack trace.
    nested = [line for line in lines if "Error: " in line and not line.startswith(("at ", "File ", "Caused by"))]
    return (nested or lines or [repr(error)])[0]


def _end(line: str, code: int) -> None:
    print(f"error: {line}", file=sys.stderr, flush=True)
    raise SystemExit(code)
