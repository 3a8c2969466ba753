"""What a windowed label declares of an event and of a window without one, in DuckDB SQL, and which files count."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import pyarrow as pa

from nightshift.definition.calendar import available_at, zone_of
from nightshift.definition.label import Label
from nightshift.definition.model import ModelDefinition
from nightshift.definition.spark_sql import instant_of, to_duckdb

INSTANT = pa.timestamp("us", "UTC")


def event_instant(definition: ModelDefinition) -> str:
    """When an event happened."""
    source = definition.sources[definition.label.source]
    return instant_of(to_duckdb(str(source.event_time), source), zone_of(definition.schedule, source))


def event_condition(label: Label) -> str:
    """Whether an event counts."""
    return f"({label.where or 'true'}\n)"


def event_value(label: Label) -> str:
    """The value of an event; true where the aggregation takes none."""
    return "true" if label.value is None else f"cast(({label.value}\n) as {outcome_type(label)})"


def event_weight(label: Label) -> str:
    """What an event weighs."""
    return f"cast(({label.weight or '1'}\n) as double)"


def outcome_type(label: Label) -> str:
    """The type of an outcome."""
    return "varchar" if label.kind == "category" else "double"


def outcome_or_declared(label: Label, outcome: str) -> str:
    """An outcome, of which -0.0 is 0.0; of a window without an event, where it is null, the declared one."""
    declared = f"coalesce({outcome}, {_literal(label.outcome_without_events)})"
    return declared if label.kind == "category" else f"{declared} + 0.0"


def files_table(definition: ModelDefinition, published: Iterable[date]) -> pa.Table:
    """The instant from which each file was available: no correct clock writes an event of later into it."""
    source = definition.sources[definition.label.source]
    days = list(published)
    available = [available_at(definition.schedule, source, day) for day in days]
    return pa.table({"_file": pa.array(days, pa.date32()), "_available": pa.array(available, INSTANT)})


def _literal(value: float | str | None) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return "null" if value is None else f"cast({value!r} as double)"
