"""The model definition: the content of `model.yaml`, as frozen, validated types."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from nightshift.definition.base import Name, StrictModel
from nightshift.definition.checks import Quality
from nightshift.definition.features import Aggregate, Features, FeatureType
from nightshift.definition.gate import Gate
from nightshift.definition.metrics import Metric
from nightshift.definition.monitoring import Monitoring
from nightshift.definition.prediction import PREDICTIONS, Prediction
from nightshift.definition.promotion import DeclaredPromotion, Promotion
from nightshift.definition.schedule import Schedule, Wait
from nightshift.definition.source import Source
from nightshift.definition.training import ESTIMATOR_FILE, Training


class Observations(StrictModel):
    """What is scored: every row of the source's partition dated as the score date."""

    source: str
    key: tuple[str, ...] = Field(min_length=1)


class Label(StrictModel):
    """The outcome of an observation; a null expression means the observation has none."""

    source: str
    expression: str = Field(description="DuckDB SQL over the label source's columns.")
    type: Literal["boolean", "number"] = Field(
        "boolean", description="boolean: its probability is predicted; number: its value."
    )
    description: str = ""


class ModelDefinition(StrictModel):
    """Everything Nightshift knows about a model."""

    name: Name
    description: str
    owner: str
    tags: tuple[str, ...] = ()
    schedule: Schedule
    wait: Wait
    sources: dict[Name, Source] = Field(min_length=1)
    observations: Observations
    label: Label
    features: Features
    training: Training
    gate: Gate
    promotion: DeclaredPromotion = Promotion()
    quality: Quality = Quality()
    monitoring: Monitoring
    folder: Path = Field(exclude=True)
    shared: dict[str, Name] = Field({}, exclude=True)

    @property
    def prediction(self) -> Prediction:
        """What the model predicts."""
        return PREDICTIONS[self.label.type]

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics that fit the label."""
        return self.prediction.metrics.names

    @property
    def search_metric(self) -> Metric:
        """What decides a search."""
        declared = self.training.search.metric if self.training.search else None
        return declared or self.prediction.metrics.search

    @property
    def estimator_name(self) -> str:
        """What is fitted, for people: the class, or the file that makes it."""
        return self.training.estimator.class_ or ESTIMATOR_FILE

    @property
    def aggregate_features(self) -> dict[str, Aggregate]:
        """The aggregate behind every feature that is made of one, by the feature's name."""
        return {feature: a for name, a in self.features.aggregates.items() for feature in a.features(name)}

    @property
    def feature_types(self) -> dict[str, FeatureType]:
        """Every feature's name and type, in the order of the table's columns."""
        types: dict[str, FeatureType] = {name: row.type for name, row in self.features.rows.items()}
        types |= {name: aggregate.type for name, aggregate in self.aggregate_features.items()}
        return types | {name: computed.type for name, computed in self.features.computed.items()}
