"""Records the classes a Spark job loads into a JVM class archive, so that every later job starts in half the time.

Without the archive everything works, only slower; so whatever goes wrong here is said and not fatal.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from nightshift.settings import get_settings
from nightshift.spark_submit import SparkSubmit, class_archive

JOB = """
import pyarrow as pa
from pyspark.sql import SparkSession, functions as F

spark = SparkSession.builder.getOrCreate()
table = pa.table({"k": ["a", "b", None] * 300, "d": ["2013-01-01"] * 900, "v": [1.0, 2.0, 3.0] * 300})
rows = spark.createDataFrame(table)
rows = rows.withColumn("d", F.col("d").cast("date"))
rows.write.partitionBy("d").parquet("FOLDER/in")
read = spark.read.schema("k string, v double").parquet("FOLDER/in").coalesce(1)
read = read.withColumn("at", F.to_utc_timestamp(F.expr("timestampadd(MINUTE, 5, timestamp_ntz'2013-01-01')"), "UTC"))
read = read.where(F.col("k").isNotNull())
sums = read.groupBy("k").agg(
    F.count_if(F.expr("v > 1")).alias("n"), F.sum("v").alias("s"), F.min("v").alias("m"), F.max("at").alias("at"),
    F.max_by("v", F.struct("at", "v")).alias("l"), F.hll_sketch_agg("k", 12).alias("h"),
)
sums.unionByName(read.groupBy("k").agg(F.count("v").alias("n")), True).write.partitionBy("n").parquet("FOLDER/tiles")
tiles = spark.read.schema(sums.schema).parquet("FOLDER/tiles").coalesce(1)
merged = tiles.groupBy("k").agg(F.sum("s").alias("s"), F.hll_union_agg("h").alias("h"), F.sum("n").alias("n"))
merged = merged.select("k", "n", "s", F.hll_sketch_estimate("h").alias("e"))
wide = read.join(F.broadcast(merged), ["k"], "left")
wide = wide.select("k", F.expr("s / (n + 1)").alias("r"), F.struct("v").alias("x"), F.coalesce("e", F.lit(0)))
wide.repartition("k").sortWithinPartitions("r").write.parquet("FOLDER/out")
read.select("k", "v").mapInArrow(lambda batches: batches, "k string, v double").write.parquet("FOLDER/scored")
"""


def main() -> int:
    """Runs a small job that does what real ones do, and lets the JVM write down what it loaded."""
    submit, archive = SparkSubmit(get_settings(), "features", []), class_archive(get_settings())
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job.py"
        job.write_text(JOB.replace("FOLDER", folder))
        part = archive.with_suffix(".part")
        part.unlink(missing_ok=True)
        command = [*submit.command(), str(job)]
        command = [word.split(" -XX:SharedArchiveFile")[0] for word in command[:-2]] + command[-1:]
        flags = next(i for i, word in enumerate(command) if word.startswith("spark.driver.extraJavaOptions"))
        command[flags] += f" -XX:ArchiveClassesAtExit={part}"
        done = subprocess.run(
            command, env=submit.environment() | os.environ, capture_output=True, text=True, check=False
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
