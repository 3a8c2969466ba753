"""The tables of a model definition: their layers, columns, keys and partitions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

import pyarrow as pa

from nightshift.definition.model import ModelDefinition
from nightshift.definition.prediction import probability_column
from nightshift.definition.reading import source_readings
from nightshift.definition.spark_sql import SPARK_TYPES
from nightshift.errors import TerminalError
from nightshift.lake.groups import aggregate_groups, key_column, partial_types

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

# The column with the number of a row in its set, where rows are identified by number.
ROW_NUMBER = "nightshift_row"

# The further columns of a row in quarantine: the first rule that it breaks, the column and the value that break it, all
# reasons, and the run that quarantined it.
QUARANTINE_COLUMNS = tuple(f"quarantine_{name}" for name in ("rule", "column", "value", "reason", "run"))

REGISTRY_EVENTS = "registry_events"
OBSERVED = "observed"  # among the inputs of features: how many observations their nights have
CLASSES = "classes"  # among the inputs of scores: the classes of the version that made them, as JSON
RECIPES = "recipes"  # among the inputs of features: the digest of each feature's recipe, as JSON
READINGS = "readings"  # among the inputs of raw rows: the reading of each column, as JSON


class Layer(StrEnum):
    """The layer of a table in the lake: the namespace of its identifier."""

    RAW = "raw"
    QUARANTINE = "quarantine"
    TILES = "tiles"
    FEATURES = "features"
    SCORES = "scores"
    SHADOW = "shadow"
    SERVING = "serving"
    MONITORING = "monitoring"

    def table(self, name: str) -> str:
        """The identifier of a table in this layer.

        Args:
            name: The source or the model that the table belongs to.
        """
        return f"{self}.{name}"


@dataclass(frozen=True)
class TableSpec:
    """The specification of a table: its columns, its key and its partitions.

    Attributes:
        layer: The layer it belongs to.
        local_name: Its name within the layer: the source or the model that it belongs to.
        columns: Its columns, each with the name of its type.
        date_column: The date column that it is partitioned by.
        key: The columns that identify a row; rows are sorted by them.
        split_by: Further partition columns, constant in a staged set.
        bounded: The columns whose bounds are stored in the metadata; all if None.
        inputs: What every staged set of it is made by, besides its own inputs.
    """

    layer: Layer
    local_name: str
    columns: dict[str, str]
    date_column: str
    key: tuple[str, ...]
    split_by: tuple[str, ...] = ()
    bounded: tuple[str, ...] | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The table's identifier: `<layer>.<local name>`."""
        return self.layer.table(self.local_name)

    @property
    def partition_columns(self) -> tuple[str, ...]:
        return (*self.split_by, self.date_column)

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema. Every field is optional: engines disagree about required fields, so checks ensure them."""
        return pa.schema([pa.field(name, ARROW[kind]) for name, kind in self.columns.items()])


def split_identifier(table: str) -> tuple[Layer, str]:
    """The layer of a table and its name within the layer, from its identifier.

    Raises:
        TerminalError: If there is no such layer.
    """
    namespace, _, local_name = table.partition(".")
    try:
        return Layer(namespace), local_name
    except ValueError:
        raise TerminalError(
            "the table is in no layer of the lake", where=table, received=namespace, allowed=", ".join(Layer)
        ) from None


def layer_of(table: str) -> Layer:
    """The layer of a table, from its identifier."""
    return split_identifier(table)[0]


def table_spec(definition: ModelDefinition, table: str, inputs: Mapping[str, str] = MappingProxyType({})) -> TableSpec:
    """The specification of a table of a model, from its identifier.

    Args:
        definition: The model definition.
        table: The identifier.
        inputs: What the rows were made by; those of scores name the classes that have a column each.
    """
    classes = json.loads(inputs.get(CLASSES, "[]"))
    layer, name = split_identifier(table)
    match layer:
        case Layer.RAW:
            return raw_table(definition, name)
        case Layer.QUARANTINE:
            return quarantine_table(definition, name)
        case Layer.TILES:
            return tiles_table(definition, name)
        case Layer.FEATURES:
            return features_table(definition)
        case Layer.SCORES:
            return scores_table(definition, classes)
        case Layer.SHADOW:
            return shadow_table(definition, classes)
        case Layer.SERVING:
            return serving_table(definition)
        case Layer.MONITORING:
            return registry_events_table() if name == REGISTRY_EVENTS else monitoring_table(definition)


def spark_schema(columns: Mapping[str, str]) -> str:
    """Columns with their types as Spark writes them."""
    return ", ".join(f"`{name}` {SPARK_TYPES[kind]}" for name, kind in columns.items())


def raw_table(definition: ModelDefinition, source: str) -> TableSpec:
    """`raw.<source>`: the landed rows of a source, typed, with the date of their file."""
    declared = definition.sources[source]
    columns = {"source_date": "date", **declared.landed}
    readings = {READINGS: json.dumps(source_readings(definition, source))}
    return TableSpec(Layer.RAW, source, columns, "source_date", ("source_date", *declared.key), inputs=readings)


def quarantine_table(definition: ModelDefinition, source: str) -> TableSpec:
    """`quarantine.<source>`: the quarantined rows of a source as landed, with the rules that they break."""
    raw = raw_table(definition, source)
    return TableSpec(
        Layer.QUARANTINE, source, raw.columns | dict.fromkeys(QUARANTINE_COLUMNS, "string"), "source_date", raw.key
    )


def features_table(definition: ModelDefinition) -> TableSpec:
    """`features.<model>`: a row for each observation with its key and every feature."""
    types = {name: str(kind) for name, kind in definition.feature_types.items()}
    key = observation_key(definition)
    recipes = {RECIPES: json.dumps(definition.feature_digests, separators=(",", ":"))}
    return TableSpec(Layer.FEATURES, definition.name, {**key, **types}, "score_date", tuple(key), inputs=recipes)


def tiles_table(definition: ModelDefinition, source: str) -> TableSpec:
    """`tiles.<source>`: a row for each model, span, first day, group and key."""
    types, groups = definition.sources[source].types, aggregate_groups(definition, source)
    keys = {key_column(column): types[column] for group in groups for column in group.by}
    partials = {
        column: kind
        for group in groups
        for name, aggregate in group.stored_aggregates.items()
        for column, kind in partial_types(name, aggregate).items()
    }
    identity = {"model": "string", "days": "integer", "source_date": "date", "made_from": "string", "by": "string"}
    return TableSpec(
        Layer.TILES,
        source,
        identity | keys | partials,
        "source_date",
        ("source_date", "by"),
        split_by=("model", "days"),
        bounded=tuple(identity),
    )


def scores_table(definition: ModelDefinition, classes: Sequence[str] = ()) -> TableSpec:
    """`scores.<model>`: a row for each observation with its score and the score's provenance.

    Of a label that is a class: the prediction, its probability as the score, and the probability of each class.

    Args:
        definition: The model definition.
        classes: The classes of the version that made the scores, beside those that are declared.
    """
    provenance = {"model_version": "integer", "features_snapshot": "integer", "scored_at": "timestamp"}
    key = observation_key(definition)
    probabilities = dict.fromkeys(map(probability_column, classes), "number")
    columns = {**key, **definition.scored_columns, **probabilities, **provenance}
    return TableSpec(Layer.SCORES, definition.name, columns, "score_date", tuple(key))


def shadow_table(definition: ModelDefinition, classes: Sequence[str] = ()) -> TableSpec:
    """`shadow.<model>`: the scores of challengers, partitioned by version; analysts do not read them."""
    scores, by = scores_table(definition, classes), ("model_version",)
    return TableSpec(Layer.SHADOW, definition.name, scores.columns, scores.date_column, (*by, *scores.key), split_by=by)


def serving_table(definition: ModelDefinition) -> TableSpec:
    """`serving.<model>`: a row that the API scored, with its features, the answer, and the challenger's.

    Each batch is a partition of its own, so that publishing one never rewrites another. The key of the observation is
    null where the caller sent features.
    """
    request = {
        "served_on": "date",
        "served_at": "timestamp",
        "served_batch": "string",
        "served_request": "string",
        "served_row": "integer",
        "served_route": "string",
        "served_caller": "string",
        "served_night": "date",
        "served_version": "integer",
    }
    answers = {f"served_{name}": kind for name, kind in definition.scored_columns.items()}
    answers |= {"challenger_version": "integer"}
    answers |= {f"challenger_{name}": kind for name, kind in definition.scored_columns.items()}
    features = {name: str(kind) for name, kind in definition.feature_types.items()}
    return TableSpec(
        Layer.SERVING,
        definition.name,
        {**features, **key_within_night(definition), **request, **answers},
        "served_on",
        ("served_request", "served_row"),
        split_by=("served_batch",),
    )


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
    return TableSpec(Layer.MONITORING, definition.name, columns, "score_date", key, split_by=("monitor",))


def registry_events_table() -> TableSpec:
    """`monitoring.registry_events`: the events in the life of every model's versions.

    Each event is a partition of its own, so that publishing an event never rewrites another one.
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
    return TableSpec(
        Layer.MONITORING, REGISTRY_EVENTS, columns, "effective", ("event_id",), split_by=("model", "event_id")
    )


def label_type(definition: ModelDefinition) -> pa.DataType:
    """The Arrow type of labels: a text of a class, else a number, 1 and 0 of a condition."""
    return pa.string() if definition.label.kind == "category" else pa.float64()


def observation_key(definition: ModelDefinition) -> dict[str, str]:
    """The columns that identify an observation, with their types."""
    return {"score_date": "date"} | key_within_night(definition)


def ignored_columns(definition: ModelDefinition) -> frozenset[str]:
    """The columns that callers may send beside a version's features: they need not know which ones it uses."""
    return frozenset({*definition.feature_types, *observation_key(definition)})


def key_within_night(definition: ModelDefinition) -> dict[str, str]:
    """The columns that identify an observation within its night, with their types."""
    columns = definition.sources[definition.observations.source].columns
    return {name: str(columns[name].type) for name in definition.observations.key}
