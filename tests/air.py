"""The tutorial's files, and its definition once a person has decided what is marked."""

from __future__ import annotations

import runpy
from datetime import date
from pathlib import Path

from nightshift.settings import PROJECT

_TUTORIAL = runpy.run_path(str(PROJECT / "docs" / "air_quality.py"))
FIRST: date = _TUTORIAL["FIRST"]
STATIONS = 12


def land_air(landing: Path, days: int) -> date:
    """Lands the forecasts of some days and the measurements of all but the last one; the last day."""
    last: date = _TUTORIAL["land"](landing, days, STATIONS)
    return last


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
