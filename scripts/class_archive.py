"""Records the classes a Spark job loads into a JVM class archive, so that every later job starts in half the time.

Without the archive everything works, only slower; so whatever goes wrong here is said and not fatal.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from nightshift.compute.job import Job
from nightshift.compute.spark_submit import SparkSubmit, class_archive
from nightshift.settings import get_settings

JOB = """
import pyarrow as pa
from pyspark.sql import SparkSession, functions as F

spark = SparkSession.builder.getOrCreate()
table = pa.table({"k": ["a", "b", None] * 300, "d": ["2013-01-01"] * 900, "v": [1.0, 2.0, 3.0] * 300})
rows = table.set_column(1, "d", table["d"].cast(pa.date32()))
scan = spark.range(0, 1, 1, 1).mapInArrow(lambda numbers: (b for n in numbers for b in rows.to_batches()),
    "k string, d date, v double")
at = F.to_utc_timestamp(F.expr("timestampadd(MINUTE, 5, timestamp_ntz'2013-01-01')"), "UTC")
read = scan.withColumns({"at": at, "w": F.expr("v / 2").cast("double")})
days = spark.createDataFrame(table.select(["d"]).slice(0, 1)).withColumn("d", F.col("d").cast("date"))
limit = F.lit("2014-01-01").cast("timestamp")
seen = read.join(F.broadcast(days), "d").where(F.col("at").isNull() | (F.col("at") < limit))
seen = seen.select("d", "k", "at", F.when(F.expr("v > 1"), F.expr("v")).cast("double").alias("_0"))
seen.mapInArrow(lambda batches: batches, seen.schema).collect()
names = read.select("d", "k", F.struct("v", "w").alias("x")).distinct()
wide = read.join(F.broadcast(days), "d", "left").join(names, ["d", "k"], "left")
wide = wide.select("k", F.expr("substring(k, 1, 1)").cast("string").alias("s"), F.col("x")["v"].alias("u"))
wide.mapInArrow(lambda batches: batches, wide.schema).collect()
"""


def main() -> int:
    """Runs a small job that does what real ones do, and lets the JVM write down what it loaded."""
    submitter, archive = SparkSubmit(get_settings()), class_archive(get_settings())
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "job.py"
        program.write_text(JOB)
        part = archive.with_suffix(".part")
        part.unlink(missing_ok=True)
        replaced = Job("features")  # whose command this is, but for the program
        *command, _ = submitter.command(replaced)
        command = [*(word.split(" -XX:SharedArchiveFile")[0] for word in command), str(program)]
        flags = next(i for i, word in enumerate(command) if word.startswith("spark.driver.extraJavaOptions"))
        command[flags] += f" -XX:ArchiveClassesAtExit={part}"
        done = subprocess.run(
            command,
            env=submitter.environment(Job("features")) | os.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode or not part.exists():
            sys.stderr.write(
                f"class archive not made, jobs start slower: {(done.stderr or done.stdout).strip()[-500:]}\n"
            )
            return 0
        part.replace(archive)
    return 0


if __name__ == "__main__":
    sys.exit(main())
