"""Proposes the entries of a column from its profiles and from what is declared already."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from nightshift.definition.checks import STATISTICS, Statistic
from nightshift.definition.source import Column
from nightshift.profiling.alarms import alarm_evidence, alarms, propose_usual
from nightshift.profiling.bounds import MIN_DATES, Bound, format_number, propose_bound
from nightshift.profiling.column_profile import ColumnHistory
from nightshift.profiling.column_types import ColumnType, quote
from nightshift.profiling.proposal import ProposedValue
from nightshift.profiling.shapes import pattern_of
from nightshift.profiling.times import is_clock, part_of_date
from nightshift.quality.distributions import NUMBERS

MAX_VALUES = 25  # distinct values that are listed
NEARLY_ALL = 0.9  # of the dates have each of the listed values
LATE = 2 / 3  # of the dates: values that first appear later are signs of a set that grows
MIN_CODES = 10  # distinct values that a pattern needs
MIN_IDENTIFIERS = 100  # values that must all differ within their date
MAX_MIX = 200  # distinct values that a usual mix may have
MAX_VIOLATIONS = 0.5  # of the rows: a check that more of them break is wrong, even if it only warns
TOTALS = (1.0, 100.0)  # of shares and of percentages
NEAR_TOTAL = 0.9  # of the total, which they reach on most dates

ORDER = ("type", "description", "required", "min", "max", "values", "pattern", "severity", "usual")
VALUE_CHECKS = ("required", "min", "max", "values", "pattern")
TEXT_CHECKS = frozenset(("values", "pattern"))  # one of them is enough
IDENTIFIER = re.compile(r"(^|_)(id|ids|key|code|number|no|nr|num|uuid|zip|zipcode|postcode|postal|phone|account|sku)$")
SEVERITY_REASON = "one bad value does not stop the night"


@dataclass(frozen=True)
class SourceTraits:
    """The traits of a source that its columns' proposals depend on.

    Attributes:
        daily: Whether there is a file for every date.
        key: The columns that identify a row.
        quarantine_share: The largest share of a date's rows that may be quarantined.
    """

    daily: bool
    key: tuple[str, ...]
    quarantine_share: float


@dataclass(frozen=True)
class ColumnProposal:
    """The proposed entries of a column.

    Attributes:
        entries: The entries, by key.
        outlier_rows: The number of rows by date that would be quarantined as outliers.
    """

    entries: Mapping[str, ProposedValue]
    outlier_rows: Mapping[date, int]


@dataclass(frozen=True)
class _Suggestion:
    """What the files suggest regardless of what is declared.

    Attributes:
        checks: The suggested checks.
        remarks: What the values are, and why a check is not suggested.
        bounds: The lower and the upper bound of numbers.
    """

    checks: Mapping[str, ProposedValue]
    remarks: tuple[str, ...] = ()
    bounds: tuple[Bound, ...] = ()


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
    suggestion = _suggest(name, history, source, quarantine=severity != "fail")
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


def _suggest(name: str, history: ColumnHistory, source: SourceTraits, quarantine: bool) -> _Suggestion:
    checks: dict[str, ProposedValue] = {}
    remarks = []
    if history.total and not history.missing:
        checks["required"] = ProposedValue(True, f"0 of {history.total:,} missing")
    elif 0 < history.missing < history.total:
        remarks.append(f"{history.missing:,} of {history.total:,} missing")
    if not history.values:
        return _Suggestion(checks)
    if history.kind == "string":
        texts = _suggest_for_texts(history)
        return _Suggestion({**checks, **texts.checks}, (*texts.remarks, *remarks))
    if history.kind in NUMBERS:
        numbers = _suggest_for_numbers(name, history, source, quarantine)
        return _Suggestion({**checks, **numbers.checks}, (*numbers.remarks, *remarks), numbers.bounds)
    return _Suggestion(checks, tuple(remarks))


def _suggest_for_texts(history: ColumnHistory) -> _Suggestion:
    distinct = len(history.dates_of_values)
    if is_closed(history):
        return _Suggestion({"values": ProposedValue(sorted(history.dates_of_values), _value_evidence(history))})
    most = max(profile.distribution.distinct for profile in history.filled.values())
    count = f"{distinct:,} distinct values" if distinct else f"up to {most:,} distinct values a date"
    pattern = pattern_of(history.shapes) if max(distinct, most) >= MIN_CODES else None
    checks = {"pattern": ProposedValue(pattern, f"all {history.values:,} values")} if pattern else {}
    return _Suggestion(checks, (count, *_open_set_remarks(history)))


def _suggest_for_numbers(name: str, history: ColumnHistory, source: SourceTraits, quarantine: bool) -> _Suggestion:
    if infinite := sum(profile.infinite for profile in history.profiles.values()):
        return _Suggestion({}, (f"{infinite:,} values are infinite: no bounds",))
    if part := part_of_date(name, history):
        return _Suggestion({}, ("the file's date" if part[0] == "date" else f"the {part[0]} of the file's date",))
    if is_clock(history):
        evidence = "written HHMM"
        return _Suggestion({"min": ProposedValue(0, evidence), "max": ProposedValue(2400, evidence)})
    if history.kind == "integer" and all(profile.is_calendar for profile in history.filled.values()):
        return _Suggestion({}, ("dates written YYYYMMDD: no bounds",))
    if history.kind == "integer" and is_closed(history):
        return _suggest_for_few_integers(history)
    if is_identifier(name, history, source):
        return _Suggestion({}, ("an identifier: no bounds",))
    low, high = (propose_bound(history.side(upper, quarantine)) for upper in (False, True))
    if total := _total(history):
        largest, smallest = (format_number(history.side(upper, quarantine).extreme) for upper in (True, False))
        high = Bound(int(total), f"maximum {largest}, never above {format_number(total)}", {})
        low = low if (low.value or 0) > 0 else Bound(0, f"minimum {smallest}", {})
    checks = {
        check: ProposedValue(bound.value, bound.evidence)
        for check, bound in (("min", low), ("max", high))
        if bound.value is not None
    }
    return _Suggestion(checks, tuple(bound.evidence for bound in (low, high) if bound.value is None), (low, high))


def _suggest_for_few_integers(history: ColumnHistory) -> _Suggestion:
    evidence = _value_evidence(history)
    numbers = sorted(int(value) for value in history.dates_of_values)
    if numbers == list(range(numbers[0], numbers[-1] + 1)) and len(numbers) > 2:
        evidence = f"{evidence}, without a gap"
        return _Suggestion({"min": ProposedValue(numbers[0], evidence), "max": ProposedValue(numbers[-1], evidence)})
    return _Suggestion({"values": ProposedValue(numbers, evidence)})


def is_closed(history: ColumnHistory) -> bool:
    """Whether the distinct values are few and each occurs on nearly every date, so that others are unlikely."""
    days, counts = len(history.filled), history.dates_of_values
    return days >= MIN_DATES and 0 < len(counts) <= MAX_VALUES and min(counts.values()) >= NEARLY_ALL * days


def is_identifier(name: str, history: ColumnHistory, source: SourceTraits) -> bool:
    """Whether integers are identifiers, not measures: as they are part of the key, by their name, or as all differ."""
    if history.kind != "integer":
        return False
    distributions = [profile.distribution for profile in history.filled.values()]
    differ = all(daily.distinct == daily.rows - daily.missing for daily in distributions)
    return name in source.key or bool(IDENTIFIER.search(name)) or (differ and history.values >= MIN_IDENTIFIERS)


def _total(history: ColumnHistory) -> float | None:
    """1 of shares, 100 of percentages: numbers that never exceed it and come near to it on most dates."""
    low, high = history.side(False, False), history.side(True, False)
    if history.kind == "integer" or low.extreme < 0 or len(high.extremes) < MIN_DATES:
        return None
    for total in TOTALS:
        near = [day for day, values in high.extremes.items() if values[0][0] >= NEAR_TOTAL * total]
        if high.extreme == total or (high.extreme < total and 2 * len(near) >= len(high.extremes)):
            return total
    return None


def _value_evidence(history: ColumnHistory) -> str:
    counts, days = history.dates_of_values, len(history.filled)
    values = f"{len(counts)} value{'s' if len(counts) > 1 else ''}"
    least = min(counts.values())
    return f"{values} on all {days} dates" if least == days else f"{values}, each on at least {least} of {days} dates"


def _open_set_remarks(history: ColumnHistory) -> Iterator[str]:
    """Why a few distinct values are not proposed as the only ones allowed."""
    counts, days = history.dates_of_values, sorted(history.filled)
    if not 0 < len(counts) <= MAX_VALUES:
        return
    if len(days) < MIN_DATES:
        yield f"on {len(days)} date{'s' if len(days) > 1 else ''}, so other values are possible"
        return
    first_dates: dict[str, date] = {}
    for day in days:
        for value in history.profiles[day].distribution.counts:
            first_dates.setdefault(value, day)
    late = days[int(LATE * len(days))]
    new = [value for value, day in first_dates.items() if day >= late]
    rarest = min(counts, key=lambda value: (counts[value], value))
    if new:
        yield f"{len(new)} first on or after {late}, so other values are likely"
    else:
        yield f"{quote(rarest)} on {counts[rarest]} of {len(days)} dates, so other values are possible"


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
