"""Recipes: how a feature or a label is computed, down to the landed columns behind it, as a hash.

Two features with the same recipe have the same values on the same rows. Texts such as descriptions, and the checks of a
source, are no part of it; an expression, a default, a window, a column's type or the time of day of the cutoff are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nightshift.definition.features import COMPUTED, feature_name
from nightshift.definition.landed_inputs import LandedInputs, clock
from nightshift.definition.reading import column_reading

if TYPE_CHECKING:
    from nightshift.definition.model import ModelDefinition

FORMAT = 1  # of recipes; with another number every recipe is another one

# The landed columns that a feature is computed from: (source, column) with their reading.
LandedColumns = Mapping[tuple[str, str], str]


@dataclass(frozen=True)
class Recipe:
    """How one feature is computed.

    Attributes:
        digest: Sixteen hexadecimal digits, equal if and only if the feature is computed alike.
        columns: The landed columns behind it.
    """

    digest: str
    columns: LandedColumns


LISTED = 3  # features that a cell of a table has room for


@dataclass(frozen=True)
class RecipeChange:
    """How the features of a night or of a version differ from those of another.

    Attributes:
        changed: The features that both have, computed in another way.
        missing: The features that only the first has.
        unrecorded: Whether the other's recipes were never recorded.
    """

    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unrecorded: bool = False

    def __bool__(self) -> bool:
        return bool(self.changed or self.missing or self.unrecorded)

    @property
    def features(self) -> tuple[str, ...]:
        """Every feature that differs."""
        return (*self.changed, *self.missing)

    def __str__(self) -> str:
        if self.unrecorded:
            return "an unrecorded definition"
        more = f" and {len(self.features) - LISTED} more" if len(self.features) > LISTED else ""
        return f"another definition of {', '.join(self.features[:LISTED])}{more}" if self else "the same definition"


def feature_recipes(definition: ModelDefinition) -> dict[str, Recipe]:
    """The recipe of every feature, in the order of the table's columns."""
    features = definition.features
    recipes = {name: _of_row(definition, row.expression, row.type) for name, row in features.rows.items()}
    for name, aggregate in features.aggregates.items():
        for window in aggregate.windows:
            recipes[feature_name(name, window.days)] = _of_aggregate(definition, name, window.days)
    if features.computed:
        inputs = _inputs_of_transform(definition, recipes.values())
        text = (definition.folder / COMPUTED).read_text(encoding="utf-8")
        for name, computed in features.computed.items():
            recipes[name] = _recipe(inputs, "computed", computed.type, text, clock(definition), name)
    return recipes


def label_recipe(definition: ModelDefinition) -> Recipe:
    """The label's recipe."""
    label, inputs = definition.label, LandedInputs(definition)
    for expression in (label.expression, label.where, label.value, label.weight):
        if expression:
            inputs.add_expression(label.source, expression, "duckdb")
    for column in definition.label_key:
        inputs.add_column(label.source, column)
    if label.window is None:
        outcome: tuple[object, ...] = (str(label.expression).strip(), definition.observations.key)
    else:
        source = definition.sources[label.source]
        inputs.add_expression(label.source, str(source.event_time))
        declared = label.model_dump(mode="json", include={"window", "by", "agg", "where", "value", "empty"})
        declared |= {"weight": label.weight} if label.weight else {}
        outcome = (declared, source.event_time, clock(definition, source))
    if label.kind == "category":
        outcome += (label.model_dump(mode="json", include={"classes", "other"}), label.refuses_other)
    return _recipe(inputs, "label", label.kind, *outcome)


def label_digest(definition: ModelDefinition) -> str:
    """The digest of the label's recipe."""
    return label_recipe(definition).digest


def columns_behind(recipes: Iterable[Recipe]) -> frozenset[tuple[str, str]]:
    """The landed columns, each with its source, that some features or a label are computed from."""
    return frozenset(column for recipe in recipes for column in recipe.columns)


def recipe_change(wanted: Mapping[str, str], recorded: Mapping[str, str] | None) -> RecipeChange:
    """How recorded features differ from those that are wanted; features that are not wanted do not matter.

    Args:
        wanted: The digest of each feature that is wanted.
        recorded: The digests of what was computed; None if they were never recorded.
    """
    if recorded is None:
        return RecipeChange(unrecorded=True)
    changed = tuple(name for name, digest in wanted.items() if recorded.get(name, digest) != digest)
    return RecipeChange(changed, tuple(name for name in wanted if name not in recorded))


def columns_no_longer_landed(
    recipes: Mapping[str, Recipe], wanted: Iterable[str], definition: ModelDefinition
) -> list[str]:
    """The landed columns behind some features that a definition no longer has, or declares otherwise.

    Args:
        recipes: The recipes of the definition that the features were declared by.
        wanted: The features.
        definition: The definition that data lands by.
    """
    needed = {column: reading for name in wanted for column, reading in recipes[name].columns.items()}
    return [
        f"{source}.{column}"
        for (source, column), reading in sorted(needed.items())
        if source not in definition.sources
        or column not in definition.sources[source].columns
        or column_reading(definition, source, column) != reading
    ]


def _of_row(definition: ModelDefinition, expression: str, kind: str) -> Recipe:
    inputs = LandedInputs(definition)
    inputs.add_expression(definition.observations.source, expression)
    return _recipe(inputs, "row", kind, expression.strip())


def _of_aggregate(definition: ModelDefinition, name: str, days: int) -> Recipe:
    aggregate, inputs = definition.features.aggregates[name], LandedInputs(definition)
    source = definition.sources[aggregate.source]
    for expression in (aggregate.value, aggregate.where, source.event_time):
        if expression:
            inputs.add_expression(aggregate.source, expression)
    for column in aggregate.by:
        inputs.add_column(aggregate.source, column)
        inputs.add_column(definition.observations.source, column)
    declared = aggregate.model_dump(mode="json", exclude={"description", "windows"})
    return _recipe(inputs, "aggregate", declared, days, source.event_time, clock(definition, source))


def _inputs_of_transform(definition: ModelDefinition, declared: Iterable[Recipe]) -> LandedInputs:
    """What `features.py` is given: every column of the observations and look-ups, and every declared feature."""
    inputs = LandedInputs(definition)
    for column in definition.sources[definition.observations.source].types:
        inputs.add_column(definition.observations.source, column)
    for name in definition.features.lookups:
        inputs.add_lookup(name, ())
    for number, recipe in enumerate(declared):
        inputs.parts[f"feature {number}"] = recipe.digest
        inputs.columns |= recipe.columns
    return inputs


def _recipe(inputs: LandedInputs, *ingredients: object) -> Recipe:
    # Other observations are other rows, whose features are none of the same.
    observed = _observed(inputs.definition)
    readings = observed.columns | inputs.columns
    columns = sorted((source, name, reading) for (source, name), reading in readings.items())
    parts = observed.parts | inputs.parts
    content = json.dumps(
        [FORMAT, _observation_clock(inputs.definition), ingredients, columns, parts], sort_keys=True, default=str
    )
    return Recipe(hashlib.sha256(content.encode()).hexdigest()[:16], readings)


def observation_words(definition: ModelDefinition) -> str:
    """What decides which rows are observed, down to the derived columns and look-ups behind `where`, in words."""
    return ", ".join(f"{name}: {declared}" for name, declared in _observed(definition).parts.items())


def _observed(definition: ModelDefinition) -> LandedInputs:
    """What the observations are read from: the landed columns of their key, and what `where` names."""
    observations, inputs = definition.observations, LandedInputs(definition)
    inputs.parts["observations"] = observations.model_dump(mode="json", exclude_none=True)
    for column in observations.key:
        inputs.add_column(observations.source, column)
    if observations.where:
        inputs.add_expression(observations.source, observations.where)
    return inputs


def _observation_clock(definition: ModelDefinition) -> list[object]:
    """What decides which file a night's observations are read from: of their own date, only its name does."""
    source = definition.sources[definition.observations.source]
    opened = [] if definition.has_observation_files else clock(definition, source)
    return [source.cadence, *opened]
