"""The business value of a night: of the decisions made on its scores, computed with its final labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from nightshift.definition.expressions import names_in
from nightshift.definition.model import ModelDefinition
from nightshift.definition.value import OBSERVATION, Value
from nightshift.errors import TerminalError, first_line
from nightshift.lake.in_memory import database_cursor
from nightshift.types import Measurement

CHAMPION, NAIVE = "champion", "naive"


def value_columns(definition: ModelDefinition) -> tuple[str, ...]:
    """The columns of the label source's row that the value's expression uses; a window has no such row."""
    value = definition.monitoring.value
    used = set(names_in(value.expression, "duckdb")) if value and definition.label.window is None else set()
    return tuple(name for name in definition.sources[definition.label.source].landed if name.lower() in used)


@dataclass(frozen=True)
class ValueTotal:
    """The value of a policy's decisions on a night, or on some rows of it.

    Attributes:
        value: The sum; None if no row has a value.
        rows: How many rows have a value.
        unvalued: How many rows have none.
        positive: For how many rows the decision is true; None if it is not a condition.
    """

    value: float | None
    rows: int
    unvalued: int
    positive: int | None

    def __add__(self, other: ValueTotal) -> ValueTotal:
        return ValueTotal(
            self.value if other.value is None else other.value + (self.value or 0.0),
            self.rows + other.rows,
            self.unvalued + other.unvalued,
            self.positive if other.positive is None else other.positive + (self.positive or 0),
        )

    @property
    def detail(self) -> str:
        """The counts, as a sentence."""
        parts = []
        if self.positive is not None:
            parts.append(f"decided for {self.positive:,} of {self.rows + self.unvalued:,} rows")
        if self.unvalued:
            parts.append(f"{self.unvalued:,} have no value")
        return "; ".join(parts)


def value_measurements(totals: Mapping[str, ValueTotal], versions: Mapping[str, int | None]) -> list[Measurement]:
    """Of each policy `value`, the sum, and `value_per_row`.

    Args:
        totals: The value of each policy's decisions on a night.
        versions: The version of each policy that has one.
    """
    measured = []
    for subject, total in totals.items():
        verdict, version = "pass" if total.rows else "unknown", versions.get(subject)
        mean = total.value / total.rows if total.rows and total.value is not None else None
        measured += [
            Measurement(subject, "value", total.value, None, total.rows, verdict, total.detail, version),
            Measurement(subject, "value_per_row", mean, None, total.rows, verdict, total.detail, version),
        ]
    return measured


def sum_values(
    definition: ModelDefinition, scored: Mapping[str, pa.Table], labels: pa.Table, observed: pa.Table
) -> dict[str, ValueTotal]:
    """Sums the value of decisions, for each version that scored a night; of rows with a label.

    Args:
        definition: A definition that declares a `monitoring.value`.
        scored: The scores of the champion, subject `champion`, and of each challenger by its subject.
        labels: `score_date`, the observation's key, `label` and the columns of `value_columns`.
        observed: The observations as landed, with `source_date`.

    Returns:
        The total of each version, and of the naive policy on the champion's rows.

    Raises:
        TerminalError: If an expression cannot be evaluated.
    """
    value = definition.monitoring.value
    assert value is not None
    policies = {subject: (rows, value.decision) for subject, rows in scored.items()}
    if CHAMPION in scored:
        policies[NAIVE] = (scored[CHAMPION], value.naive)
    return {
        subject: _sum_value(definition, value, decision, rows, labels, observed)
        for subject, (rows, decision) in policies.items()
    }


def _sum_value(
    definition: ModelDefinition, value: Value, decision: str, rows: pa.Table, labels: pa.Table, observed: pa.Table
) -> ValueTotal:
    key = definition.observations.key
    on = " and ".join(f'scored."{name}" = outcome."{name}"' for name in ("score_date", *key))
    same = " and ".join(f'{OBSERVATION}."{name}" = outcome."{name}"' for name in key)
    scored = ", ".join(f'scored."{name}"' for name in definition.scored_columns)
    # A table's alias, selected, is its row as a struct.
    query = f"""
        with matched as (
            select outcome.* replace ({definition.prediction.label_sql} as label), {scored}, {OBSERVATION}
            from scored join outcome on {on}
            join observed as {OBSERVATION} on {same} and {OBSERVATION}.source_date = outcome.score_date
        ), decided as (
            select *, ({decision}
            ) as decision from matched
        ), valued as (
            select decision, cast(({value.expression}
            ) as double) as worth from decided
        )
        select sum(worth), count(worth), count(*) - count(worth),
            case when any_value(typeof(decision)) = 'BOOLEAN' then count_if(try_cast(decision as boolean)) end
        from valued
    """
    try:
        with database_cursor() as database:
            for name, table in {"scored": rows, "outcome": labels, "observed": observed}.items():
                database.register(name, table)
            [(total, count, unvalued, positive)] = database.execute(query).fetchall()
    except duckdb.Error as error:
        raise TerminalError(
            f"the value cannot be computed: {first_line(error)}",
            where=f"{definition.folder / 'model.yaml'}: monitoring.value",
            received=f"{decision} | {value.expression}",
            fix="write DuckDB SQL over the columns that docs/definition.md names",
        ) from None
    return ValueTotal(total, int(count), int(unvalued), positive)
