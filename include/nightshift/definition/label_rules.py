"""Rules for the label: one function each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from nightshift.definition.duration import format_duration
from nightshift.definition.model import ModelDefinition
from nightshift.definition.prediction import probability_column
from nightshift.definition.problem import DATED, Problem, expression_problems
from nightshift.definition.spark_sql import UntranslatableError, to_duckdb

EXPRESSIONS = ("expression", "where", "value", "weight")


def label_expressions_are_valid(definition: ModelDefinition) -> Iterator[Problem]:
    source = definition.sources.get(definition.label.source)
    for name in EXPRESSIONS if source else ():
        if (expression := getattr(definition.label, name)) is not None and source:
            yield from expression_problems(("label", name), expression, "duckdb", source.landed | DATED)


def outcomes_are_of_a_past_date(definition: ModelDefinition) -> Iterator[Problem]:
    """The outcomes of a date are final once its partition is available, which is not before that date has ended."""
    source = definition.sources.get(definition.label.source)
    if source and source.available.after < timedelta(days=1):
        yield Problem(
            ("sources", definition.label.source, "available", "after"),
            "the label's source is available before its own date has ended, when outcomes cannot be final",
            format_duration(source.available.after),
            "24h or more",
            "write when its outcomes are final, or name another source under `label`",
        )


def one_outcome_per_observation(definition: ModelDefinition) -> Iterator[Problem]:
    source, key = definition.sources.get(definition.label.source), definition.observations.key
    if source and definition.label.window is None and not (source.key and set(source.key) <= set(key)):
        yield Problem(
            ("label", "source"),
            "needs at most one row per observation, and is not declared unique by the observations' key",
            list(source.key),
            [list(key)],
            f"declare `key:` of '{definition.label.source}' as columns of the observations' key, or aggregate its rows "
            "over a `window`",
        )


def outcomes_match_observations(definition: ModelDefinition) -> Iterator[Problem]:
    key, path = definition.observations.key, ("label", "by" if definition.label.by else "source")
    for column in definition.label_key:
        if column not in key:
            message = "is no column of the observations' key"
            yield Problem(path, message, column, list(key), "match by columns of the key, or add it to the key")


def class_columns_differ(definition: ModelDefinition) -> Iterator[Problem]:
    columns: dict[str, str] = {}
    for position, name in enumerate(definition.label.class_names):
        column = probability_column(name)
        if column in columns:
            message = f"its column would have the name of that of '{columns[column]}'"
            fix = "rename a class in the label's expression"
            yield Problem(("label", "classes", position), message, name, f"other letters or digits than {column}", fix)
        columns[column] = name


def windows_are_by_event_time(definition: ModelDefinition) -> Iterator[Problem]:
    label, source = definition.label, definition.sources.get(definition.label.source)
    if label.window is None or source is None:
        return
    if source.event_time is None:
        message = f"a window is by event time, and '{label.source}' has none"
        yield Problem(("label", "window"), message, None, None, f"declare `event_time:` of '{label.source}'")
        return
    try:
        to_duckdb(source.event_time, source)
    except UntranslatableError as error:
        yield Problem(
            ("sources", label.source, "event_time"),
            f"labels over a window are computed without Spark: {error}",
            source.event_time,
            "columns, casts, arithmetic, to_timestamp, timestamp_millis, make_timestamp, …",
            "write it otherwise, or land the event time as a column",
        )


RULES = (
    label_expressions_are_valid,
    outcomes_are_of_a_past_date,
    one_outcome_per_observation,
    outcomes_match_observations,
    class_columns_differ,
    windows_are_by_event_time,
)
