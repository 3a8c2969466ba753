"""What staged rows must satisfy: the expectations that follow from a definition and from what was published before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
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
from nightshift.definition.source import Source
from nightshift.lake.tables import Layer, TableSpec, features_table, scores_table
from nightshift.quality.computed import quoted
from nightshift.quality.distributions import ColumnDistribution
from nightshift.quality.expectation import (
    BETWEEN,
    IN_SET,
    MATCHES,
    MIX,
    NEWEST,
    NOT_NULL,
    ROW_COUNT,
    UNIQUE,
    UNIQUE_TOGETHER,
    WHOLE,
    ComputedColumn,
    Contract,
    ExpectationSpec,
)
from nightshift.quality.usual import multiples, usual_rows, usual_values
from nightshift.registry.bins import NumberBins
from nightshift.registry.reference import ReferenceColumn

HOUR, DAY = 3600.0, 86400.0


@dataclass(frozen=True)
class AuditContext:
    """What a contract needs to know beside the definition.

    Attributes:
        days: How many dates the set covers.
        day: Its date, if it is one.
        zone: The time zone of the source's clock.
        counts: How many rows each published date has.
        distributions: Per column with a `usual`, its profiles on the same weekdays before.
        known: Per reference, what the other source knows, once each.
        alike: How many rows the source of `rows.like` has of the same date.
        observations: How many rows features and scores are to have.
        scores: The histogram of the scores that the version gave to its holdout; None if it has none.
    """

    days: int = 1
    day: date | None = None
    zone: str = "UTC"
    counts: Mapping[date, int] = field(default_factory=dict)
    distributions: Mapping[str, Sequence[ColumnDistribution]] = field(default_factory=dict)
    known: Mapping[str, pa.Table] = field(default_factory=dict)
    alike: int | None = None
    observations: int = 0
    scores: ReferenceColumn | None = None


NO_HISTORY = AuditContext()


def source_contract(name: str, source: Source, background: AuditContext = NO_HISTORY) -> Contract:
    """The checks of a source over a staged set."""
    found = [*_of_columns(source.columns), *_rules(source.rules)]
    computed = rule_columns(source.rules, source.landed)
    for reference, declared in source.references.items():
        if reference in background.known:
            found.append(_reference(reference, declared))
            computed[reference] = _knows(declared, background.known[reference])
    if source.freshness is not None:
        found.append(_fresh(source.freshness))
        computed["freshness"] = _age(source.freshness, source.landed, background.zone)
    if source.key:
        found.append(_unique(["source_date", *source.key]))
    found += _row_counts(source, background)
    found += _usual(source.columns, source.landed, background)
    found += [_declared(one) for one in source.expectations]
    return Contract(Layer.RAW.table(name), tuple(found), source.quarantine.share, computed)


def row_contract(name: str, source: Source) -> Contract:
    """Those checks of a source that look at a row by itself, whatever their severity; no row is too many."""
    rules = tuple(replace(one, severity="quarantine") for one in (*_of_columns(source.columns), *_rules(source.rules)))
    return Contract(Layer.QUARANTINE.table(name), rules, 1.0, rule_columns(source.rules, source.landed))


def features_contract(definition: ModelDefinition, background: AuditContext) -> Contract:
    """Exactly one row an observation, no rate outside [0, 1], and what the definition says of features."""
    spec = features_table(definition)
    found = [_expect(NOT_NULL, column) for column in spec.key]
    for name, aggregate in definition.aggregate_features.items():
        if aggregate.agg == "rate":
            found.append(_expect(BETWEEN, name, min_value=0, max_value=1))
    found += _one_each(list(spec.key), background)
    return _made(spec.name, definition.quality.features, spec.columns, found, background)


def scores_contract(
    definition: ModelDefinition, background: AuditContext, of: Callable[[ModelDefinition], TableSpec] = scores_table
) -> Contract:
    """Exactly one row an observation, each a probability or a number, with its version; spread as on the holdout.

    Args:
        definition: The model definition.
        background: What it needs to know beside.
        of: The table: what a challenger gives must satisfy the same.
    """
    spec, declared = of(definition), definition.quality.scores
    found = [_expect(NOT_NULL, column) for column in [*spec.key, "score", "model_version"]]
    least, most = definition.prediction.score_range
    found.append(_expect(BETWEEN, "score", min_value=least, max_value=most))
    found += _one_each(list(spec.key), background)
    contract = _made(spec.name, declared, spec.columns, found, background)
    if background.scores is None:
        return contract
    bins, counts = background.scores.bins, background.scores.counts
    assert isinstance(bins, NumberBins)
    shares = {str(place): count / sum(counts) for place, count in enumerate(counts)}
    arguments = (("column", "score_bin"), ("shares", shares), ("max_distance", declared.reference.distance))
    note = "what the model gave to its holdout"
    near = ExpectationSpec(MIX, "score", arguments, declared.reference.severity, note, computed=True)
    score_bin = ComputedColumn(_bin(bins.edges), ("score",))
    return replace(
        contract, expectations=(*contract.expectations, near), computed={**contract.computed, "score_bin": score_bin}
    )


def _made(
    table: str, declared: TableChecks, types: Mapping[str, str], always: list[ExpectationSpec], background: AuditContext
) -> Contract:
    """What always holds of a table that Nightshift makes, and what its definition adds."""
    found = [*always, *_of_columns(declared.columns), *_rules(declared.rules)]
    found += _usual(declared.columns, types, background)
    found += [_declared(one) for one in declared.expectations]
    return Contract(table, tuple(found), computed=rule_columns(declared.rules, types))


def _of_columns(columns: Mapping[str, ColumnChecks]) -> Iterator[ExpectationSpec]:
    """What looks at a value by itself."""
    for name, declared in columns.items():
        severity = declared.severity
        if declared.required:
            yield _expect(NOT_NULL, name, severity)
        if declared.min is not None or declared.max is not None:
            yield _expect(BETWEEN, name, severity, min_value=declared.min, max_value=declared.max)
        if declared.values is not None:
            yield _expect(IN_SET, name, severity, value_set=list(declared.values))
        if declared.pattern is not None:
            yield _expect(MATCHES, name, severity, regex=declared.pattern.join(WHOLE))


def _rules(rules: Mapping[str, RowRule]) -> Iterator[ExpectationSpec]:
    """What looks at a row by itself."""
    for name, rule in rules.items():
        yield replace(_holds(name, rule.severity), note=" ".join(rule.expression.split()))


def rule_columns(rules: Mapping[str, RowRule], types: Mapping[str, str]) -> dict[str, ComputedColumn]:
    """Whether each rule holds, as columns to compute."""
    return {
        name: ComputedColumn(f"({rule.expression}\n)::boolean", _named(rule.expression, types))
        for name, rule in rules.items()
    }


def _reference(name: str, reference: Reference) -> ExpectationSpec:
    note = f"{' + '.join(reference.columns)} known to {reference.source}"
    return replace(_holds(name, reference.severity, mostly=reference.share), note=note)


def _knows(reference: Reference, known: pa.Table) -> ComputedColumn:
    """Whether the other source has the row's values; unknown where one of them is missing."""
    missing = " or ".join(f"{quoted(column)} is null" for column in reference.columns)
    same = " and ".join(f"known.{quoted(column)} = landed.{quoted(column)}" for column in reference.columns)
    expression = f"case when {missing} then null else exists(select 1 from known where {same}) end"
    return ComputedColumn(expression, reference.columns, known)


def _holds(name: str, severity: Severity, **arguments: Any) -> ExpectationSpec:
    return replace(_expect(IN_SET, name, severity, value_set=[True], **arguments), computed=True)


def _fresh(freshness: Freshness) -> ExpectationSpec:
    hours = freshness.within.total_seconds() / HOUR
    return replace(_expect(NEWEST, "freshness", freshness.severity, min_value=-hours), computed=True)


def _age(freshness: Freshness, types: Mapping[str, str], zone: str) -> ComputedColumn:
    """Hours from the end of the row's date to what it tells of, both by the source's clock."""
    newest = f"epoch(cast(({freshness.newest}\n) as timestamp))"
    expression = f"({newest} - epoch(cast(source_date as timestamp)) - {DAY}) / {HOUR}"
    return ComputedColumn(
        expression, tuple(dict.fromkeys([*_named(freshness.newest, types), "source_date"])), zone=zone
    )


def _bin(edges: Sequence[float]) -> str:
    """The place of a score between edges, as SQL; as `numpy.searchsorted` would place it."""
    cases = " ".join(f"when score <= {edge!r} then '{place}'" for place, edge in enumerate(edges))
    return f"case when score is null then null {cases} else '{len(edges)}' end"


def _row_counts(source: Source, background: AuditContext) -> Iterator[ExpectationSpec]:
    rows, days, day = source.rows, background.days, background.day
    yield _row_count("rows", rows.min * days, None if rows.max is None else rows.max * days)
    if day is not None and rows.usual is not None:
        yield from usual_rows(rows.usual, day, background.counts)
    if rows.like is not None and background.alike is not None:
        like, alike = rows.like, background.alike
        note = f"{like.min:g} to {like.max:g} times the {alike} of {like.source}"
        least, most = multiples(like.min, like.max, alike)
        yield replace(_row_count(f"rows like {like.source}", least, most), severity=like.severity, note=note)


def _usual(
    columns: Mapping[str, ColumnChecks], types: Mapping[str, str], background: AuditContext
) -> Iterator[ExpectationSpec]:
    for name, profiles in background.distributions.items():
        usual = columns[name].usual
        if usual is not None and background.day is not None:
            yield from usual_values(name, types[name], usual, background.day, profiles)


def _declared(one: CustomExpectation) -> ExpectationSpec:
    subject = one.arguments.get("column") or one.type
    return ExpectationSpec(one.type, str(subject), tuple(one.arguments.items()), one.severity)


def _expect(kind: str, column: str, severity: Severity = "fail", **arguments: Any) -> ExpectationSpec:
    return ExpectationSpec(kind, column, (("column", column), *arguments.items()), severity)


def _one_each(key: list[str], background: AuditContext) -> list[ExpectationSpec]:
    return [_unique(key), _row_count("rows", background.observations, background.observations)]


def _unique(columns: list[str]) -> ExpectationSpec:
    if len(columns) == 1:
        return _expect(UNIQUE, columns[0])
    return ExpectationSpec(UNIQUE_TOGETHER, " + ".join(columns), (("column_list", columns),))


def _row_count(subject: str, least: int, most: int | None) -> ExpectationSpec:
    return ExpectationSpec(ROW_COUNT, subject, (("min_value", least), ("max_value", most)))


def _named(expression: str, types: Mapping[str, str]) -> tuple[str, ...]:
    """The columns an expression names."""
    from nightshift.definition.expressions import names_in

    known = {name.lower(): name for name in (*types, "source_date", "score_date")}
    return tuple(known[name] for name in names_in(expression, "duckdb") if name in known)
