"""Runs `by_hand.sql` with two threads: python -m bench.by_hand <folder of the staged raw tables> <folder to write>."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

from nightshift.compute.job import READY


def main(raw: str, out: str) -> None:
    """Computes the features of every account and night that is due."""
    sql = Path(__file__).with_suffix(".sql").read_text()
    with duckdb.connect(config={"threads": 2}) as database:
        sys.stdout.write(f"{READY}\n")
        sys.stdout.flush()
        database.execute(sql.replace("{raw}", raw).replace("{out}", out))


if __name__ == "__main__":
    main(*sys.argv[1:])
