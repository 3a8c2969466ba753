"""Features by hand, in DuckDB with two threads: python -m bench.by_hand payments <folder of staged tables> <folder>."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

from nightshift.compute.job import READY


def main(subject: str, raw: str, out: str) -> None:
    """Runs `<subject>_by_hand.sql`, which computes the features of every observation of every night."""
    sql = Path(__file__).with_name(f"{subject}_by_hand.sql").read_text()
    with duckdb.connect(config={"threads": 2}) as database:
        sys.stdout.write(f"{READY}\n")
        sys.stdout.flush()
        database.execute(sql.replace("{raw}", raw).replace("{out}", out))


if __name__ == "__main__":
    main(*sys.argv[1:])
