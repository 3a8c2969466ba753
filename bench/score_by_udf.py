"""Scores Parquet files by MLflow's `spark_udf`, twice, and writes the key with the score.

spark-submit bench/score_by_udf.py --model <MLflow's model> --key <column> --features <columns> --out <folder> <files>

The last line is the seconds of both times: with its first workers, and warm.
"""

from __future__ import annotations

import argparse
import sys
from time import perf_counter
from typing import Any

from nightshift.compute.job import READY


def load_model(path: str) -> Any:
    """The estimator of a model that `save_model` stored."""
    import mlflow.sklearn

    return mlflow.sklearn.load_model(path)


def save_model(estimator: Any, path: str) -> None:
    """Stores an estimator as MLflow does, with probabilities as its predictions."""
    import mlflow.sklearn

    mlflow.sklearn.save_model(estimator, path, pyfunc_predict_fn="predict_proba", serialization_format="cloudpickle")


def scoring_arguments(description: str) -> argparse.Namespace:
    """The arguments of a script that scores files."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--model", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--features", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("files", nargs="+")
    return parser.parse_args()


def main() -> None:
    """Scores the files twice in one session."""
    import mlflow.pyfunc
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as F

    arguments = scoring_arguments("Scores files by spark_udf.")
    spark = SparkSession.builder.getOrCreate()
    spark.range(1).collect()
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()
    seconds = []
    for attempt in range(2):
        started = perf_counter()
        score = mlflow.pyfunc.spark_udf(spark, arguments.model, result_type="array<double>", env_manager="local")
        rows = spark.read.parquet(*arguments.files)
        features = F.struct(*map(F.col, arguments.features.split(",")))
        scored = rows.select(arguments.key, score(features)[1].alias("score"))
        scored.write.parquet(f"{arguments.out}/{attempt}", compression="zstd")
        seconds.append(perf_counter() - started)
    sys.stdout.write(f"{seconds[0]} {seconds[1]}\n")


if __name__ == "__main__":
    main()
