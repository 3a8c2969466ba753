"""Rules for the checks that a definition declares: one function each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nightshift.definition.checks import STATISTICS, ColumnChecks, Reference, RowRule, TableChecks
from nightshift.definition.model import ModelDefinition
from nightshift.definition.problem import KeyPath, Problem, expression_problems
from nightshift.definition.source import Source

CheckedColumn = tuple[KeyPath, ColumnChecks, str]
CheckedTable = tuple[str, TableChecks, dict[str, str]]


def bounds_are_for_numbers(definition: ModelDefinition) -> Iterator[Problem]:
    for path, checks, kind in _checked_columns(definition):
        for bound in ("min", "max"):
            if getattr(checks, bound) is not None and kind not in {"integer", "number"}:
                yield Problem((*path, bound), f"a {kind} has no {bound}imum", None, None, "remove it")


def patterns_are_for_text(definition: ModelDefinition) -> Iterator[Problem]:
    for path, checks, kind in _checked_columns(definition):
        if checks.pattern is not None and kind not in {"string", "category"}:
            yield Problem((*path, "pattern"), f"a {kind} has no pattern", None, None, "remove it")


def severities_have_a_check(definition: ModelDefinition) -> Iterator[Problem]:
    for path, checks, _ in _checked_columns(definition):
        if checks.severity != "fail" and not checks.checks_values:
            allowed = "a column with required, min, max, values or pattern"
            message = "no value of this column is checked"
            yield Problem((*path, "severity"), message, checks.severity, allowed, "add a check")


def statistics_fit_the_type(definition: ModelDefinition) -> Iterator[Problem]:
    for path, checks, kind in _checked_columns(definition):
        for statistic in checks.usual.of if checks.usual else ():
            if statistic not in STATISTICS[kind]:
                message = f"a {kind} has no {statistic}"
                yield Problem((*path, "usual", "of"), message, statistic, STATISTICS[kind], "remove it")


def checked_columns_exist(definition: ModelDefinition) -> Iterator[Problem]:
    for table, checks, types in _checked_tables(definition):
        for column in checks.columns:
            if column not in types:
                path = ("quality", table, "columns", column)
                yield Problem(path, "no such column", column, list(types), "name a column of the table")


def no_observation_is_quarantined(definition: ModelDefinition) -> Iterator[Problem]:
    """Features and scores have exactly one row per observation."""
    for table, checks, _ in _checked_tables(definition):
        severities: dict[KeyPath, str] = {("columns", name): column.severity for name, column in checks.columns.items()}
        severities |= {("rules", name): rule.severity for name, rule in checks.rules.items()}
        for path, severity in severities.items():
            if severity == "quarantine":
                message = f"{table} must keep one row per observation: none can be set aside"
                yield Problem(("quality", table, *path, "severity"), message, severity, "fail, warn", "choose another")


def row_rules_are_valid(definition: ModelDefinition) -> Iterator[Problem]:
    for name, source in definition.sources.items():
        landed = source.landed | {"source_date": "date"}
        yield from _rule_problems(("sources", name, "rules"), source.rules, landed)
        if source.freshness is not None:
            path = ("sources", name, "freshness", "newest")
            yield from expression_problems(path, source.freshness.newest, "duckdb", landed)
    for table, checks, types in _checked_tables(definition):
        yield from _rule_problems(("quality", table, "rules"), checks.rules, types)


def check_names_are_free(definition: ModelDefinition) -> Iterator[Problem]:
    for name, source in definition.sources.items():
        for reference in source.references:
            if reference in source.rules:
                path = ("sources", name, "references", reference)
                yield Problem(path, "is the name of a rule", reference, None, "rename the rule or the reference")
        for key in ("rules", "references"):
            if "freshness" in getattr(source, key):
                yield Problem(("sources", name, key, "freshness"), "reserved name", "freshness", None, "rename it")
    if "score_bin" in definition.quality.scores.rules:
        yield Problem(("quality", "scores", "rules", "score_bin"), "reserved name", "score_bin", None, "rename it")


def references_can_be_looked_up(definition: ModelDefinition) -> Iterator[Problem]:
    for name, source in definition.sources.items():
        for reference, declared in source.references.items():
            path = ("sources", name, "references", reference)
            yield from _reference_problems(definition.sources, name, declared, path)


def row_counts_can_be_compared(definition: ModelDefinition) -> Iterator[Problem]:
    for name, source in definition.sources.items():
        if (like := source.rows.like) is None:
            continue
        path: KeyPath = ("sources", name, "rows", "like")
        if like.source not in definition.sources:
            yield Problem((*path, "source"), "unknown source", like.source, list(definition.sources), "name a source")
        elif like.source == name:
            message = "a source always has as many rows as itself"
            yield Problem((*path, "source"), message, name, None, "name another source")
        elif {source.cadence, definition.sources[like.source].cadence} != {"daily"}:
            yield Problem(path, "both must be daily sources", None, None, "remove it")


def bounds_can_be_met(definition: ModelDefinition) -> Iterator[Problem]:
    bounds: list[tuple[KeyPath, float | None, float | None]] = []
    for name, source in definition.sources.items():
        rows, path = source.rows, ("sources", name, "rows")
        bounds.append(((*path, "max"), rows.min, rows.max))
        if rows.usual is not None:
            bounds.append(((*path, "usual", "max"), rows.usual.min, rows.usual.max))
        if rows.like is not None:
            bounds.append(((*path, "like", "max"), rows.like.min, rows.like.max))
    bounds += [((*path, "max"), checks.min, checks.max) for path, checks, _ in _checked_columns(definition)]
    for key_path, least, most in bounds:
        if least is not None and most is not None and least > most:
            yield Problem(key_path, "is below the minimum", most, f"at least {least}", "swap or change the bounds")


def _reference_problems(
    sources: Mapping[str, Source], name: str, reference: Reference, path: KeyPath
) -> Iterator[Problem]:
    if reference.source not in sources:
        yield Problem((*path, "source"), "unknown source", reference.source, list(sources), "name a source")
        return
    if reference.source == name:
        yield Problem((*path, "source"), "a source always knows its own rows", name, None, "name another source")
    columns, referenced = sources[name].columns, sources[reference.source].columns
    for column in reference.columns:
        for owner, declared in ((name, columns), (reference.source, referenced)):
            if column not in declared:
                message = f"'{owner}' has no such column"
                yield Problem((*path, "columns"), message, column, list(declared), "name a column of both sources")
        if column in columns and column in referenced and columns[column].type != referenced[column].type:
            message = f"'{column}' has another type in '{reference.source}'"
            received, allowed = referenced[column].type, columns[column].type
            yield Problem((*path, "columns"), message, received, allowed, "declare the same type in both")
    if reference.severity == "quarantine" and reference.share < 1:
        message = "rows cannot be set aside while some of them may be unknown"
        yield Problem((*path, "severity"), message, "quarantine", "fail, warn", "or write `share: 1`")


def _checked_columns(definition: ModelDefinition) -> Iterator[CheckedColumn]:
    """Every column with checks, of sources, features and scores: its path, its checks and its type."""
    for name, source in definition.sources.items():
        for column, declared in source.columns.items():
            yield ("sources", name, "columns", column), declared, str(declared.type)
    for table, checks, types in _checked_tables(definition):
        for column, column_checks in checks.columns.items():
            if column in types:
                yield ("quality", table, "columns", column), column_checks, types[column]


def _checked_tables(definition: ModelDefinition) -> Iterator[CheckedTable]:
    """Features and scores: their name, their checks and the types of their columns."""
    observed = definition.sources.get(definition.observations.source)
    columns = observed.columns if observed else {}
    key = {"score_date": "date"} | {
        name: str(columns[name].type) for name in definition.observations.key if name in columns
    }
    features = {name: str(kind) for name, kind in definition.feature_types.items()}
    yield "features", definition.quality.features, key | features
    yield "scores", definition.quality.scores, key | definition.scored_columns | {"model_version": "integer"}


def _rule_problems(path: KeyPath, rules: Mapping[str, RowRule], columns: Mapping[str, str]) -> Iterator[Problem]:
    for name, rule in rules.items():
        yield from expression_problems((*path, name, "expression"), rule.expression, "duckdb", columns)


RULES = (
    bounds_are_for_numbers,
    patterns_are_for_text,
    severities_have_a_check,
    statistics_fit_the_type,
    checked_columns_exist,
    no_observation_is_quarantined,
    row_rules_are_valid,
    check_names_are_free,
    references_can_be_looked_up,
    row_counts_can_be_compared,
    bounds_can_be_met,
)
