"""Suggests the checks of a column from its profiles alone, regardless of what is declared."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from nightshift.profiling.bounds import MIN_DATES, Bound, format_number, propose_bound
from nightshift.profiling.column_profile import ColumnHistory
from nightshift.profiling.column_types import quote
from nightshift.profiling.proposal import ProposedValue
from nightshift.profiling.shapes import pattern_of
from nightshift.profiling.times import is_clock, part_of_date
from nightshift.quality.distributions import NUMBERS

MAX_VALUES = 25  # distinct values that are listed
NEARLY_ALL = 0.9  # of the dates have each of the listed values
LATE = 2 / 3  # of the dates: values that first appear later are signs of a set that grows
MIN_CODES = 10  # distinct values that a pattern needs
MIN_IDENTIFIERS = 100  # values that must all differ within their date
TOTALS = (1.0, 100.0)  # of shares and of percentages
NEAR_TOTAL = 0.9  # of the total, which they reach on most dates
IDENTIFIER = re.compile(r"(^|_)(id|ids|key|code|number|no|nr|num|uuid|zip|zipcode|postcode|postal|phone|account|sku)$")


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
class Suggestion:
    """What the files suggest regardless of what is declared.

    Attributes:
        checks: The suggested checks.
        remarks: What the values are, and why a check is not suggested.
        bounds: The lower and the upper bound of numbers.
    """

    checks: Mapping[str, ProposedValue]
    remarks: tuple[str, ...] = ()
    bounds: tuple[Bound, ...] = ()


def suggest_checks(name: str, history: ColumnHistory, source: SourceTraits, quarantine: bool) -> Suggestion:
    """Suggests the checks of a column.

    Args:
        name: The column.
        history: Its profiles.
        source: The traits of its source.
        quarantine: Whether rows that break them may be quarantined, so that outliers may lie beyond the bounds.
    """
    checks: dict[str, ProposedValue] = {}
    remarks = []
    if history.total and not history.missing:
        checks["required"] = ProposedValue(True, f"0 of {history.total:,} missing")
    elif 0 < history.missing < history.total:
        remarks.append(f"{history.missing:,} of {history.total:,} missing")
    if not history.values:
        return Suggestion(checks)
    if history.kind == "string":
        texts = _suggest_for_texts(history)
        return Suggestion({**checks, **texts.checks}, (*texts.remarks, *remarks))
    if history.kind in NUMBERS:
        numbers = _suggest_for_numbers(name, history, source, quarantine)
        return Suggestion({**checks, **numbers.checks}, (*numbers.remarks, *remarks), numbers.bounds)
    return Suggestion(checks, tuple(remarks))


def _suggest_for_texts(history: ColumnHistory) -> Suggestion:
    distinct = len(history.dates_of_values)
    if is_closed(history):
        return Suggestion({"values": ProposedValue(sorted(history.dates_of_values), _value_evidence(history))})
    most = max(profile.distribution.distinct for profile in history.filled.values())
    count = f"{distinct:,} distinct values" if distinct else f"up to {most:,} distinct values a date"
    pattern = pattern_of(history.shapes) if max(distinct, most) >= MIN_CODES else None
    checks = {"pattern": ProposedValue(pattern, f"all {history.values:,} values")} if pattern else {}
    return Suggestion(checks, (count, *_open_set_remarks(history)))


def _suggest_for_numbers(name: str, history: ColumnHistory, source: SourceTraits, quarantine: bool) -> Suggestion:
    if infinite := sum(profile.infinite for profile in history.profiles.values()):
        return Suggestion({}, (f"{infinite:,} values are infinite: no bounds",))
    if part := part_of_date(name, history):
        return Suggestion({}, ("the file's date" if part[0] == "date" else f"the {part[0]} of the file's date",))
    if is_clock(history):
        evidence = "written HHMM"
        return Suggestion({"min": ProposedValue(0, evidence), "max": ProposedValue(2400, evidence)})
    if history.kind == "integer" and all(profile.is_calendar for profile in history.filled.values()):
        return Suggestion({}, ("dates written YYYYMMDD: no bounds",))
    if history.kind == "integer" and is_closed(history):
        return _suggest_for_few_integers(history)
    if is_identifier(name, history, source):
        return Suggestion({}, ("an identifier: no bounds",))
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
    return Suggestion(checks, tuple(bound.evidence for bound in (low, high) if bound.value is None), (low, high))


def _suggest_for_few_integers(history: ColumnHistory) -> Suggestion:
    evidence = _value_evidence(history)
    numbers = sorted(int(value) for value in history.dates_of_values)
    if numbers == list(range(numbers[0], numbers[-1] + 1)) and len(numbers) > 2:
        evidence = f"{evidence}, without a gap"
        return Suggestion({"min": ProposedValue(numbers[0], evidence), "max": ProposedValue(numbers[-1], evidence)})
    return Suggestion({"values": ProposedValue(numbers, evidence)})


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
