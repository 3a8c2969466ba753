"""Scores Parquet files in one process with two threads, by scikit-learn: python -m bench.score_in_process.

The last line is the number of seconds from the first file to the last score.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.score_by_udf import load_model, scoring_arguments


def main() -> None:
    """Scores every file and writes the key with the score beside it."""
    arguments = scoring_arguments("Scores files in one process.")
    model, features = load_model(arguments.model), arguments.features.split(",")
    Path(arguments.out).mkdir(parents=True)
    started = perf_counter()
    for number, file in enumerate(arguments.files):
        rows = pq.ParquetFile(file).read([arguments.key, *features])
        matrix = np.column_stack([rows[name].to_numpy() for name in features])
        scores = model.predict_proba(matrix)[:, 1]
        scored = pa.table({arguments.key: rows[arguments.key], "score": scores})
        pq.write_table(scored, f"{arguments.out}/{number}.parquet", compression="zstd")
    sys.stdout.write(f"{perf_counter() - started}\n")


if __name__ == "__main__":
    main()
