"""Keeps what was measured, and makes the page of it."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

import psutil

from bench.registry import Figure, Measurement
from nightshift.settings import PROJECT

KEPT, PAGE = PROJECT / "docs" / "benchmarks.json", PROJECT / "docs" / "benchmarks.md"
COLUMNS = ("figure", "bar", "result", "ratio", "met", "machine", "date", "command")
INTRODUCTION = """\
# Benchmarks

`make bench` measures everything below and writes this page; `make bench ONLY=features.nightly` measures one and writes
its rows alone. The numbers are kept in [benchmarks.json](benchmarks.json). A Spark job's time is from the end of its
session's start-up to the end of its process; its memory is the most that its processes held together.
"""


def machine() -> str:
    """This machine and how busy it is."""
    memory = psutil.virtual_memory().total / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, load {os.getloadavg()[0]:.1f}"


def keep(name: str, figures: Sequence[Figure], where: str, day: date, measurements: Mapping[str, Measurement]) -> None:
    """Replaces a measurement's rows, and no others.

    Args:
        name: The measurement.
        figures: Its new rows.
        where: The machine, as it was when the measurement started.
        day: The date it was made.
        measurements: Every measurement there is, in the order of the page.
    """
    kept: dict[str, Any] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    told = {"machine": where, "date": str(day), "command": f"make bench ONLY={name}"}
    kept[name] = [asdict(figure) | told for figure in figures]
    kept = {known: kept[known] for known in measurements if known in kept}
    KEPT.write_text(json.dumps(kept, indent=2) + "\n")
    PAGE.write_text("\n".join(page(kept, measurements)) + "\n")


def page(kept: Mapping[str, list[dict[str, Any]]], measurements: Mapping[str, Measurement]) -> Iterator[str]:
    """The lines of the page."""
    yield INTRODUCTION
    yield f"| {' | '.join(COLUMNS)} |"
    yield f"|{'---|' * len(COLUMNS)}"
    for row in (row for rows in kept.values() for row in rows):
        cells = row | {"met": "yes" if row["met"] else "**no**", "command": f"`{row['command']}`"}
        yield f"| {' | '.join(cells[column] for column in COLUMNS)} |"
    yield "\n## What is measured\n"
    for name, function in measurements.items():
        yield f"- **`{name}`**: {' '.join(str(inspect.getdoc(function)).split())}"
