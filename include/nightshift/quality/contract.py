"""Builds contracts: the expectations that follow from a definition and from the partitions published before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from nightshift.definition.checks import (
    ColumnChecks,
    CustomExpectation,
    Freshness,
    Reference,
    RowRule,
    Severity,
    TableChecks,
)
from nightshift.definition.model import ModelDefinition
from nightshift.definition.prediction import PROBABILITY_COLUMN
from nightshift.definition.source import Source
from nightshift.lake.tables import Layer, TableSpec, features_table, scores_table
from nightshift.quality.computed import quoted
from nightshift.quality.context import NO_HISTORY, AuditContext
from nightshift.quality.expectation import (
    ANCHORS,
    BETWEEN,
    IN_SET,
    MATCHES,
    MIX,
    NEWEST,
    NOT_NULL,
    ROW_COUNT,
    UNIQUE,
    UNIQUE_TOGETHER,
    ComputedColumn,
    Contract,
    ExpectationSpec,
)
from nightshift.quality.usual import multiples, usual_rows, usual_values
from nightshift.registry.bins import NumberBins

HOUR, DAY = 3600.0, 86400.0


def source_contract(name: str, source: Source, context: AuditContext = NO_HISTORY) -> Contract:
    """The contract of a source's staged set."""
    expectations = [*_column_checks(source.columns), *_row_rules(source.rules)]
    computed = rule_columns(source.rules, source.landed)
    for reference, declared in source.references.items():
        if reference in context.references:
            expectations.append(_reference(reference, declared))
            computed[reference] = _reference_column(declared, context.references[reference])
    if source.freshness is not None:
        expectations.append(_freshness(source.freshness))
        computed["freshness"] = _age_column(source.freshness, source.landed, context.zone)
    if source.key:
        expectations.append(_unique(["source_date", *source.key]))
    expectations += _row_counts(source, context)
    expectations += _usual(source.columns, source.landed, context)
    expectations += [_custom(custom) for custom in source.expectations]
    return Contract(Layer.RAW.table(name), tuple(expectations), source.quarantine.share, computed)


def row_contract(name: str, source: Source) -> Contract:
    """The checks of a source that judge a row by itself, with severity `quarantine` and no limit to the rows."""
    checks = (*_column_checks(source.columns), *_row_rules(source.rules))
    expectations = tuple(replace(check, severity="quarantine") for check in checks)
    return Contract(Layer.QUARANTINE.table(name), expectations, 1.0, rule_columns(source.rules, source.landed))


def features_contract(definition: ModelDefinition, context: AuditContext) -> Contract:
    """The contract of features: one row per observation, rates within [0, 1], and the declared checks."""
    spec = features_table(definition)
    expectations = [_expect(NOT_NULL, column) for column in spec.key]
    for name, aggregate in definition.aggregate_features.items():
        if aggregate.agg == "rate":
            expectations.append(_expect(BETWEEN, name, min_value=0, max_value=1))
    expectations += _one_row_per_observation(list(spec.key), context)
    return _with_declared_checks(spec.name, definition.quality.features, spec.columns, expectations, context)


def scores_contract(definition: ModelDefinition, context: AuditContext, table: TableSpec | None = None) -> Contract:
    """The contract of scores: one row per observation with a valid score and its version, spread as on the holdout.

    Args:
        definition: The model definition.
        context: The context of the audit.
        table: The table of the scores, `scores.<model>` if left out; a challenger's must satisfy the same.
    """
    spec, declared = table or scores_table(definition), definition.quality.scores
    scored = [name for name in ("prediction", "score") if name in spec.columns]
    expectations = [_expect(NOT_NULL, column) for column in [*spec.key, *scored, "model_version"]]
    least, most = definition.prediction.score_range
    for column in ("score", *(name for name in spec.columns if name.startswith(PROBABILITY_COLUMN))):
        expectations.append(_expect(BETWEEN, column, min_value=least, max_value=most))
    expectations += _one_row_per_observation(list(spec.key), context)
    contract = _with_declared_checks(spec.name, declared, spec.columns, expectations, context)
    if context.scores is None:
        return contract
    bins, counts = context.scores.bins, context.scores.counts
    assert isinstance(bins, NumberBins)
    shares = {str(place): count / sum(counts) for place, count in enumerate(counts)}
    arguments = (("column", "score_bin"), ("shares", shares), ("max_distance", declared.reference.distance))
    note = "the scores of the holdout"
    near = ExpectationSpec(MIX, "score", arguments, declared.reference.severity, note, computed=True)
    score_bin = ComputedColumn(_bin(bins.edges), ("score",))
    return replace(
        contract, expectations=(*contract.expectations, near), computed={**contract.computed, "score_bin": score_bin}
    )


def _with_declared_checks(
    table: str,
    declared: TableChecks,
    types: Mapping[str, str],
    expectations: list[ExpectationSpec],
    context: AuditContext,
) -> Contract:
    """The contract of a table that Nightshift computes: its fixed expectations, then the declared ones."""
    declared_checks = [*_column_checks(declared.columns), *_row_rules(declared.rules)]
    declared_checks += _usual(declared.columns, types, context)
    declared_checks += [_custom(custom) for custom in declared.expectations]
    return Contract(table, (*expectations, *declared_checks), computed=rule_columns(declared.rules, types))


def _column_checks(columns: Mapping[str, ColumnChecks]) -> Iterator[ExpectationSpec]:
    """The expectations that judge a value by itself."""
    for name, declared in columns.items():
        severity = declared.severity
        if declared.required:
            yield _expect(NOT_NULL, name, severity)
        if declared.min is not None or declared.max is not None:
            yield _expect(BETWEEN, name, severity, min_value=declared.min, max_value=declared.max)
        if declared.values is not None:
            yield _expect(IN_SET, name, severity, value_set=list(declared.values))
        if declared.pattern is not None:
            yield _expect(MATCHES, name, severity, regex=declared.pattern.join(ANCHORS))


def _row_rules(rules: Mapping[str, RowRule]) -> Iterator[ExpectationSpec]:
    """The expectations that judge a row by itself."""
    for name, rule in rules.items():
        yield replace(_holds(name, rule.severity), note=" ".join(rule.expression.split()))


def rule_columns(rules: Mapping[str, RowRule], types: Mapping[str, str]) -> dict[str, ComputedColumn]:
    """The rules as computed columns: whether each holds in a row."""
    return {
        name: ComputedColumn(f"({rule.expression}\n)::boolean", _columns_in(rule.expression, types))
        for name, rule in rules.items()
    }


def _reference(name: str, reference: Reference) -> ExpectationSpec:
    note = f"{' + '.join(reference.columns)} known to {reference.source}"
    return replace(_holds(name, reference.severity, mostly=reference.share), note=note)


def _reference_column(reference: Reference, rows: pa.Table) -> ComputedColumn:
    """Whether the other source has the row's values; null where one of them is missing."""
    missing = " or ".join(f"{quoted(column)} is null" for column in reference.columns)
    equal = " and ".join(f"reference.{quoted(column)} = landed.{quoted(column)}" for column in reference.columns)
    expression = f"case when {missing} then null else exists(select 1 from reference where {equal}) end"
    return ComputedColumn(expression, reference.columns, rows)


def _holds(name: str, severity: Severity, **arguments: Any) -> ExpectationSpec:
    return replace(_expect(IN_SET, name, severity, value_set=[True], **arguments), computed=True)


def _freshness(freshness: Freshness) -> ExpectationSpec:
    hours = freshness.within.total_seconds() / HOUR
    return replace(_expect(NEWEST, "freshness", freshness.severity, min_value=-hours), computed=True)


def _age_column(freshness: Freshness, types: Mapping[str, str], zone: str) -> ComputedColumn:
    """Hours from the end of the row's date to its newest instant, both by the source's clock."""
    newest = f"epoch(cast(({freshness.newest}\n) as timestamp))"
    expression = f"({newest} - epoch(cast(source_date as timestamp)) - {DAY}) / {HOUR}"
    return ComputedColumn(
        expression, tuple(dict.fromkeys([*_columns_in(freshness.newest, types), "source_date"])), zone=zone
    )


def _bin(edges: Sequence[float]) -> str:
    """The bin of a score between edges, as SQL; equal to that of `numpy.searchsorted`."""
    cases = " ".join(f"when score <= {edge!r} then '{place}'" for place, edge in enumerate(edges))
    return f"case when score is null then null {cases} else '{len(edges)}' end"


def _row_counts(source: Source, context: AuditContext) -> Iterator[ExpectationSpec]:
    rows, days, day = source.rows, context.days, context.day
    yield _row_count("rows", rows.min * days, None if rows.max is None else rows.max * days)
    if day is not None and rows.usual is not None:
        yield from usual_rows(rows.usual, day, context.row_counts, by_weekday=context.by_weekday)
    if rows.like is not None and context.like_rows is not None:
        like, like_rows = rows.like, context.like_rows
        note = f"{like.min:g} to {like.max:g} times the {like_rows} of {like.source}"
        least, most = multiples(like.min, like.max, like_rows)
        yield replace(_row_count(f"rows like {like.source}", least, most), severity=like.severity, note=note)


def _usual(
    columns: Mapping[str, ColumnChecks], types: Mapping[str, str], context: AuditContext
) -> Iterator[ExpectationSpec]:
    for name, history in context.distributions.items():
        usual = columns[name].usual
        if usual is not None and context.day is not None:
            by_weekday = context.by_weekday
            yield from usual_values(name, types[name], usual, context.day, history, by_weekday=by_weekday)


def _custom(custom: CustomExpectation) -> ExpectationSpec:
    subject = custom.arguments.get("column") or custom.type
    return ExpectationSpec(custom.type, str(subject), tuple(custom.arguments.items()), custom.severity)


def _expect(kind: str, column: str, severity: Severity = "fail", **arguments: Any) -> ExpectationSpec:
    return ExpectationSpec(kind, column, (("column", column), *arguments.items()), severity)


def _one_row_per_observation(key: list[str], context: AuditContext) -> list[ExpectationSpec]:
    return [_unique(key), _row_count("rows", context.observations, context.observations)]


def _unique(columns: list[str]) -> ExpectationSpec:
    if len(columns) == 1:
        return _expect(UNIQUE, columns[0])
    return ExpectationSpec(UNIQUE_TOGETHER, " + ".join(columns), (("column_list", columns),))


def _row_count(subject: str, least: int, most: int | None) -> ExpectationSpec:
    return ExpectationSpec(ROW_COUNT, subject, (("min_value", least), ("max_value", most)))


def _columns_in(expression: str, types: Mapping[str, str]) -> tuple[str, ...]:
    """The columns that an expression uses."""
    from nightshift.definition.expressions import names_in

    columns = {name.lower(): name for name in (*types, "source_date", "score_date")}
    return tuple(columns[name] for name in names_in(expression, "duckdb") if name in columns)
