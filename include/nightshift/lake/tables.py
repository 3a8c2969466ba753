"""Which tables a definition has, with which columns, and how they are partitioned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from nightshift.definition.model import ModelDefinition

ARROW: dict[str, pa.DataType] = {
    "string": pa.string(),
    "category": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "binary": pa.binary(),
}

SPARK_TYPES = {
    "string": "string", "category": "string", "integer": "bigint", "number": "double",
    "boolean": "boolean", "date": "date", "timestamp": "timestamp", "binary": "binary",
}  # fmt: skip

# The number of a row in its set, where rows are told apart by it.
ROW = "nightshift_row"

# What a row in quarantine says of itself beside its own columns: the first rule it breaks, the column with its value,
# every reason, and the run that set it aside.
ASIDE = tuple(f"quarantine_{told}" for told in ("rule", "column", "value", "reason", "run"))


@dataclass(frozen=True)
class TableSpec:
    """A table: its columns by type name, and how they are laid out.

    Attributes:
        name: The table's identifier.
        columns: Its columns, with their types by name.
        date_column: The date it is partitioned by.
        key: The columns that identify a row, which rows are sorted by.
        split_by: Further partition columns, constant in a staged set.
        bounded: The columns whose bounds the metadata keep; all if None.
    """

    name: str
    columns: dict[str, str]
    date_column: str
    key: tuple[str, ...]
    split_by: tuple[str, ...] = ()
    bounded: tuple[str, ...] | None = None

    @property
    def partition_columns(self) -> tuple[str, ...]:
        return (*self.split_by, self.date_column)

    @property
    def schema(self) -> pa.Schema:
        """Every field optional: engines disagree about what is required, checks do not."""
        return pa.schema([pa.field(name, ARROW[kind]) for name, kind in self.columns.items()])


def table_spec(definition: ModelDefinition, table: str) -> TableSpec:
    """The specification of a table of a model by its identifier; tiles have their own."""
    layer, name = table.split(".", 1)
    match layer:
        case "raw":
            return raw_table(definition, name)
        case "quarantine":
            return quarantine_table(definition, name)
        case "features":
            return features_table(definition)
        case "shadow":
            return shadow_table(definition)
        case _:
            return scores_table(definition)


def spark_schema(columns: Mapping[str, str]) -> str:
    """Columns with their types as Spark writes them."""
    return ", ".join(f"`{name}` {SPARK_TYPES[kind]}" for name, kind in columns.items())


def raw_table(definition: ModelDefinition, source: str) -> TableSpec:
    """`raw.<source>`: the source as landed, typed, with the date of its file."""
    declared = definition.sources[source]
    columns = {"source_date": "date", **declared.landed}
    return TableSpec(f"raw.{source}", columns, "source_date", ("source_date", *declared.key))


def quarantine_table(definition: ModelDefinition, source: str) -> TableSpec:
    """`quarantine.<source>`: a row that was set aside, as landed, with the rule it breaks and why."""
    raw = raw_table(definition, source)
    return TableSpec(f"quarantine.{source}", raw.columns | dict.fromkeys(ASIDE, "string"), "source_date", raw.key)


def features_table(definition: ModelDefinition) -> TableSpec:
    """`features.<model>`: one row an observation: its key and every feature."""
    types = {name: str(kind) for name, kind in definition.feature_types.items()}
    key = observation_key(definition)
    return TableSpec(f"features.{definition.name}", {**key, **types}, "score_date", tuple(key))


def scores_table(definition: ModelDefinition) -> TableSpec:
    """`scores.<model>`: one row an observation: its score, and what made it."""
    provenance = {"model_version": "integer", "features_snapshot": "integer", "scored_at": "timestamp"}
    key = observation_key(definition)
    columns = {**key, "score": "number", **provenance}
    return TableSpec(f"scores.{definition.name}", columns, "score_date", tuple(key))


def shadow_table(definition: ModelDefinition) -> TableSpec:
    """`shadow.<model>`: the same of every challenger, each version apart; nobody publishes by them."""
    scores, by = scores_table(definition), ("model_version",)
    return TableSpec(f"shadow.{definition.name}", scores.columns, scores.date_column, (*by, *scores.key), split_by=by)


def monitoring_table(definition: ModelDefinition) -> TableSpec:
    """`monitoring.<model>`: every monitored value of every night, in long form."""
    columns = {
        "monitor": "string",
        "score_date": "date",
        "subject": "string",
        "statistic": "string",
        "value": "number",
        "threshold": "number",
        "sample_size": "integer",
        "verdict": "string",
        "detail": "string",
        "model_version": "integer",
        "run_id": "string",
    }
    key = ("monitor", "score_date", "subject", "statistic")
    return TableSpec(f"monitoring.{definition.name}", columns, "score_date", key, split_by=("monitor",))


def registry_events_table() -> TableSpec:
    """`monitoring.registry_events`: what happened to the versions of every model.

    A partition an event: none of them shares its files with another one, so none is ever written again.
    """
    columns = {
        "model": "string",
        "event_id": "string",
        "recorded_at": "timestamp",
        "effective": "date",
        "event": "string",
        "actor": "string",
        "from_version": "integer",
        "to_version": "integer",
        "mlflow_run": "string",
        "reason": "string",
        "evidence": "string",
        "after": "string",
    }
    return TableSpec("monitoring.registry_events", columns, "effective", ("event_id",), split_by=("model", "event_id"))


def observation_key(definition: ModelDefinition) -> dict[str, str]:
    """The columns that identify an observation, with their types."""
    columns = definition.sources[definition.observations.source].columns
    return {"score_date": "date"} | {name: str(columns[name].type) for name in definition.observations.key}
