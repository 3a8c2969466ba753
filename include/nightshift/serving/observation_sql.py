"""The expressions of a definition over rows that a caller sends, evaluated by DuckDB with Spark's values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from nightshift.definition.exact_sql import exact_sql
from nightshift.definition.model import ModelDefinition
from nightshift.definition.spark_sql import UntranslatableError
from nightshift.errors import TerminalError
from nightshift.lake.tables import ARROW
from nightshift.serving.row_engine import RowEngine


@dataclass(frozen=True)
class ObservationSql:
    """The expressions of a definition in DuckDB SQL.

    Attributes:
        derived: The derived columns of each source that is needed: their expressions and types, by name.
        features: The row features: their expressions and types, by name.
        where: Which observations are scored; empty if all are.
        engine: Evaluates them.
    """

    derived: Mapping[str, Mapping[str, tuple[str, str]]]
    features: Mapping[str, tuple[str, str]]
    where: str
    engine: RowEngine = field(repr=False, compare=False)

    @classmethod
    def of(cls, definition: ModelDefinition, engine: RowEngine) -> ObservationSql:
        """The expressions behind the features of a definition.

        Args:
            definition: The model definition.
            engine: Evaluates them.

        Raises:
            TerminalError: If one is not known to give the same without Spark; it names all of them.
        """
        problems: list[str] = []

        def translate(where: str, expression: str, columns: Mapping[str, str], kind: str) -> tuple[str, str]:
            try:
                return exact_sql(expression, columns, kind), kind
            except UntranslatableError as error:
                problems.append(f"{where}: {error}")
                return "", kind

        sources, features = definition.sources, definition.features
        observed = definition.observations.source
        derived = {}
        for name in {observed, *(lookup.source for lookup in features.lookups.values())}:
            dated = {"source_date": "date"} if name == observed and definition.has_observation_files else {}
            columns = _lowered({**sources[name].landed, **dated})
            derived[name] = {
                column: translate(f"sources.{name}.derived.{column}", declared.expression, columns, declared.type)
                for column, declared in sources[name].derived.items()
                if name != observed or column in definition.observed_types
            }
        columns = _lowered({**definition.observed_types, "score_date": "date"})
        for name, lookup in features.lookups.items():
            columns |= _lowered({f"{name}.{column}": kind for column, kind in sources[lookup.source].types.items()})
        rows = {
            name: translate(f"features.rows.{name}", row.expression, columns, row.type)
            for name, row in features.rows.items()
        }
        condition = definition.observations.where
        where, _ = translate("observations.where", condition, columns, "boolean") if condition else ("", "")
        if problems:
            raise TerminalError(
                "features that cannot be computed outside of a night with the same value",
                where=str(definition.folder / "model.yaml"),
                received="; ".join(problems),
                fix="write them with operators that are known to agree, see docs/serving.md, or send rows of features",
            )
        return cls(derived, rows, where, engine)

    def with_derived(self, source: str, rows: pa.Table) -> pa.Table:
        """Adds the derived columns of a source to its rows.

        Raises:
            duckdb.Error: If an expression fails for a row.
        """
        columns = self.derived[source]
        return rows if not columns else self.engine.select(rows, [*map(_quoted, rows.column_names), *_aliased(columns)])

    def row_features(self, rows: pa.Table) -> tuple[dict[str, pa.ChunkedArray], pa.Array]:
        """The row features of observations with their look-ups, by name, and which of them are scored.

        Raises:
            duckdb.Error: If an expression fails for a row.
        """
        selected = self.engine.select(rows, [*_aliased(self.features), f'{self.where or "true"} as "where"'])
        features = {name: selected[name].cast(ARROW[kind]) for name, (_, kind) in self.features.items()}
        return features, selected["where"].combine_chunks().fill_null(False)


def _lowered(types: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): kind for name, kind in types.items()}


def _aliased(columns: Mapping[str, tuple[str, str]]) -> list[str]:
    return [f"{sql} as {_quoted(name)}" for name, (sql, _) in columns.items()]


def _quoted(name: str) -> str:
    return f'"{name}"'
