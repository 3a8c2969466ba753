"""Staged sets of the tiny model's sources for tests: machines by the number of their date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import cast

import pyarrow as pa

from nightshift.definition.model import ModelDefinition
from nightshift.lake.catalog import Lake
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import raw_table
from nightshift.quality.auditor import Auditor
from nightshift.registry.store import Registry
from nightshift.types import Staged

FIRST = date(2024, 1, 1)
Machines = dict[int, Sequence[str]]


def day(number: int) -> date:
    return FIRST + timedelta(days=number - 1)


def auditor(lake: Lake, definition: ModelDefinition) -> Auditor:
    return Auditor(lake, definition, cast(Registry, None))  # only scores need a version


def stage(lake: Lake, definition: ModelDefinition, source: str, machines: Machines, **inputs: str) -> Staged:
    """A set of the dates with these numbers, each with these machines; inputs by the date's number, as `d1`."""
    spec = raw_table(definition, source)
    listed = [{"source_date": day(number), "machine": name} for number, names in machines.items() for name in names]
    rows = pa.Table.from_pylist(listed, schema=spec.schema)
    files = {
        f"file:///landing/{definition.sources[source].path.replace('{date}', str(day(int(name[1:]))))}": digest
        for name, digest in inputs.items()
    }
    return stage_arrow(lake, spec, rows, day(min(machines)), day(max(machines)), files)
