"""What staged rows must satisfy, derived from the definition: a list of named expectations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nightshift.definition.model import ModelDefinition, Source

ROW_COUNT = "ExpectTableRowCountToBeBetween"


@dataclass(frozen=True)
class Expectation:
    """One Great Expectations expectation: its class name and arguments."""

    kind: str
    subject: str
    arguments: tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Contract:
    """Every expectation over one table."""

    table: str
    expectations: tuple[Expectation, ...]


def source_contract(name: str, source: Source, *, days: int = 1) -> Contract:
    """The checks of a source over a staged set of `days` dates."""
    found: list[Expectation] = []
    for column, declared in source.columns.items():
        if declared.required:
            found.append(_expect("ExpectColumnValuesToNotBeNull", column))
        if declared.min is not None or declared.max is not None:
            bounds = {"min_value": declared.min, "max_value": declared.max}
            found.append(_expect("ExpectColumnValuesToBeBetween", column, **bounds))
        if declared.values is not None:
            found.append(_expect("ExpectColumnValuesToBeInSet", column, value_set=list(declared.values)))
    if source.key:
        found.append(_unique(["source_date", *source.key]))
    most = None if source.rows.max is None else source.rows.max * days
    found.append(_row_count(source.rows.min * days, most))
    return Contract(f"raw.{name}", tuple(found))


def features_contract(definition: ModelDefinition, observations: int) -> Contract:
    """Exactly one row an observation, and no rate outside [0, 1]."""
    key = ["score_date", *definition.observations.key]
    found = [_expect("ExpectColumnValuesToNotBeNull", column) for column in key]
    for name, aggregate in definition.aggregate_features.items():
        if aggregate.agg == "rate":
            found.append(_expect("ExpectColumnValuesToBeBetween", name, min_value=0, max_value=1))
    return Contract(f"features.{definition.name}", (*found, _unique(key), _row_count(observations, observations)))


def scores_contract(definition: ModelDefinition, observations: int) -> Contract:
    """Exactly one row an observation, each with a probability and the version that made it."""
    key = ["score_date", *definition.observations.key]
    found = [_expect("ExpectColumnValuesToNotBeNull", column) for column in [*key, "score", "model_version"]]
    found.append(_expect("ExpectColumnValuesToBeBetween", "score", min_value=0, max_value=1))
    return Contract(f"scores.{definition.name}", (*found, _unique(key), _row_count(observations, observations)))


def _expect(kind: str, column: str, **arguments: Any) -> Expectation:
    return Expectation(kind, column, (("column", column), *arguments.items()))


def _unique(columns: list[str]) -> Expectation:
    if len(columns) == 1:
        return _expect("ExpectColumnValuesToBeUnique", columns[0])
    return Expectation("ExpectCompoundColumnsToBeUnique", " + ".join(columns), (("column_list", columns),))


def _row_count(least: int, most: int | None) -> Expectation:
    return Expectation(ROW_COUNT, "rows", (("min_value", least), ("max_value", most)))
