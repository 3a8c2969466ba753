"""Features of observations that a caller sends, from the state of a night, as that night computes its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from nightshift.definition.model import ModelDefinition
from nightshift.errors import DataError, first_line
from nightshift.features.transform import computed_features, lookup_column
from nightshift.lake.tables import features_table
from nightshift.serving.night_state import NightState
from nightshift.serving.observation_sql import ObservationSql
from nightshift.serving.refusals import RowError
from nightshift.serving.row_engine import RowEngine

Rows = npt.NDArray[np.int64]

PLACE = "nightshift_place"  # the column with the place of a row


@dataclass(frozen=True)
class ObservedFeatures:
    """The features of observations.

    Attributes:
        table: The columns of a published feature table, for the observations that have features.
        places: The place of each of them among the observations, shape (rows,).
        errors: Why others have none, by their places.
    """

    table: pa.Table
    places: Rows
    errors: tuple[RowError, ...]


class FeatureComputation:
    """Computes the features of observations that callers send.

    Args:
        definition: The model definition.
        engine: Evaluates its expressions.

    Raises:
        TerminalError: If one of its expressions is not known to give the same without Spark.
    """

    def __init__(self, definition: ModelDefinition, engine: RowEngine) -> None:
        self.definition = definition
        self.sql = ObservationSql.of(definition, engine)
        self._schema = features_table(definition).schema
        self._defaults = {
            name: aggregate.default
            for name, aggregate in definition.aggregate_features.items()
            if aggregate.default is not None
        }
        self._add_computed = computed_features(definition) if definition.features.computed else None

    def compute(self, rows: pa.Table, state: NightState) -> ObservedFeatures:
        """The features of observations.

        Args:
            rows: The landed columns of the observations.
            state: The state of the night as of which they are computed.
        """
        try:
            return self._compute(rows, state)
        except duckdb.Error:
            return self._compute_each(rows, state)

    def _compute_each(self, rows: pa.Table, state: NightState) -> ObservedFeatures:
        """Row by row, so that an expression that fails for one is an error of that row."""
        parts, places, errors = [], [], []
        for place in range(rows.num_rows):
            try:
                part = self._compute(rows.slice(place, 1), state)
            except duckdb.Error as error:
                problem = f"an expression of the definition fails: {first_line(error)}"
                errors.append(RowError(place, DataError(problem, where="row", fix="correct the row")))
                continue
            parts.append(part.table)
            places += [place] * part.table.num_rows
            errors += [RowError(place, error.error) for error in part.errors]
        table = pa.concat_tables(parts) if parts else self._schema.empty_table()
        return ObservedFeatures(table, np.array(places, np.int64), tuple(errors))

    def _compute(self, rows: pa.Table, state: NightState) -> ObservedFeatures:
        definition, count = self.definition, rows.num_rows
        night = pa.repeat(pa.scalar(state.night, pa.date32()), count)
        observed = rows.append_column("score_date", night)
        if definition.has_observation_files:
            observed = observed.append_column("source_date", night)
        observed = self.sql.with_derived(definition.observations.source, observed)
        for name, lookup in definition.features.lookups.items():
            found = state.lookups[name].find([observed[column] for column in lookup.key], count)
            observed = observed.append_column(name, found[name])
        features, scored = self.sql.row_features(observed)
        for group in state.groups:
            found = group.features.find([observed[column] for column in group.by], count)
            features |= {name: found[name] for name in found.column_names}
        for name, default in self._defaults.items():
            features[name] = features[name].fill_null(default)
        is_scored = scored.to_numpy(zero_copy_only=False)
        places = np.flatnonzero(is_scored)
        kept = pa.array(places)
        complete = self._completed(observed.take(kept), {name: of.take(kept) for name, of in features.items()})
        other = DataError("the observation is none that is scored", where="row", allowed=definition.observations.where)
        return ObservedFeatures(complete, places, tuple(RowError(int(p), other) for p in np.flatnonzero(~is_scored)))

    def _completed(self, observed: pa.Table, features: Mapping[str, pa.ChunkedArray]) -> pa.Table:
        """The columns of the feature table, with those that `features.py` adds."""
        schema, key = self._schema, ("score_date", *self.definition.observations.key)
        named = {name: observed[name] for name in key} | dict(features)
        if self._add_computed is None:
            return pa.table({name: named[name] for name in schema.names}).cast(schema)
        named |= {name: observed[name] for name in self.definition.observed_types if name not in named}
        for name, lookup in self.definition.features.lookups.items():
            structs = observed[name].combine_chunks()
            for column in self.definition.sources[lookup.source].types:
                named[lookup_column(name, column)] = structs.field(column)
        frame = _as_spark_gives(pa.table(named))
        if frame.empty:
            return schema.empty_table()
        # It is called with the rows sorted by their key, as in a night.
        order = frame.reset_index(names=PLACE).sort_values(list(key[1:]), ignore_index=True)[PLACE]
        added = self._add_computed((observed["score_date"][0].as_py(),), frame)
        return pa.Table.from_pandas(added, schema, preserve_index=False).take(pa.array(np.argsort(order.to_numpy())))


def _as_spark_gives(table: pa.Table) -> pd.DataFrame:
    """A frame as Spark gives it to a function: instants without a zone, in UTC."""
    for place, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            table = table.set_column(place, field.name, table[field.name].cast(pa.timestamp("us")))
    frame: pd.DataFrame = table.to_pandas(date_as_object=True)
    return frame
