"""Observations that a caller sent, checked against the contract of their source: types and the checks of values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from nightshift.definition.model import ModelDefinition
from nightshift.definition.source import Column
from nightshift.definition.spark_sql import columns_of
from nightshift.errors import DataError
from nightshift.features.columns import observed_columns
from nightshift.lake.tables import ARROW
from nightshift.serving.feature_rows import CheckedRows, check_columns
from nightshift.serving.refusals import RowError
from nightshift.serving.request_body import SentRows
from nightshift.serving.row_engine import RowEngine

EXAMPLES = {"string": "text", "boolean": True, "date": "2024-01-31", "timestamp": "2024-01-31T06:00:00Z"}
STOPS = ("fail", "quarantine")  # severities by which a night would not publish the row


def needed_columns(definition: ModelDefinition) -> tuple[str, ...]:
    """The landed columns of an observation that its features are computed from, and its key."""
    landed = definition.sources[definition.observations.source].landed
    names = dict.fromkeys([*definition.observations.key, *observed_columns(definition)[definition.observations.source]])
    if definition.observations.within is not None:
        return definition.observations.key
    return tuple(name for name in names if name in landed)


def example_observation(definition: ModelDefinition) -> dict[str, Any]:
    """An observation of values that the contract allows, as far as it names some; a text has no pattern."""
    source = definition.sources[definition.observations.source]
    return {name: _example(source.landed[name], source.columns.get(name)) for name in needed_columns(definition)}


def _example(kind: str, declared: Column | None) -> Any:
    if declared is not None and declared.values:
        return declared.values[0]
    if kind in ("integer", "number"):
        bounds = () if declared is None else (declared.min, declared.max)
        bound = next((bound for bound in bounds if bound is not None), 1.0)
        return int(bound) if kind == "integer" else bound
    return EXAMPLES[kind]


class ObservationContract:
    """What the rows of the observations' source have to satisfy.

    A check that would only warn of a landed row refuses none, and those of a whole date do not apply.

    Args:
        definition: The model definition.
        engine: Evaluates the rules of rows.
    """

    def __init__(self, definition: ModelDefinition, engine: RowEngine) -> None:
        self.needed, self._engine = needed_columns(definition), engine
        self._source = definition.sources[definition.observations.source]
        self._rules = {name: rule for name, rule in self._source.rules.items() if rule.severity in STOPS}
        columns = {**self._source.landed, "source_date": "date"}
        self._columns_of_rules = {
            name: {column.lower() for column in columns_of(rule.expression, columns)}
            for name, rule in self._rules.items()
        }

    def check(self, sent: SentRows, night: date) -> CheckedRows:
        """Checks sent observations: no value is converted that would change.

        Args:
            sent: The rows.
            night: Their score date.

        Returns:
            The rows that satisfy the contract, with the types of the source's raw table, and the errors of the others.

        Raises:
            RequestRefusal: If a column is unknown or missing.
        """
        landed = self._source.landed
        check_columns(sent, self.needed, landed)
        names = [name for name in landed if name in sent.columns] if sent.count else list(self.needed)
        errors: dict[int, list[DataError]] = {}
        columns: dict[str, list[Any]] = {name: [] for name in names}
        for name in names:
            declared = self._source.columns.get(name)
            for row, value in enumerate(_as_list(sent, name)):
                read, problems = _read_checked(name, landed[name], declared, value)
                columns[name].append(read)
                if problems:
                    errors.setdefault(row, []).extend(problems)
        table = pa.table({name: pa.array(columns[name], ARROW[landed[name]]) for name in names})
        for row, broken in self._broken_rules(table, night):
            errors.setdefault(row, []).append(broken)
        good = np.array([row for row in range(sent.count) if row not in errors], np.int64)
        listed = tuple(RowError(row, error) for row in sorted(errors) for error in errors[row])
        return CheckedRows(table.take(pa.array(good)), good, listed)

    def _broken_rules(self, rows: pa.Table, night: date) -> Iterator[tuple[int, DataError]]:
        """The rows that break a rule of their source, of the rules whose columns were sent."""
        dated = rows.append_column("source_date", pa.repeat(pa.scalar(night, pa.date32()), rows.num_rows))
        there = {name.lower() for name in dated.column_names}
        rules = {name: rule for name, rule in self._rules.items() if self._columns_of_rules[name] <= there}
        if not rules or not rows.num_rows:
            return
        columns = [f'(({rule.expression}\n)::boolean) is false as "{name}"' for name, rule in rules.items()]
        broken = self._engine.select(dated, columns)
        for name, rule in rules.items():
            for row in np.flatnonzero(broken[name].to_numpy()):
                why = rule.description or rule.expression
                yield int(row), DataError(f"the row breaks the rule `{name}`", where="row", allowed=why)


def _as_list(sent: SentRows, name: str) -> Sequence[Any]:
    values = sent.columns[name] if sent.count else ()
    return list(values.to_pylist()) if isinstance(values, pa.Array) else values


def _where(name: str) -> str:
    return f"column {name}"


# ---- values by the types of a source; each function raises ValueError with what is allowed


def _read_checked(name: str, kind: str, declared: Column | None, value: Any) -> tuple[Any, list[DataError]]:
    """A value as its column's type, and what is wrong with it."""
    try:
        read = None if value is None else READ[kind](value)
    except ValueError as error:
        allowed = f"{error}, or null if it is missing"
        return None, [DataError(f"no {kind}", where=_where(name), received=value, allowed=allowed)]
    return read, list(_broken_checks(name, declared, read)) if declared else []


def _string(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ValueError("a text")


def _integer(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63:
        return value
    raise ValueError("an integer of 64 bits")


def _number(value: Any) -> float:
    is_exact = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 2**53
    if is_exact or (isinstance(value, float) and math.isfinite(value)):
        return float(value) + 0.0  # -0.0 is 0.0, as among landed numbers
    raise ValueError("a finite number, as an integer up to 2^53")


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("true or false")


def _date(value: Any) -> date:
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise ValueError("a date such as 2024-01-31")


def _timestamp(value: Any) -> datetime:
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else None
        if instant is not None and instant.tzinfo is not None:
            return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError("an instant with its offset, such as 2024-01-31T06:00:00Z")


READ: Mapping[str, Callable[[Any], Any]] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "timestamp": _timestamp,
}


# ---- checks


def _broken_checks(name: str, declared: Column, value: Any) -> Iterator[DataError]:
    if declared.severity not in STOPS:
        return
    if value is None:
        if declared.required:
            yield DataError("a value is required", where=_where(name), allowed=f"a {declared.type}")
        return
    if declared.min is not None and value < declared.min:
        yield DataError("the value is too small", where=_where(name), received=value, allowed=f"{declared.min} or more")
    if declared.max is not None and value > declared.max:
        yield DataError("the value is too large", where=_where(name), received=value, allowed=f"{declared.max} or less")
    if declared.values is not None and value not in declared.values:
        yield DataError("no such value", where=_where(name), received=value, allowed=list(declared.values))
    if declared.pattern is not None and not re.fullmatch(declared.pattern, value):
        yield DataError("the text has another form", where=_where(name), received=value, allowed=declared.pattern)
