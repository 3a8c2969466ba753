"""Air quality: a forecast and measurements by station and day, as files that a new user has."""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path

FIRST = date(2026, 1, 1)
STATIONS = 12


def land_air(landing: Path, days: int) -> date:
    """Lands the forecasts of some days and the measurements of all but the last one; the last day."""
    luck = random.Random(7)
    for folder in ("forecast", "measurements"):
        (landing / folder).mkdir(parents=True)
    names = [f"DE{number:03d}" for number in range(STATIONS)]
    for day in (FIRST + timedelta(days=offset) for offset in range(days)):
        wind = {name: round(luck.uniform(0, 8), 1) for name in names}
        lines = [f"{name},{wind[name]},{luck.choice(['dry', 'wet'])}" for name in names]
        (landing / "forecast" / f"{day}.csv").write_text("\n".join(["Station,Wind Speed,Sky", *lines]))
        if day == FIRST + timedelta(days=days - 1):
            return day
        measured = [(name, round(max(1.0, 40 - 4 * wind[name] + luck.gauss(0, 4)), 1)) for name in names]
        lines = [f"{name},{dust},{day}T21:30:00" for name, dust in measured if luck.random() > 0.05]
        (landing / "measurements" / f"{day}.csv").write_text("\n".join(["Station,PM25,Measured At", *lines]))
    raise ValueError("at least one day")


def decide(file: Path, **values: str) -> None:
    """Decides every marked value of a definition: as given for its key, else as it is proposed."""
    lines = []
    for line in file.read_text().splitlines():
        key = line.split(":")[0].strip()
        if "!decide " in line and not line.startswith("#"):
            head, _, rest = line.partition("!decide ")
            proposal, hash_sign, question = rest.partition("  # ")
            line = head + values.get(key, proposal) + hash_sign + question
        lines.append(line)
    file.write_text("\n".join(lines) + "\n")
