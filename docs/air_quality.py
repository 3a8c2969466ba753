"""Lands the files of the tutorial: a forecast and measurements of 40 stations for 120 days, with the usual quirks.

python docs/air_quality.py var/landing
"""

from __future__ import annotations

import csv
import math
import random
import sys
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path

FIRST, DAYS, STATIONS = date(2026, 1, 1), 120, 40
SILENT, FAILED = 0.02, 0.03  # stations that send nothing on a day, sensors that send no fine dust


def land(landing: Path, days: int = DAYS, stations: int = STATIONS) -> date:
    """Lands the forecasts of some days, and the measurements of all but the last; returns that day."""
    luck, dust = random.Random(7), 0.0
    bases = {f"DE{number:03d}": luck.gauss(0, 4) for number in range(1, stations + 1)}
    for offset in range(days):
        day = FIRST + timedelta(days=offset)
        wind, heat = max(0.3, luck.gauss(4, 1.8)), 5 + 10 * math.sin((offset - 20) / 60) + luck.gauss(0, 3)
        dust = 0.8 * dust + luck.gauss(0, 3)  # it stays for days
        forecast = [
            (name, f"{max(0, luck.gauss(wind, 0.5)):.1f}", f"{luck.gauss(heat, 1):.1f}", luck.choice(["yes", "no"]))
            for name in bases
        ]
        _write(landing / "forecast" / f"{day}.csv", ("Station", "Wind Speed", "Temperature", "Rain"), forecast)
        if offset == days - 1:
            break
        measured = []
        for name, base in bases.items():
            fine_dust = max(1, luck.gauss(22 + base + dust - 2.5 * (wind - 4) - 0.3 * heat, 4))
            dioxide = max(2, luck.gauss(30 + base - 2 * (wind - 4), 6))
            if luck.random() >= SILENT:
                value = "" if luck.random() < FAILED else f"{fine_dust:.1f}"
                measured.append((name, value, f"{dioxide:.0f}", f"{day}T{luck.randint(20, 23)}:15:00"))
        _write(landing / "measurements" / f"{day}.csv", ("Station", "PM25", "NO2", "Measured At"), measured)
    return FIRST + timedelta(days=days - 1)


def _write(file: Path, names: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as lines:
        csv.writer(lines).writerows([names, *rows])


if __name__ == "__main__":
    land(Path(sys.argv[1]))
