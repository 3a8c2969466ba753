"""The business value of a night: of the decisions made on its scores, computed with its final labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from nightshift.definition.expressions import names_in
from nightshift.definition.model import ModelDefinition
from nightshift.definition.value import DECISION, OBSERVATION
from nightshift.errors import TerminalError, first_line
from nightshift.lake.in_memory import database_cursor
from nightshift.types import Measurement

CHAMPION, NAIVE = "champion", "naive"
OF_VERSION, ROW = '"decision of the version"', '"row number"'  # columns that no source has


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
    policies = {subject: (rows, value.decision.expression) for subject, rows in scored.items()}
    if CHAMPION in scored:
        policies[NAIVE] = (scored[CHAMPION], value.naive)
    return {
        subject: _sum_value(definition, decision, rows, labels, observed)
        for subject, (rows, decision) in policies.items()
    }


def naive_value(definition: ModelDefinition, rows: pa.Table, labels: pa.Table, observed: pa.Table) -> float | None:
    """The value of the naive policy on some rows; None if no row has one. See `sum_values`."""
    assert definition.monitoring.value is not None
    return _sum_value(definition, definition.monitoring.value.naive, rows, labels, observed).value


def values_by_decision(definition: ModelDefinition, rows: pa.Table, labels: pa.Table, observed: pa.Table) -> pa.Table:
    """What each row is worth if it is decided for, and if not.

    Args:
        definition: A definition that declares a `monitoring.value`.
        rows: `score_date`, the observation's key and the columns of a score.
        labels: As for `sum_values`.
        observed: As for `sum_values`.

    Returns:
        `score_date`, `score`, `decided` and `otherwise` of the rows that have both values, in their order.

    Raises:
        TerminalError: If an expression cannot be evaluated.
    """
    query = f"""
        with {_matched(definition, rows)},
        numbered as materialized (select *, row_number() over () as {ROW} from matched),
        doubled as (select * from numbered cross join (values (true), (false)) as decisions(decision)),
        valued as (select *, {_worth(definition)} as worth from doubled)
        select any_value(score_date) as score_date, any_value(score) as score,
            max(worth) filter (decision) as decided, max(worth) filter (not decision) as otherwise
        from valued group by {ROW} having decided is not null and otherwise is not null order by all
    """
    return _evaluate(definition, query, rows, labels, observed)


def _sum_value(
    definition: ModelDefinition, decision: str | None, rows: pa.Table, labels: pa.Table, observed: pa.Table
) -> ValueTotal:
    """The value of decisions by an expression, or of those that the rows have from their version if it is None."""
    query = f"""
        with {_matched(definition, rows)}, decided as (
            select *, ({decision or OF_VERSION}
            ) as decision from matched
        ), valued as (select decision, {_worth(definition)} as worth from decided)
        select sum(worth) as value, count(worth) as rows, count(*) - count(worth) as unvalued,
            case when any_value(typeof(decision)) = 'BOOLEAN' then count_if(try_cast(decision as boolean)) end
                as positive
        from valued
    """
    [total] = _evaluate(definition, query, rows, labels, observed).to_pylist()
    return ValueTotal(**total)


def _matched(definition: ModelDefinition, rows: pa.Table) -> str:
    """The rows with what expressions may use, as a part of a query; a version's own decision is `OF_VERSION`."""
    key = definition.observations.key
    columns = [name for name in definition.scored_columns if name in rows.column_names]
    on = " and ".join(f'scored."{name}" = outcome."{name}"' for name in ("score_date", *key))
    same = " and ".join(f'{OBSERVATION}."{name}" = outcome."{name}"' for name in key)
    scored = [f'scored."{name}"' + (f" as {OF_VERSION}" if name == DECISION else "") for name in columns]
    # A table's alias, selected, is its row as a struct.
    return f"""matched as (
            select outcome.* replace ({definition.prediction.label_sql} as label), {", ".join(scored)}, {OBSERVATION}
            from scored join outcome on {on}
            join observed as {OBSERVATION} on {same} and {OBSERVATION}.source_date = outcome.score_date
        )"""


def _worth(definition: ModelDefinition) -> str:
    assert definition.monitoring.value is not None
    return f"cast(({definition.monitoring.value.expression}\n) as double)"


def _evaluate(
    definition: ModelDefinition, query: str, rows: pa.Table, labels: pa.Table, observed: pa.Table
) -> pa.Table:
    try:
        with database_cursor() as database:
            for name, table in {"scored": rows, "outcome": labels, "observed": observed}.items():
                database.register(name, table)
            return database.execute(query).to_arrow_table()
    except duckdb.Error as error:
        value = definition.monitoring.value
        assert value is not None
        raise TerminalError(
            f"the value cannot be computed: {first_line(error)}",
            where=f"{definition.folder / 'model.yaml'}: monitoring.value",
            received=" | ".join(filter(None, (value.decision.expression, value.expression))),
            fix="write DuckDB SQL over the columns that docs/definition.md names",
        ) from None
