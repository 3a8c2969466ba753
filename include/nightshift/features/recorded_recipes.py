"""The recipes by which published nights were computed and versions were trained."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from nightshift.definition.recipe import label_digest
from nightshift.lake.catalog import Lake
from nightshift.lake.staging import inputs_by_date
from nightshift.lake.tables import RECIPES, TableSpec, features_table
from nightshift.registry.store import Registry, Version
from nightshift.registry.stored_definition import definition_of_version

LABEL = "label"  # among the recipes of a version's lineage, beside RECIPES

# Among the inputs of scores: the version by whose definition the features were computed for them, if it differs from
# the published features' one.
FEATURES_OF_VERSION = "features_of_version"

Digests = Mapping[str, str]


def recipes_by_night(
    lake: Lake, spec: TableSpec, first: date, last: date, snapshot: int | None = None
) -> dict[date, Digests | None]:
    """The recipes of every published night of features or scores; None where they were not recorded."""
    nights = inputs_by_date(lake, spec, first, last, snapshot)
    return {night: json.loads(inputs[RECIPES]) if RECIPES in inputs else None for night, inputs in nights.items()}


@dataclass(frozen=True)
class LearnedRecipes:
    """The recipes that a version was trained by.

    Attributes:
        features: The digest of each feature that its model uses.
        label: The digest of its label.
    """

    features: Digests
    label: str


def learned_recipes(registry: Registry, version: Version, used: Iterable[str]) -> LearnedRecipes:
    """The recipes that a version was trained by; computed from its stored definition if they were not recorded then.

    Args:
        registry: The model's versions.
        version: The version.
        used: The features that its model uses.

    Raises:
        TerminalError: If its lineage cannot be read, or its definition where that is needed.
    """
    lineage, _ = registry.lineage(version.run_id)
    features, label = lineage.get(RECIPES), lineage.get(LABEL, "")
    if not features:
        with definition_of_version(registry, version) as definition:
            features, label = definition.feature_digests, label_digest(definition)
    return LearnedRecipes({name: features[name] for name in used}, label)


def table_of_version(registry: Registry, version: Version) -> TableSpec:
    """The table of the features that a version's definition computes."""
    with definition_of_version(registry, version) as definition:
        return features_table(definition)
