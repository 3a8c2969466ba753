"""What must hold for the checks a definition declares: one rule a function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nightshift.definition.checks import STATISTICS, ColumnChecks, RowRule, TableChecks
from nightshift.definition.expressions import find_faults
from nightshift.definition.model import ModelDefinition
from nightshift.definition.problem import KeyPath, Problem

Typed = tuple[KeyPath, ColumnChecks, str]


def bounds_are_for_numbers(definition: ModelDefinition) -> Iterator[Problem]:
    for path, declared, kind in _checked(definition):
        for bound in ("min", "max"):
            if getattr(declared, bound) is not None and kind not in {"integer", "number"}:
                yield Problem((*path, bound), f"a {kind} has no {bound}imum", None, None, "remove it")


def patterns_are_for_text(definition: ModelDefinition) -> Iterator[Problem]:
    for path, declared, kind in _checked(definition):
        if declared.pattern is not None and kind not in {"string", "category"}:
            yield Problem((*path, "pattern"), f"a {kind} has no pattern", None, None, "remove it")


def severities_have_a_rule(definition: ModelDefinition) -> Iterator[Problem]:
    for path, declared, _ in _checked(definition):
        if declared.severity != "fail" and not declared.checks_values:
            allowed = "a column with required, min, max, values or pattern"
            what = "nothing is checked of this column"
            yield Problem((*path, "severity"), what, declared.severity, allowed, "add a rule")


def statistics_fit_the_type(definition: ModelDefinition) -> Iterator[Problem]:
    for path, declared, kind in _checked(definition):
        for statistic in declared.usual.of if declared.usual else ():
            if statistic not in STATISTICS[kind]:
                what = f"a {kind} has no {statistic}"
                yield Problem((*path, "usual", "of"), what, statistic, STATISTICS[kind], "remove it")


def made_columns_exist(definition: ModelDefinition) -> Iterator[Problem]:
    for table, made, known in _made(definition):
        for column in made.columns:
            if column not in known:
                yield Problem(("quality", table, "columns", column), "no such column", column, list(known), "name one")


def every_observation_stays(definition: ModelDefinition) -> Iterator[Problem]:
    """Of features and scores no row can be set aside: there is exactly one an observation."""
    for table, made, _ in _made(definition):
        declared: dict[KeyPath, str] = {("columns", name): rules.severity for name, rules in made.columns.items()}
        declared |= {("rules", name): rule.severity for name, rule in made.rules.items()}
        for path, severity in declared.items():
            if severity == "quarantine":
                what = f"no row of {table} can be set aside: every observation has one"
                yield Problem(("quality", table, *path, "severity"), what, severity, "fail, warn", "choose another")


def row_rules_are_valid(definition: ModelDefinition) -> Iterator[Problem]:
    for name, source in definition.sources.items():
        landed = source.landed | {"source_date": "date"}
        yield from _faulty(("sources", name, "rules"), source.rules, landed)
        if source.freshness is not None:
            path = ("sources", name, "freshness", "newest")
            for fault in find_faults(source.freshness.newest, "duckdb", landed):
                yield Problem(path, f"{fault.what} in {fault.marked}", None, fault.allowed or None, fault.fix)
    for table, made, known in _made(definition):
        yield from _faulty(("quality", table, "rules"), made.rules, known)


def computed_names_are_free(definition: ModelDefinition) -> Iterator[Problem]:
    for name, source in definition.sources.items():
        for reference in source.references:
            if reference in source.rules:
                path = ("sources", name, "references", reference)
                yield Problem(path, "is the name of a rule", reference, None, "rename one")
        for part in ("rules", "references"):
            if "freshness" in getattr(source, part):
                yield Problem(("sources", name, part, "freshness"), "reserved name", "freshness", None, "rename it")
    if "score_bin" in definition.quality.scores.rules:
        yield Problem(("quality", "scores", "rules", "score_bin"), "reserved name", "score_bin", None, "rename it")


def references_can_be_looked_up(definition: ModelDefinition) -> Iterator[Problem]:
    known = list(definition.sources)
    for name, source in definition.sources.items():
        for reference, declared in source.references.items():
            path = ("sources", name, "references", reference)
            if declared.source not in known:
                yield Problem((*path, "source"), "unknown source", declared.source, known, "name one")
                continue
            if declared.source == name:
                yield Problem((*path, "source"), "a source knows its own rows", name, None, "name another")
            there = definition.sources[declared.source].columns
            for column in declared.columns:
                for where, columns in ((name, source.columns), (declared.source, there)):
                    if column not in columns:
                        what = f"'{where}' has no such column"
                        yield Problem((*path, "columns"), what, column, list(columns), "name one of both")
                if column in source.columns and column in there and source.columns[column].type != there[column].type:
                    what = f"'{column}' is of another type in '{declared.source}'"
                    yield Problem(
                        (*path, "columns"), what, there[column].type, source.columns[column].type, "declare both alike"
                    )
            if declared.severity == "quarantine" and declared.share < 1:
                what = "rows cannot be set aside while some may be unknown"
                yield Problem((*path, "severity"), what, "quarantine", "fail, warn", "or write `share: 1`")
        like = source.rows.like
        if like is not None and like.source not in known:
            yield Problem(("sources", name, "rows", "like", "source"), "unknown source", like.source, known, "name one")
        elif like is not None and like.source == name:
            what = "a source has as many rows as itself"
            yield Problem(("sources", name, "rows", "like", "source"), what, name, None, "name another")
        elif like is not None and {source.cadence, definition.sources[like.source].cadence} != {"daily"}:
            yield Problem(("sources", name, "rows", "like"), "both must be daily sources", None, None, "remove it")


def bounds_can_be_met(definition: ModelDefinition) -> Iterator[Problem]:
    bounded: list[tuple[KeyPath, float | None, float | None]] = []
    for name, source in definition.sources.items():
        rows, path = source.rows, ("sources", name, "rows")
        bounded.append(((*path, "max"), rows.min, rows.max))
        if rows.usual is not None:
            bounded.append(((*path, "usual", "max"), rows.usual.min, rows.usual.max))
        if rows.like is not None:
            bounded.append(((*path, "like", "max"), rows.like.min, rows.like.max))
    bounded += [((*where, "max"), declared.min, declared.max) for where, declared, _ in _checked(definition)]
    for where, least, most in bounded:
        if least is not None and most is not None and least > most:
            yield Problem(where, "is below the minimum", most, f"at least {least}", "swap or change the bounds")


def _checked(definition: ModelDefinition) -> Iterator[Typed]:
    """Every column with rules: of sources, features and scores; with its type."""
    for name, source in definition.sources.items():
        for column, declared in source.columns.items():
            yield ("sources", name, "columns", column), declared, str(declared.type)
    for table, made, known in _made(definition):
        for column, rules in made.columns.items():
            if column in known:
                yield ("quality", table, "columns", column), rules, known[column]


def _made(definition: ModelDefinition) -> Iterator[tuple[str, TableChecks, dict[str, str]]]:
    """Features and scores, with what the definition says of them and their columns' types."""
    observed = definition.sources.get(definition.observations.source)
    columns = observed.columns if observed else {}
    key = {"score_date": "date"} | {
        name: str(columns[name].type) for name in definition.observations.key if name in columns
    }
    features = {name: str(kind) for name, kind in definition.feature_types.items()}
    yield "features", definition.quality.features, key | features
    yield "scores", definition.quality.scores, key | {"score": "number", "model_version": "integer"}


def _faulty(path: KeyPath, rules: Mapping[str, RowRule], columns: Mapping[str, str]) -> Iterator[Problem]:
    for name, rule in rules.items():
        for fault in find_faults(rule.expression, "duckdb", columns):
            what = f"{fault.what} in {fault.marked}"
            yield Problem((*path, name, "expression"), what, None, fault.allowed or None, fault.fix)


RULES = (
    bounds_are_for_numbers,
    patterns_are_for_text,
    severities_have_a_rule,
    statistics_fit_the_type,
    made_columns_exist,
    every_observation_stays,
    row_rules_are_valid,
    computed_names_are_free,
    references_can_be_looked_up,
    bounds_can_be_met,
)
