"""Proposes a contract for a source from what its landed files look like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise
from statistics import median
from typing import Any

from nightshift.definition.base import LONGEST_NAME
from nightshift.definition.checks import UsualRowCount
from nightshift.definition.draft import Draft
from nightshift.profiling.alarms import RARELY, propose_usual_rows, row_ratios
from nightshift.profiling.columns import Setting, propose_column
from nightshift.profiling.ranges import rounded
from nightshift.profiling.survey import Survey
from nightshift.profiling.text import Part, Proposal, Told, written
from nightshift.profiling.times import freshness, time_rules

FEWER, MORE = 0.5, 2.0  # times the fewest and the most rows of any date
A_FEW = 3  # rows of a usual date that may be set aside
MOST_ASIDE = 0.1  # of the rows of a date, though they are more
WIDER = 2.0  # times the largest share of a date's rows that would have been set aside

ORDER = (
    "description", "path", "cadence", "available", "timezone", "restates", "event_time", "key", "rows", "repeats",
    "freshness", "quarantine", "columns", "derived", "rules", "references", "expectations",
)  # fmt: skip


def propose(model: str, name: str, draft: Draft, survey: Survey) -> Proposal:
    """Proposes what to declare of a source.

    What is declared stays, unless the files break it; then the evidence says so.

    Args:
        model: The model.
        name: The source.
        draft: What is declared of it already.
        survey: What was seen of its files.
    """
    given, source = draft.given, draft.source
    daily = is_daily(draft, list(survey.rows))
    key = _key(given, survey)
    setting = Setting(daily, tuple(key.value) if key else (), source.quarantine.share)
    columns, aside = _columns(draft, survey, setting)
    lines: dict[str, Told | Part | None] = {one: Told(value) for one, value in given.items()}
    lines.setdefault("description", Told("", f"say what a row of {name} tells"))
    lines.setdefault("available", Told({"after": "24h"}, "say how long after its midnight a date's file is there"))
    if "cadence" not in given and not daily:
        lines["cadence"] = Told("irregular", "there is no file for every date")
    lines |= {
        "key": key,
        "rows": _rows(given.get("rows") or {}, draft, survey, daily),
        "columns": Part(columns),
        "quarantine": _quarantine(given.get("quarantine"), draft, columns, aside, survey.rows),
        "rules": _rules(given.get("rules") or {}, survey, draft.zone),
    }
    if daily and source.repeats == "fail" and (twice := _twice(survey)):
        lines["repeats"] = Told("allow", twice)
    if daily and "freshness" not in given and (fresh := freshness(survey.columns, draft.zone)):
        lines["freshness"] = Part(fresh)
    told = {one: line for one in ORDER if (line := lines.get(one)) is not None}
    days = sorted(survey.rows)
    files = f"{len(days)} files, {days[0]} to {days[-1]}" if len(days) > 1 else f"the file of {days[0]}"
    heading = f"{model}, {name}: {files}, {sum(survey.rows.values()):,} rows"
    return Proposal(name, Part(told), f"Proposed by nightshift profile-source from {heading}", survey.notes)


def is_daily(draft: Draft, days: Sequence[date]) -> bool:
    """Whether there is a file for every date: as declared, or as most files follow each other."""
    if "cadence" in draft.given:
        return draft.source.cadence == "daily"
    ordered = sorted(days)
    gaps = [(after - before).days for before, after in pairwise(ordered)]
    return bool(gaps) and median(gaps) == 1


def _columns(draft: Draft, survey: Survey, setting: Setting) -> tuple[dict[str, Told | Part], Counter[date]]:
    """What to write of every column, those that are declared first; and of each date the rows that are set aside."""
    given = draft.given.get("columns") or {}
    found: dict[str, Told | Part] = {}
    aside: Counter[date] = Counter()
    for name in dict.fromkeys([*given, *survey.kinds]):
        told = given.get(name) or {}
        if name not in survey.kinds:
            lacking = Told(told.get("type", "string"), survey.lacking.get(name, "in none of the files"))
            found[name] = Part({"type": lacking, **{key: Told(value) for key, value in told.items() if key != "type"}})
            continue
        declared = draft.source.columns[name] if name in given else None
        column = propose_column(name, survey.kinds[name], survey.columns[name], told, declared, setting)
        found[name] = Part(column.lines)
        aside.update(column.aside)
    return found, aside


def _key(given: Mapping[str, Any], survey: Survey) -> Told | None:
    """The columns that identify a row: those that are declared, if they do."""
    declared, rows = list(given.get("key") or ()), sum(survey.rows.values())
    if declared and survey.declared_key:
        return Told(declared, f"no two of {rows:,} rows share it on a date")
    if survey.key is None:
        return None
    why = f"no two of {rows:,} rows share it on a date, where chance would have made {survey.key.chance:,.0f} pairs"
    if declared:
        why += f"; declared {' + '.join(declared)}, which is not unique"
    return Told(list(survey.key.columns), why)


def _rows(given: Mapping[str, Any], draft: Draft, survey: Survey, daily: bool) -> Part:
    """Bounds for the number of rows, and what is usual of it."""
    counts = survey.rows
    least, most = min(counts.values()), max(counts.values())
    empty = sum(not count for count in counts.values())
    fewest = rounded(least * FEWER, max(least * FEWER, 1), upper=False)
    found = {
        "min": Told(fewest, f"{least:,} seen" + (f", no row on {empty} of {len(counts)} dates" if empty else "")),
    }
    if most:
        found["max"] = Told(rounded(most * MORE, most, upper=True), f"{most:,} seen")
    bounds = draft.source.rows
    if "min" in given:
        found["min"] = _bound(found["min"], bounds.min, bounds.min <= least, bounds.min < fewest)
    if bounds.max is not None and most:
        found["max"] = _bound(found["max"], bounds.max, bounds.max >= most, bounds.max > found["max"].value)
    counted = {day: count for day, count in counts.items() if count}
    suggested = propose_usual_rows(counted) if daily else None
    if usual := _usual_rows(given.get("usual"), bounds.usual, suggested, counted):
        found["usual"] = usual
    return Part(found | {key: Told(value) for key, value in given.items() if key not in found})


def _usual_rows(
    given: Any, usual: UsualRowCount | None, suggested: Told | None, counts: Mapping[date, int]
) -> Told | None:
    """What is declared as usual of the rows; what the files suggest, if it would have stopped nights."""
    if usual is None:
        return suggested
    ratios = row_ratios(counts, usual.weeks)
    outside = sum(not usual.min <= ratio <= usual.max for ratio in ratios.values())
    said = f"{outside} of {len(ratios)} dates were outside" if ratios else ""
    if suggested is None or usual.severity == "warn" or outside <= RARELY * len(ratios):
        return Told(given, said)
    return Told(suggested.value, f"{suggested.why}; declared {written(given)}, {said}")


def _bound(suggested: Told, declared: int, holds: bool, looser: bool) -> Told:
    if not holds:
        return Told(suggested.value, f"{suggested.why}; declared {declared}")
    return Told(declared, suggested.why + (f"; the files suggest {suggested.value}" if looser else ""))


def _quarantine(
    given: Any, draft: Draft, columns: Mapping[str, Told | Part], aside: Mapping[date, int], rows: Mapping[date, int]
) -> Told | None:
    """Room for rows that are set aside: for those that would have been, and for a few of a usual date."""
    share = draft.source.quarantine.share
    most = max((count / rows[day] for day, count in aside.items()), default=0.0)
    usual = median([count for count in rows.values() if count] or [0])
    sets_aside = any("severity" in one.lines for one in columns.values() if isinstance(one, Part))
    few = min(A_FEW / usual, MOST_ASIDE) if usual and sets_aside and not given else 0.0
    if max(most, few) <= share:
        return Told(given) if given else None
    said = [f"up to {most:.2%} of a date's rows would have been set aside"] if most else []
    said += [f"{A_FEW} rows of a usual date's {usual:,g}"] if few > share else []
    return Told({"share": rounded(max(most * WIDER, few), 0.01, upper=True)}, "; ".join(said))


def _rules(given: Mapping[str, Any], survey: Survey, zone: str) -> Part | None:
    """The rules that are declared, and rules of time that hold in every row."""
    expressions = [str(one.get("expression")) for one in given.values()]
    found: dict[str, Told | Part] = {name: Told(rule, survey.rules.get(name, "")) for name, rule in given.items()}
    for name, rule in time_rules(survey.columns, survey.orders, zone, expressions):
        found.setdefault(name[:LONGEST_NAME], Part(rule))
    return Part(found) if found else None


def _twice(survey: Survey) -> str:
    """Where a file with rows is the same as another one."""
    days: dict[str, list[date]] = {}
    for day in sorted(survey.rows):
        if survey.rows[day]:
            days.setdefault(survey.digests[day], []).append(day)
    same = [found for found in days.values() if len(found) > 1]
    if not same:
        return ""
    number = sum(map(len, same)) - len(same)
    return f"{number} file{'s are' if number > 1 else ' is'} the same as one before, the first of {same[0][1]}"
