"""Proposes the entries of a column from its profiles and from what is declared already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from nightshift.definition.checks import STATISTICS, Statistic
from nightshift.definition.source import Column
from nightshift.profiling.alarms import alarm_evidence, alarms, propose_usual
from nightshift.profiling.column_profile import ColumnHistory
from nightshift.profiling.column_types import ColumnType
from nightshift.profiling.proposal import ProposedValue
from nightshift.profiling.suggestions import SourceTraits, is_identifier, suggest_checks
from nightshift.profiling.times import part_of_date
from nightshift.quality.distributions import NUMBERS

MAX_MIX = 200  # distinct values that a usual mix may have
MAX_VIOLATIONS = 0.5  # of the rows: a check that more of them break is wrong, even if it only warns

ORDER = ("type", "description", "required", "min", "max", "values", "pattern", "severity", "usual")
VALUE_CHECKS = ("required", "min", "max", "values", "pattern")
TEXT_CHECKS = frozenset(("values", "pattern"))  # one of them is enough
SEVERITY_REASON = "one bad value does not stop the night"


@dataclass(frozen=True)
class ColumnProposal:
    """The proposed entries of a column.

    Attributes:
        entries: The entries, by key.
        outlier_rows: The number of rows by date that would be quarantined as outliers.
    """

    entries: Mapping[str, ProposedValue]
    outlier_rows: Mapping[date, int]


def propose_column(
    name: str,
    kind: ColumnType,
    history: ColumnHistory,
    entries: Mapping[str, Any],
    declared: Column | None,
    source: SourceTraits,
) -> ColumnProposal:
    """Proposes the entries of a column.

    Declared checks stay where the files pass them, or break them so rarely that rows are only quarantined or warned of.

    Args:
        name: The column.
        kind: Its type.
        history: Its profiles.
        entries: Its declared entries, as they are written.
        declared: The same entries, validated.
        source: The traits of its source.
    """
    severity = entries.get("severity") or ("fail" if name in source.key or _has_value_check(entries) else "quarantine")
    suggestion = suggest_checks(name, history, source, quarantine=severity != "fail")
    checks = [check for check in VALUE_CHECKS if check in entries]
    retained = {check for check in checks if declared is not None and _is_passed(check, history, declared, source)}
    proposed = {
        check: value
        for check, value in suggestion.checks.items()
        if not (check in TEXT_CHECKS and TEXT_CHECKS & retained)
    }
    for check in retained:
        proposed[check] = _retained_check(check, history, entries[check], declared, suggestion.checks.get(check))
    replaced = [_replaced_check(check, history, entries[check]) for check in checks if check not in retained]
    if "severity" in entries and proposed:
        proposed["severity"] = ProposedValue(entries["severity"])
    elif severity == "quarantine" and proposed.keys() & {"min", "max", "pattern"}:
        proposed["severity"] = ProposedValue(severity, SEVERITY_REASON)
    if usual := _usual(name, history, entries, declared, source, "values" in proposed):
        proposed["usual"] = usual
    proposed["type"] = ProposedValue(kind.name, _joined([kind.evidence, *suggestion.remarks, *replaced]))
    if "description" in entries:
        proposed["description"] = ProposedValue(entries["description"])
    outlier_rows = Counter[date]()
    for check, bound in zip(("min", "max"), suggestion.bounds, strict=False):
        if check not in retained:
            outlier_rows.update(bound.outlier_rows)
    return ColumnProposal({key: proposed[key] for key in ORDER if key in proposed}, outlier_rows)


def _joined(remarks: list[str]) -> str:
    return "; ".join(remark for remark in remarks if remark)


def _has_value_check(entries: Mapping[str, Any]) -> bool:
    """Whether values are declared to be restricted, and so the severity of a violation."""
    return bool({"min", "max", "values", "pattern"} & set(entries))


def _is_passed(check: str, history: ColumnHistory, declared: Column, source: SourceTraits) -> bool:
    """Whether the files would have passed a declared check."""
    if (check in {"min", "max"} and history.kind not in NUMBERS) or (check == "pattern" and history.kind != "string"):
        return False
    violations = history.violations(check)
    if declared.severity == "fail":
        return not violations
    wrong = sum(violations.values()) > MAX_VIOLATIONS * history.total
    few = declared.severity == "warn" or all(
        count <= source.quarantine_share * history.rows[day] for day, count in violations.items()
    )
    return few and not wrong


def _replaced_check(check: str, history: ColumnHistory, value: Any) -> str:
    """The remark on a declared check that the files break, or that does not fit the type."""
    violations = sum(history.violations(check).values())
    return f"declared {check}: {value}" + (
        f", which {violations:,} of {history.total:,} rows break" if violations else ""
    )


def _retained_check(
    check: str, history: ColumnHistory, value: Any, declared: Column | None, suggested: ProposedValue | None
) -> ProposedValue:
    """A declared check, with the evidence of the files."""
    evidence = [suggested.evidence if suggested else ""]
    if violations := history.violations(check):
        evidence.append(f"{sum(violations.values()):,} of {history.total:,} rows break it")
    elif suggested and _is_looser(check, getattr(declared, check), suggested.value):
        evidence.append(f"the files suggest {suggested.value}")
    return ProposedValue(value, _joined(evidence))


def _is_looser(check: str, value: Any, suggested: Any) -> bool:
    if check == "values":
        return set(value) > set(suggested)
    return (check == "min" and value < suggested) or (check == "max" and value > suggested)


def _usual(
    name: str,
    history: ColumnHistory,
    entries: Mapping[str, Any],
    declared: Column | None,
    source: SourceTraits,
    closed: bool,
) -> ProposedValue | None:
    declared_usual = declared.usual if declared else None
    if "usual" in entries and set(declared_usual.of if declared_usual else ()) <= set(STATISTICS[history.kind]):
        if declared_usual is None or not source.daily:
            return ProposedValue(entries["usual"])
        outside, days = alarms(name, history.kind, declared_usual, history.distributions)
        return ProposedValue(entries["usual"], alarm_evidence(outside, days) if days else "")
    if not source.daily or not history.values:
        return None
    return propose_usual(
        name, history.kind, history.distributions, _informative_statistics(name, history, source, closed)
    )


def _informative_statistics(name: str, history: ColumnHistory, source: SourceTraits, closed: bool) -> list[Statistic]:
    """The statistics whose usual range would say something about a column."""
    statistics: list[Statistic] = ["missing"] if history.missing else []
    few = 0 < len(history.dates_of_values) <= MAX_MIX
    finite = not any(profile.infinite for profile in history.profiles.values())
    measures = finite and not (is_identifier(name, history, source) or part_of_date(name, history))
    if history.kind in NUMBERS and measures:
        statistics += ["mean", "spread"]
    unique = all(daily.distinct == daily.rows - daily.missing for daily in history.distributions.values())
    if history.kind == "boolean" or (history.kind == "string" and few and not unique):
        statistics.append("mix")
    if history.kind == "string" and not unique and not closed:
        statistics.append("distinct")
    return statistics
