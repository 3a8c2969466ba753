"""Proposes the contract of a source from the profile of its landed files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import pairwise
from statistics import median
from typing import Any

from nightshift.definition.base import LONGEST_NAME
from nightshift.definition.checks import UsualRowCount
from nightshift.definition.draft import Draft
from nightshift.profiling.alarms import MAX_ALARM_SHARE, propose_usual_rows, row_ratios
from nightshift.profiling.bounds import MIN_DATES, round_outward
from nightshift.profiling.columns import propose_column
from nightshift.profiling.event_times import event_time_notes, propose_event_time
from nightshift.profiling.proposal import Proposal, ProposedSection, ProposedValue, inline_yaml
from nightshift.profiling.source_profile import SourceProfile
from nightshift.profiling.suggestions import SourceTraits
from nightshift.profiling.times import freshness, time_rules

MIN_ROWS_FACTOR, MAX_ROWS_FACTOR = 0.5, 2.0  # times the fewest and the most rows of any date
QUARANTINE_ROWS = 3  # of a median date that may be quarantined
MAX_QUARANTINE_SHARE = 0.1  # of the rows of a date, for these rows
QUARANTINE_FACTOR = 2.0  # times the largest share of a date's rows that would have been quarantined

ORDER = (
    "description", "path", "complete", "csv", "cadence", "available", "timezone", "restates", "event_time", "key",
    "rows", "repeats", "freshness", "uncounted", "quarantine", "lookups", "columns", "derived", "rules", "references",
    "expectations",
)  # fmt: skip

Entries = dict[str, ProposedValue | ProposedSection]


def propose(model: str, name: str, draft: Draft, profile: SourceProfile) -> Proposal:
    """Proposes the section of a source.

    Declared entries stay, unless the files break them; then the evidence says so.

    Args:
        model: The model.
        name: The source.
        draft: The source as far as it is declared.
        profile: The profile of its files.
    """
    declared, source = draft.given, draft.source
    daily = is_daily(draft, profile.landed or list(profile.rows))
    key = _key(declared, profile)
    traits = SourceTraits(daily, tuple(key.value) if key else (), source.quarantine.share)
    columns, outlier_rows = _columns(draft, profile, traits)
    entries: dict[str, ProposedValue | ProposedSection | None] = {
        entry: ProposedValue(value) for entry, value in declared.items()
    }
    entries.setdefault("description", ProposedValue("", f"say what a row of {name} is"))
    entries.setdefault(
        "available",
        ProposedValue({"after": draft.uses.available_after}, "say how long after its midnight a date's file lands"),
    )
    if not daily and "cadence" not in declared and draft.uses.only_looked_up:
        entries["cadence"] = ProposedValue("irregular", "most dates have no file")
    event_time = propose_event_time(profile.event_times, source.event_time)
    notes = [*profile.notes, *event_time_notes(profile.event_times, event_time), *_cadence_notes(draft, profile, daily)]
    entries |= {
        "event_time": event_time,
        "key": key,
        "rows": _rows(declared.get("rows") or {}, draft, profile, daily),
        "columns": ProposedSection(columns),
        "quarantine": _quarantine(declared.get("quarantine"), draft, columns, outlier_rows, profile.rows),
        "rules": _rules(declared.get("rules") or {}, profile, draft.zone),
    }
    if daily and source.repeats == "fail" and (repeats := _repeated_files(profile)):
        entries["repeats"] = ProposedValue("allow", repeats)
    if daily and "freshness" not in declared and (fresh := freshness(profile.columns, draft.zone)):
        entries["freshness"] = ProposedSection(fresh)
    ordered = {entry: value for entry in ORDER if (value := entries.get(entry)) is not None}
    days = sorted(profile.rows)
    files = f"{len(days)} files, {days[0]} to {days[-1]}" if len(days) > 1 else f"the file of {days[0]}"
    heading = f"{model}, {name}: {files}, {sum(profile.rows.values()):,} rows"
    heading = f"Proposed by nightshift profile-source from {heading}"
    return Proposal(name, ProposedSection(ordered), heading, tuple(notes), draft.shared)


def is_daily(draft: Draft, days: Sequence[date]) -> bool:
    """Whether there is a file for every date: as declared, or if the median gap between files is one day.

    One file has no gap: it says nothing of the others.
    """
    if "cadence" in draft.given:
        return draft.source.cadence == "daily"
    gaps = [(after - before).days for before, after in pairwise(sorted(days))]
    return not gaps or median(gaps) == 1


def as_version(draft: Draft, days: Sequence[date], newest: date) -> Draft:
    """A source as a look-up, if its only file is of so long before the newest of all files that no other will come."""
    if "cadence" in draft.given or len(days) > 1 or (newest - days[0]).days < MIN_DATES:
        return draft
    irregular: dict[str, Any] = {"cadence": "irregular"}
    return replace(draft, given={**draft.given, **irregular}, source=draft.source.model_copy(update=irregular))


def _cadence_notes(draft: Draft, profile: SourceProfile, daily: bool) -> list[str]:
    """What to decide about dates without a file where the model does not say how the source is used."""
    if daily or "cadence" in draft.given or draft.uses.only_looked_up:
        return []
    return [
        f"most dates between the {len(profile.landed)} files have no file: a daily source waits for one on every date; "
        "if each file is a full version that is looked up, write `cadence: irregular`"
    ]


def _columns(draft: Draft, profile: SourceProfile, traits: SourceTraits) -> tuple[Entries, Counter[date]]:
    """The sections of all columns, the declared ones first; and the number of outlier rows by date."""
    declared = draft.given.get("columns") or {}
    sections: Entries = {}
    outlier_rows: Counter[date] = Counter()
    for name in dict.fromkeys([*declared, *profile.types]):
        entries = declared.get(name) or {}
        if name not in profile.types or entries.get("lookup"):
            reason = profile.undeclarable.get(name, "in none of the files")
            if entries.get("lookup"):
                reason = f"of the look-up {entries['lookup']}"
            unchanged = {key: ProposedValue(value) for key, value in entries.items() if key != "type"}
            sections[name] = ProposedSection(
                {"type": ProposedValue(entries.get("type", "string"), reason), **unchanged}
            )
            continue
        checks = draft.source.columns[name] if name in declared else None
        column = propose_column(name, profile.types[name], profile.columns[name], entries, checks, traits)
        landed = {"from": ProposedValue(profile.file_names[name])} if name in profile.file_names else {}
        sections[name] = ProposedSection(landed | dict(column.entries))
        outlier_rows.update(column.outlier_rows)
    return sections, outlier_rows


def _key(entries: Mapping[str, Any], profile: SourceProfile) -> ProposedValue | None:
    """The columns that identify a row: the declared ones, if they do."""
    declared, rows = list(entries.get("key") or ()), sum(profile.rows.values())
    if declared and profile.declared_key_is_unique:
        return ProposedValue(declared, f"unique within each date, in {rows:,} rows")
    if profile.key is None:
        return None
    pairs = f"{profile.key.chance_pairs:,.0f} equal pairs expected by chance"
    evidence = f"unique within each date, in {rows:,} rows; {pairs}"
    if declared:
        evidence += f"; declared {' + '.join(declared)}, which is not unique"
    return ProposedValue(list(profile.key.columns), evidence)


def _rows(declared: Mapping[str, Any], draft: Draft, profile: SourceProfile, daily: bool) -> ProposedSection:
    """Bounds for the number of rows, and its usual range."""
    counts = profile.rows
    least, most = min(counts.values()), max(counts.values())
    empty = sum(not count for count in counts.values())
    fewest = round_outward(least * MIN_ROWS_FACTOR, max(least * MIN_ROWS_FACTOR, 1), upper=False)
    no_rows = f", no row on {empty} of {len(counts)} dates" if empty else ""
    entries = {"min": ProposedValue(fewest, f"minimum {least:,}{no_rows}")}
    if most:
        entries["max"] = ProposedValue(round_outward(most * MAX_ROWS_FACTOR, most, upper=True), f"maximum {most:,}")
    bounds = draft.source.rows
    if "min" in declared:
        entries["min"] = _row_bound(entries["min"], bounds.min, bounds.min <= least, bounds.min < fewest)
    if bounds.max is not None and most:
        looser = bounds.max > entries["max"].value
        entries["max"] = _row_bound(entries["max"], bounds.max, bounds.max >= most, looser)
    filled = {day: count for day, count in counts.items() if count}
    suggested = propose_usual_rows(filled) if daily else None
    if usual := _usual_rows(declared.get("usual"), bounds.usual, suggested, filled):
        entries["usual"] = usual
    return ProposedSection(
        entries | {key: ProposedValue(value) for key, value in declared.items() if key not in entries}
    )


def _usual_rows(
    declared: Any, usual: UsualRowCount | None, suggested: ProposedValue | None, counts: Mapping[date, int]
) -> ProposedValue | None:
    """The declared usual range of the rows; what the files suggest if that would have stopped nights."""
    if usual is None:
        return suggested
    ratios = row_ratios(counts, usual.weeks)
    outside = sum(not usual.min <= ratio <= usual.max for ratio in ratios.values())
    evidence = f"{outside} of {len(ratios)} dates were outside" if ratios else ""
    if suggested is None or usual.severity == "warn" or outside <= MAX_ALARM_SHARE * len(ratios):
        return ProposedValue(declared, evidence)
    return ProposedValue(suggested.value, f"{suggested.evidence}; declared {inline_yaml(declared)}, {evidence}")


def _row_bound(suggested: ProposedValue, declared: int, holds: bool, looser: bool) -> ProposedValue:
    if not holds:
        return ProposedValue(suggested.value, f"{suggested.evidence}; declared {declared}")
    suggestion = f"; the files suggest {suggested.value}" if looser else ""
    return ProposedValue(declared, suggested.evidence + suggestion)


def _quarantine(
    declared: Any, draft: Draft, columns: Entries, outlier_rows: Mapping[date, int], rows: Mapping[date, int]
) -> ProposedValue | None:
    """A quarantine share with room for the outliers, and for a few rows of a median date."""
    share = draft.source.quarantine.share
    largest = max((count / rows[day] for day, count in outlier_rows.items()), default=0.0)
    median_rows = median([count for count in rows.values() if count] or [0])
    quarantines = any(
        "severity" in column.entries for column in columns.values() if isinstance(column, ProposedSection)
    )
    few = 0.0
    if median_rows and quarantines and not declared:
        few = min(QUARANTINE_ROWS / median_rows, MAX_QUARANTINE_SHARE)
    if max(largest, few) <= share:
        return ProposedValue(declared) if declared else None
    evidence = [f"up to {largest:.2%} of a date's rows would have been set aside"] if largest else []
    evidence += [f"{QUARANTINE_ROWS} rows of the median date's {median_rows:,g}"] if few > share else []
    proposed = round_outward(max(largest * QUARANTINE_FACTOR, few), 0.01, upper=True)
    return ProposedValue({"share": proposed}, "; ".join(evidence))


def _rules(declared: Mapping[str, Any], profile: SourceProfile, zone: str) -> ProposedSection | None:
    """The declared rules, and rules of time that hold in every row."""
    expressions = [str(rule.get("expression")) for rule in declared.values()]
    rules: Entries = {name: ProposedValue(rule, profile.rules.get(name, "")) for name, rule in declared.items()}
    for name, rule in time_rules(profile.columns, profile.orders, zone, expressions):
        rules.setdefault(name[:LONGEST_NAME], ProposedSection(rule))
    return ProposedSection(rules) if rules else None


def _repeated_files(profile: SourceProfile) -> str:
    """The number of files with rows that equal an earlier file, in words; empty if there is none."""
    by_digest: dict[str, list[date]] = {}
    for day in sorted(profile.rows):
        if profile.rows[day]:
            by_digest.setdefault(profile.digests[day], []).append(day)
    repeats = [days for days in by_digest.values() if len(days) > 1]
    if not repeats:
        return ""
    number = sum(map(len, repeats)) - len(repeats)
    return f"{number} file{'s repeat' if number > 1 else ' repeats'} an earlier file, the first on {repeats[0][1]}"
