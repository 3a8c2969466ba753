"""What a night was worth: what was decided on its scores, held against what became of its rows."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import pyarrow as pa

from nightshift.definition.expressions import names_in
from nightshift.definition.model import ModelDefinition
from nightshift.definition.value import OBSERVATION, Value
from nightshift.errors import TerminalError, first_line
from nightshift.types import Measurement

CHAMPION, NAIVE = "champion", "naive"


def columns_of_value(definition: ModelDefinition) -> tuple[str, ...]:
    """The columns of the label source that the value looks at."""
    value = definition.monitoring.value
    named = set(names_in(value.expression, "duckdb")) if value else set()
    return tuple(name for name in definition.sources[definition.label.source].landed if name.lower() in named)


def measure_value(
    definition: ModelDefinition, scored: Mapping[str, tuple[pa.Table, int | None]], labels: pa.Table, observed: pa.Table
) -> list[Measurement]:
    """The worth of a night's decisions, by whoever's scores they were made; of rows whose label is known.

    Args:
        definition: A definition that declares a `monitoring.value`.
        scored: The scores and the version of the champion, subject `champion`, and of each challenger by its subject.
        labels: `score_date`, the observation's key, `label` and the columns of `columns_of_value`.
        observed: The observations as landed, with `source_date`.

    Returns:
        Of each, and of the naive policy on the champion's rows: `value`, their sum, and `value_per_row`.

    Raises:
        TerminalError: If an expression cannot be evaluated.
    """
    value = definition.monitoring.value
    assert value is not None
    policies = {who: (rows, version, value.decision) for who, (rows, version) in scored.items()}
    if CHAMPION in scored:
        policies[NAIVE] = (scored[CHAMPION][0], None, value.naive)
    measured = []
    for who, (rows, version, decision) in policies.items():
        total, count, unvalued, decided = _worth(definition, value, decision, rows, labels, observed)
        told = f"decided for {decided:,} of {count + unvalued:,} rows" if decided is not None else ""
        told += f"{'; ' if told else ''}{unvalued:,} have no value" if unvalued else ""
        verdict = "pass" if count else "unknown"
        each = total / count if count and total is not None else None
        measured += [
            Measurement(who, "value", total, None, count, verdict, told, version),
            Measurement(who, "value_per_row", each, None, count, verdict, told, version),
        ]
    return measured


def _worth(
    definition: ModelDefinition, value: Value, decision: str, rows: pa.Table, labels: pa.Table, observed: pa.Table
) -> tuple[float | None, int, int, int | None]:
    """The sum, how many rows it is of, how many have none, and for how many something was decided."""
    key = definition.observations.key
    on = " and ".join(f'scored."{name}" = outcome."{name}"' for name in ("score_date", *key))
    seen = " and ".join(f'{OBSERVATION}."{name}" = outcome."{name}"' for name in key)
    # A table's alias, selected, is its whole row as a struct.
    query = f"""
        with matched as (
            select outcome.* replace ({definition.prediction.label_sql} as label), scored.score, {OBSERVATION}
            from scored join outcome on {on}
            join observed as {OBSERVATION} on {seen} and {OBSERVATION}.source_date = outcome.score_date
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
        with duckdb.connect() as database:
            for name, table in {"scored": rows, "outcome": labels, "observed": observed}.items():
                database.register(name, table)
            [(total, count, unvalued, decided)] = database.execute(query).fetchall()
    except duckdb.Error as error:
        raise TerminalError(
            f"the value cannot be computed: {first_line(error)}",
            where=f"{definition.folder / 'model.yaml'}: monitoring.value",
            received=f"{decision} | {value.expression}",
            fix="write DuckDB SQL over the columns that docs/definition.md names",
        ) from None
    return total, int(count), int(unvalued), decided
