"""What is proposed of a column: from what was seen of it, and what is declared already."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from nightshift.definition.checks import STATISTICS, Statistic
from nightshift.definition.source import Column
from nightshift.profiling.alarms import alarms, propose_usual, told_alarms
from nightshift.profiling.look import Seen
from nightshift.profiling.ranges import FEWEST_DATES, Bound, bound_of, told
from nightshift.profiling.shapes import pattern_of
from nightshift.profiling.text import Told
from nightshift.profiling.times import is_clock, part_of_date
from nightshift.profiling.written import Kind, quote
from nightshift.quality.distributions import NUMBERS

FEW = 25  # different values that are listed
NEARLY_EVERY = 0.9  # of the dates have each of them
LATE = 2 / 3  # of the dates: values first seen after them are signs of a set that grows
FEWEST_CODES = 10  # different values with a shape in common
FEWEST_UNIQUE = 100  # values of a date that all differ, of an identifier
MOST_MIXED = 200  # different values, of which a mix is usual
OFTEN = 0.5  # of the rows: a rule that so many break is wrong, though it only warns
WHOLES = (1.0, 100.0)  # of shares and percentages
NEAR = 0.9  # of the whole, which they reach on most dates

ORDER = ("type", "description", "required", "min", "max", "values", "pattern", "severity", "usual")
VALUE_RULES = ("required", "min", "max", "values", "pattern")
OF_TEXTS = frozenset(("values", "pattern"))  # of which one is enough
IDENTIFIER = re.compile(r"(^|_)(id|ids|key|code|number|no|nr|num|uuid|zip|zipcode|postcode|postal|phone|account|sku)$")
ONE_ODD = "one odd value should not stop a night"


@dataclass(frozen=True)
class Setting:
    """What a column is part of.

    Attributes:
        daily: Whether there is a file for every date.
        key: The columns that identify a row.
        share: The largest share of a date's rows that may be set aside.
    """

    daily: bool
    key: tuple[str, ...]
    share: float


@dataclass(frozen=True)
class Lines:
    """What is proposed of a column.

    Attributes:
        lines: By key, as a definition writes it.
        aside: Of each date the rows that would be set aside.
    """

    lines: Mapping[str, Told]
    aside: Mapping[date, int]


@dataclass(frozen=True)
class _Suggestion:
    """What the files by themselves suggest: rules, what the column is, and its bounds to both sides."""

    rules: Mapping[str, Told]
    nature: tuple[str, ...] = ()
    bounds: tuple[Bound, ...] = ()


def propose_column(
    name: str, kind: Kind, seen: Seen, given: Mapping[str, Any], declared: Column | None, setting: Setting
) -> Lines:
    """What to write of a column.

    What is declared stays where the files satisfy it, or break it so rarely that it only sets rows aside or warns.

    Args:
        name: The column.
        kind: Its type.
        seen: What was seen of it.
        given: What is declared of it, as it is written.
        declared: The same, read.
        setting: What it is part of.
    """
    severity = given.get("severity") or ("fail" if name in setting.key or _is_ruled(given) else "quarantine")
    suggestion = _suggest(name, seen, setting, aside=severity != "fail")
    ruled = [rule for rule in VALUE_RULES if rule in given]
    stays = {rule for rule in ruled if declared is not None and _stays(rule, seen, declared, setting)}
    lines = {rule: line for rule, line in suggestion.rules.items() if not (rule in OF_TEXTS and OF_TEXTS & stays)}
    for rule in stays:
        lines[rule] = _kept(rule, seen, given[rule], declared, suggestion.rules.get(rule))
    said = [kind.why, *suggestion.nature, *(_gone(rule, seen, given[rule]) for rule in ruled if rule not in stays)]
    if "severity" in given and lines:
        lines["severity"] = Told(given["severity"])
    elif severity == "quarantine" and lines.keys() & {"min", "max", "pattern"}:
        lines["severity"] = Told(severity, ONE_ODD)
    if usual := _usual(name, seen, given, declared, setting, "values" in lines):
        lines["usual"] = usual
    lines["type"] = Told(kind.name, "; ".join(one for one in said if one))
    if "description" in given:
        lines["description"] = Told(given["description"])
    beyond = [one for side, one in zip(("min", "max"), suggestion.bounds, strict=False) if side not in stays]
    aside = Counter[date]()
    for bound in beyond:
        aside.update(bound.aside)
    return Lines({key: lines[key] for key in ORDER if key in lines}, aside)


def _is_ruled(given: Mapping[str, Any]) -> bool:
    """Whether values are declared to be restricted, and so what follows where they are not."""
    return bool({"min", "max", "values", "pattern"} & set(given))


def _stays(rule: str, seen: Seen, declared: Column, setting: Setting) -> bool:
    """Whether a declared rule would have let the files pass."""
    if (rule in {"min", "max"} and seen.kind not in NUMBERS) or (rule == "pattern" and seen.kind != "string"):
        return False
    broken = seen.broken(rule)
    if declared.severity == "fail":
        return not broken
    often = sum(broken.values()) > OFTEN * seen.total
    few = declared.severity == "warn" or all(count <= setting.share * seen.rows[day] for day, count in broken.items())
    return few and not often


def _gone(rule: str, seen: Seen, value: Any) -> str:
    """A declared rule that the files break, or that does not fit the type."""
    number = sum(seen.broken(rule).values())
    return f"declared {rule}: {value}" + (f", which {number:,} of {seen.total:,} rows break" if number else "")


def _kept(rule: str, seen: Seen, value: Any, declared: Column | None, suggested: Told | None) -> Told:
    """A declared rule, with what was seen."""
    said = [suggested.why if suggested else ""]
    if broken := seen.broken(rule):
        said.append(f"{sum(broken.values()):,} of {seen.total:,} rows break it")
    elif suggested and _is_looser(rule, getattr(declared, rule), suggested.value):
        said.append(f"the files suggest {suggested.value}")
    return Told(value, "; ".join(one for one in said if one))


def _is_looser(rule: str, value: Any, suggested: Any) -> bool:
    if rule == "values":
        return set(value) > set(suggested)
    return (rule == "min" and value < suggested) or (rule == "max" and value > suggested)


def _suggest(name: str, seen: Seen, setting: Setting, aside: bool) -> _Suggestion:
    rules: dict[str, Told] = {}
    nature = []
    if seen.total and not seen.missing:
        rules["required"] = Told(True, f"0 of {seen.total:,} missing")
    elif 0 < seen.missing < seen.total:
        nature.append(f"{seen.missing:,} of {seen.total:,} missing")
    if not seen.values:
        return _Suggestion(rules)
    if seen.kind == "string":
        texts = _of_texts(seen)
        return _Suggestion({**rules, **texts.rules}, (*texts.nature, *nature))
    if seen.kind in NUMBERS:
        numbers = _of_numbers(name, seen, setting, aside)
        return _Suggestion({**rules, **numbers.rules}, (*numbers.nature, *nature), numbers.bounds)
    return _Suggestion(rules, tuple(nature))


def _of_texts(seen: Seen) -> _Suggestion:
    number = len(seen.dates_of_values)
    if is_closed(seen):
        values = sorted(seen.dates_of_values)
        return _Suggestion({"values": Told(values, _on_dates(seen))})
    most = max(one.profile.distinct for one in seen.told.values())
    nature = [f"{number:,} different values" if number else f"up to {most:,} different values a date", *_open(seen)]
    pattern = pattern_of(seen.shapes) if max(number, most) >= FEWEST_CODES else None
    rules = {"pattern": Told(pattern, f"all {seen.values:,} values")} if pattern else {}
    return _Suggestion(rules, tuple(nature))


def _of_numbers(name: str, seen: Seen, setting: Setting, aside: bool) -> _Suggestion:
    if infinite := sum(one.infinite for one in seen.looks.values()):
        return _Suggestion({}, (f"{infinite:,} values are infinite: no bounds",))
    if part := part_of_date(name, seen):
        return _Suggestion({}, ("the file's date" if part[0] == "date" else f"the {part[0]} of the file's date",))
    if is_clock(seen):
        why = "written HHMM"
        return _Suggestion({"min": Told(0, why), "max": Told(2400, why)})
    if seen.kind == "integer" and all(one.dates for one in seen.told.values()):
        return _Suggestion({}, ("dates written YYYYMMDD: no bounds",))
    if seen.kind == "integer" and is_closed(seen):
        numbers = sorted(int(value) for value in seen.dates_of_values)
        if numbers == list(range(numbers[0], numbers[-1] + 1)) and len(numbers) > 2:
            why = f"{_on_dates(seen)}, without a gap"
            return _Suggestion({"min": Told(numbers[0], why), "max": Told(numbers[-1], why)})
        return _Suggestion({"values": Told(numbers, _on_dates(seen))})
    if is_identifier(name, seen, setting):
        return _Suggestion({}, ("an identifier: no bounds",))
    low, high = (bound_of(seen.side(upper, aside)) for upper in (False, True))
    if whole := _whole(seen):
        why = f"{told(seen.side(True, aside).seen)} seen, never above {told(whole)}"
        high = Bound(int(whole), why, {})
        low = low if (low.value or 0) > 0 else Bound(0, f"{told(seen.side(False, aside).seen)} seen", {})
    rules = {key: Told(one.value, one.why) for key, one in (("min", low), ("max", high)) if one.value is not None}
    nature = tuple(one.why for one in (low, high) if one.value is None)
    return _Suggestion(rules, nature, (low, high))


def is_closed(seen: Seen) -> bool:
    """Whether the values are few, and each of them is on nearly every date: then there are hardly others."""
    days, known = len(seen.told), seen.dates_of_values
    return days >= FEWEST_DATES and 0 < len(known) <= FEW and min(known.values()) >= NEARLY_EVERY * days


def is_identifier(name: str, seen: Seen, setting: Setting) -> bool:
    """Whether integers tell things apart instead of measuring them: by their use, their name, or as all differ."""
    if seen.kind != "integer":
        return False
    profiles = [one.profile for one in seen.told.values()]
    differ = all(one.distinct == one.rows - one.missing for one in profiles) and seen.values >= FEWEST_UNIQUE
    return name in setting.key or bool(IDENTIFIER.search(name)) or differ


def _whole(seen: Seen) -> float | None:
    """1 of shares, 100 of percentages: numbers that never go beyond it and come near on most dates."""
    low, high = seen.side(False, False), seen.side(True, False)
    if seen.kind == "integer" or low.seen < 0 or len(high.extremes) < FEWEST_DATES:
        return None
    for whole in WHOLES:
        near = [day for day, one in high.extremes.items() if one[0][0] >= NEAR * whole]
        if high.seen == whole or (high.seen < whole and 2 * len(near) >= len(high.extremes)):
            return whole
    return None


def _on_dates(seen: Seen) -> str:
    known, days = seen.dates_of_values, len(seen.told)
    number = f"{len(known)} value{'s' if len(known) > 1 else ''}"
    least = min(known.values())
    return f"{number} on all {days} dates" if least == days else f"{number}, each on at least {least} of {days} dates"


def _open(seen: Seen) -> Iterator[str]:
    """Why a small set of values is not taken for all there are."""
    known, days = seen.dates_of_values, sorted(seen.told)
    if not 0 < len(known) <= FEW:
        return
    if len(days) < FEWEST_DATES:
        yield f"on {len(days)} date{'s' if len(days) > 1 else ''}, so there may be others"
        return
    first: dict[str, date] = {}
    for day in days:
        for value in seen.looks[day].profile.counts:
            first.setdefault(value, day)
    late = days[int(LATE * len(days))]
    new = [value for value, day in first.items() if day >= late]
    rarest = min(known, key=lambda value: (known[value], value))
    if new:
        yield f"{len(new)} first seen since {late}, so there will be others"
    else:
        yield f"{quote(rarest)} on {known[rarest]} of {len(days)} dates, so there may be others"


def _usual(
    name: str, seen: Seen, given: Mapping[str, Any], declared: Column | None, setting: Setting, closed: bool
) -> Told | None:
    declared_usual = declared.usual if declared else None
    if "usual" in given and set(declared_usual.of if declared_usual else ()) <= set(STATISTICS[seen.kind]):
        if declared_usual is None or not setting.daily:
            return Told(given["usual"])
        outside, days = alarms(name, seen.kind, declared_usual, seen.profiles)
        return Told(given["usual"], told_alarms(outside, days) if days else "")
    if not setting.daily or not seen.values:
        return None
    wanted: list[Statistic] = ["missing"] if seen.missing else []
    few = 0 < len(seen.dates_of_values) <= MOST_MIXED
    finite = not any(one.infinite for one in seen.looks.values())
    telling = finite and not (is_identifier(name, seen, setting) or part_of_date(name, seen))
    if seen.kind in NUMBERS and telling:
        wanted += ["mean", "spread"]
    unique = all(one.distinct == one.rows - one.missing for one in seen.profiles.values())
    if seen.kind == "boolean" or (seen.kind == "string" and few and not unique):
        wanted.append("mix")
    if seen.kind == "string" and not unique and not closed:
        wanted.append("distinct")
    return propose_usual(name, seen.kind, seen.profiles, wanted)
