"""The model definition: the content of `model.yaml`, as frozen, validated types."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from nightshift.definition.base import ColumnName, Name, StrictModel
from nightshift.definition.checks import Quality
from nightshift.definition.features import Aggregate, Features, FeatureType
from nightshift.definition.gate import Gate
from nightshift.definition.label import Label
from nightshift.definition.metrics import Metric
from nightshift.definition.monitoring import Monitoring
from nightshift.definition.observations import Observations
from nightshift.definition.prediction import PREDICTIONS, Prediction, probability_column
from nightshift.definition.promotion import DeclaredPromotion, Promotion
from nightshift.definition.recipe import Recipe, feature_recipes
from nightshift.definition.schedule import Schedule, Wait
from nightshift.definition.source import DeclaredSource
from nightshift.definition.training import ESTIMATOR_FILE, Training
from nightshift.definition.value import DECISION


class ModelDefinition(StrictModel):
    """The definition of a model."""

    name: Name = Field(
        description="The folder's name. It names the DAGs, the tables and the MLflow model. Not `registry_events`."
    )
    description: str = Field(description="What the model predicts; shown in the UI.")
    owner: str = Field(description="The owner of the DAGs.")
    tags: tuple[str, ...] = Field((), description="Further tags of the DAGs.")
    schedule: Schedule = Field(description="When nights run.")
    wait: Wait = Field(description="How long a night waits for its files.")
    sources: dict[Name, DeclaredSource] = Field(min_length=1, description="The data that lands; at least one source.")
    observations: Observations = Field(description="What is scored.")
    label: Label = Field(description="The outcome.")
    features: Features = Field(description="How features are computed.")
    training: Training = Field(description="How a challenger is trained.")
    gate: Gate = Field(description="The rules that a challenger must pass; at least one.")
    promotion: DeclaredPromotion = Field(Promotion(), description="How a version that passed is promoted.")
    quality: Quality = Field(Quality(), description="The checks of features and scores beyond the fixed ones.")
    monitoring: Monitoring = Field(description="How a published night is monitored.")
    folder: SkipJsonSchema[Path] = Field(exclude=True)
    shared: SkipJsonSchema[dict[str, Path]] = Field({}, exclude=True)

    def file_of(self, source: str) -> Path:
        """The file that declares a source."""
        return self.shared.get(source, self.folder / "model.yaml")

    @property
    def prediction(self) -> Prediction:
        """What the model predicts."""
        return PREDICTIONS[self.label.kind]

    @property
    def has_daily_observations(self) -> bool:
        """Whether the observations of a night are all rows of one file."""
        return self.has_observation_files and not self.observations.where

    @property
    def has_observation_files(self) -> bool:
        """Whether the observations of a night are rows of a file of its own date."""
        return not self.observations.within and self.sources[self.observations.source].cadence == "daily"

    def is_read_between_nights(self, source: str) -> bool:
        """Whether all dates of a daily source are read, and not only those of nights."""
        return (
            any(aggregate.source == source for aggregate in self.features.aggregates.values())
            or (self.observations.within is not None and source == self.observations.source)
            or (self.label.window is not None and source == self.label.source)
        )

    @property
    def observed_types(self) -> dict[str, str]:
        """The columns of an observation, landed and derived, with their types; of an unknown source none."""
        source = self.sources.get(self.observations.source)
        types = source.types if source else {}
        if self.observations.within is None:
            return types
        return {name: kind for name, kind in types.items() if name in self.observations.key}

    @property
    def label_key(self) -> tuple[ColumnName, ...]:
        """The columns by which outcomes are matched with observations."""
        return self.label.by or self.observations.key

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics that fit the label."""
        return self.prediction.metrics.names

    @property
    def search_metric(self) -> Metric:
        """The metric that decides a search."""
        declared = self.training.search.metric if self.training.search else None
        return declared or self.prediction.metrics.search

    @property
    def estimator_name(self) -> str:
        """The name of the estimator for people: its class, or the file that defines it."""
        return self.training.estimator.class_ or ESTIMATOR_FILE

    @property
    def aggregate_features(self) -> dict[str, Aggregate]:
        """The aggregate of every feature that an aggregate computes, by the feature's name."""
        aggregates = self.features.aggregates.items()
        return {feature: aggregate for name, aggregate in aggregates for feature in aggregate.features(name)}

    @property
    def feature_types(self) -> dict[str, FeatureType]:
        """Every feature's name and type, in the order of the table's columns."""
        types: dict[str, FeatureType] = {name: row.type for name, row in self.features.rows.items()}
        types |= {name: aggregate.type for name, aggregate in self.aggregate_features.items()}
        return types | {name: computed.type for name, computed in self.features.computed.items()}

    @property
    def scored_columns(self) -> dict[str, str]:
        """What a score is made of, with types, as far as it is declared; classes to be found are not."""
        if self.label.kind != "category":
            return {"score": "number"} | ({DECISION: "boolean"} if self.has_threshold else {})
        probabilities = dict.fromkeys(map(probability_column, self.label.class_names), "number")
        return {"prediction": "category", "score": "number", **probabilities}

    @property
    def has_threshold(self) -> bool:
        """Whether the decision about a row is that its score reaches the threshold of its version."""
        return self.monitoring.value is not None and self.monitoring.value.decision.threshold is not None

    @property
    def weight_columns(self) -> dict[str, str]:
        """The type of each column that the expression of a row's weight may use, by name."""
        types = {name: str(kind) for name, kind in self.feature_types.items()}
        observed = self.sources[self.observations.source].types if self.observations.source in self.sources else {}
        types |= {name: observed[name] for name in self.observations.key if name in observed}
        return types | {"score_date": "date", "label": self.label.kind}

    @cached_property
    def recipes(self) -> dict[str, Recipe]:
        """How each feature is computed."""
        return feature_recipes(self)

    @property
    def feature_digests(self) -> dict[str, str]:
        """The digest of every feature's recipe, as it is stored with nights and with versions."""
        return {name: recipe.digest for name, recipe in self.recipes.items()}

    @property
    def watched_features(self) -> tuple[str, ...]:
        """The features whose drift is measured; all of them if none is declared."""
        return self.monitoring.features or tuple(self.feature_types)
