"""Times Evidently's drift of two frames, in an environment of its own: <reference> <night> <rounds>."""

from __future__ import annotations

import sys
from time import perf_counter

import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset


def main(reference: str, night: str, rounds: str) -> None:
    """Prints the seconds of each round, one a line; reading the files is not counted."""
    before, now = pd.read_parquet(reference), pd.read_parquet(night)
    for _ in range(int(rounds)):
        started = perf_counter()
        found = Report([DataDriftPreset()]).run(now, before)
        found.dict()
        sys.stdout.write(f"seconds {perf_counter() - started}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
