"""The columns of raw tables that a feature computation reads: Spark cannot prune what workers read."""

from __future__ import annotations

from nightshift.definition.landed_inputs import LandedInputs
from nightshift.definition.model import ModelDefinition

DATE = "source_date"


def tile_columns(definition: ModelDefinition, source: str) -> tuple[str, ...]:
    """The columns of a source that the tiles of its aggregates are built from."""
    inputs = LandedInputs(definition)
    for aggregate in definition.features.aggregates.values():
        if aggregate.source == source:
            for expression in (aggregate.value, aggregate.where, definition.sources[source].event_time):
                inputs.add_expression(source, expression or "true")
            for column in aggregate.by:
                inputs.add_column(source, column)
    return _columns(inputs, source)


def observed_columns(definition: ModelDefinition, *, key_only: bool = False) -> dict[str, tuple[str, ...]]:
    """The columns of the observations' source, and of each source that is looked up.

    Args:
        definition: The model definition.
        key_only: Whether observations are only counted: their features are left out.
    """
    inputs, observed, features = LandedInputs(definition), definition.observations.source, definition.features
    expressions = [definition.observations.where or "true"]
    columns = list(definition.observations.key)
    if not key_only:
        expressions += [row.expression for row in features.rows.values()]
        columns += [column for aggregate in features.aggregates.values() for column in aggregate.by]
        columns += definition.observed_types if features.computed else ()
    for expression in expressions:
        inputs.add_expression(observed, expression)
    for column in columns:
        inputs.add_column(observed, column)
    for name, lookup in features.lookups.items():
        inputs.add_lookup(name, () if features.computed and not key_only else lookup.key)
    looked_up = {lookup.source for lookup in features.lookups.values()}
    return {source: _columns(inputs, source) for source in {observed, *looked_up}}


def _columns(inputs: LandedInputs, source: str) -> tuple[str, ...]:
    return (DATE, *(name for read_source, name in inputs.columns if read_source == source))
