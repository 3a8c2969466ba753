"""When the events of landed rows happened: which column tells it, and how many rows no feature would count by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.source import Source
from nightshift.profiling.proposal import ProposedValue
from nightshift.profiling.times import sql_name
from nightshift.quality.staged_rows import InProcessRows
from nightshift.quality.uncounted import EARLY, LATE, MISSING, count_conditions, event_time_conditions

# Numbers that count from 1970, by the units of the years 2001 to 2096: no other numbers of a column are all so large.
EPOCH_UNITS: Mapping[str, tuple[float, str]] = {
    "seconds": (1, "timestamp_seconds({name})"),
    "milliseconds": (1e3, "timestamp_millis({name})"),
    "microseconds": (1e6, "timestamp_micros({name})"),
    "nanoseconds": (1e9, "timestamp_micros({name} div 1000)"),
}
# Texts of instants by the source's clock that are not ISO 8601, by the notation in which Spark reads them. Where it
# leaves open what is day and what is month, the dates of the files decide.
TEXT_INSTANT = "cast(to_timestamp({name}, '{form}') as timestamp_ntz)"
TEXT_FORMS: Mapping[str, str] = {
    "dd.MM.yyyy HH:mm": r"^\d\d\.\d\d\.\d{4} \d\d:\d\d$",
    "dd.MM.yyyy HH:mm:ss": r"^\d\d\.\d\d\.\d{4} \d\d:\d\d:\d\d$",
    "dd/MM/yyyy HH:mm": r"^\d\d/\d\d/\d{4} \d\d:\d\d$",
    "dd/MM/yyyy HH:mm:ss": r"^\d\d/\d\d/\d{4} \d\d:\d\d:\d\d$",
    "MM/dd/yyyy HH:mm": r"^\d\d/\d\d/\d{4} \d\d:\d\d$",
    "MM/dd/yyyy HH:mm:ss": r"^\d\d/\d\d/\d{4} \d\d:\d\d:\d\d$",
}
FIRST_SECOND, LAST_SECOND = 1e9, 4e9


@dataclass
class RowCounts:
    """Rows by when their event happened; a problem if that cannot be computed."""

    rows: int = 0
    late: int = 0
    early: int = 0
    missing: int = 0
    problem: str = ""


class EventTimes:
    """Counts rows by when their event happened: as declared, or by each column that may tell it.

    Args:
        source: The source, with the types of the files' columns.
        zone: The time zone of its dates and clock.
    """

    def __init__(self, source: Source, zone: str) -> None:
        self._source, self._zone = source, zone
        self.declared = source.event_time
        candidates = [self.declared] if self.declared else _timestamps(source)
        self.counts: dict[str, RowCounts] = {expression: RowCounts() for expression in candidates}
        integers = [name for name, kind in source.landed.items() if kind == "integer"]
        self._epochs = {} if self.declared else {name: set(EPOCH_UNITS) for name in integers}
        texts = [name for name, kind in source.landed.items() if kind == "string"]
        self._texts = {} if self.declared else {name: set(TEXT_FORMS) for name in texts}

    def add_file(self, rows: pa.Table) -> None:
        """Counts the rows of one file."""
        for name, units in self._epochs.items():
            units &= _units(rows[name])
            epochs = {unit: expression.format(name=spark_name(name)) for unit, (_, expression) in EPOCH_UNITS.items()}
            self._keep(epochs, units)
        for name, forms in self._texts.items():
            forms &= _text_forms(rows[name])
            texts = {form: TEXT_INSTANT.format(name=spark_name(name), form=form) for form in TEXT_FORMS}
            self._keep(texts, forms)
        for expression, counts in self.counts.items():
            self._count(expression, counts, rows)

    def _keep(self, expressions: Mapping[str, str], possible: set[str]) -> None:
        """Goes on with the expressions that the values of every file so far allow."""
        for name, expression in expressions.items():
            if name in possible:
                self.counts.setdefault(expression, RowCounts())
            else:
                self.counts.pop(expression, None)

    def _count(self, expression: str, counts: RowCounts, rows: pa.Table) -> None:
        source = self._source.model_copy(update={"event_time": expression})
        conditions = list(event_time_conditions(source, self._zone))
        for condition, count in zip(conditions, count_conditions(conditions, InProcessRows(rows, {})), strict=True):
            if isinstance(count, str):
                counts.problem = count
                continue
            counts.late += count if condition.statistic == LATE else 0
            counts.early += count if condition.statistic == EARLY else 0
            counts.missing += count if condition.statistic == MISSING else 0
        counts.rows += rows.num_rows


def propose_event_time(counts: Mapping[str, RowCounts], declared: str | None) -> ProposedValue | None:
    """The declared event time with what the files show; else the first by which every event is of its file's date."""
    if declared is not None:
        return ProposedValue(declared, _evidence(counts.get(declared, RowCounts())))
    for expression, count in counts.items():
        if count.rows and not (count.problem or count.late or count.early or count.missing):
            return ProposedValue(expression, f"in all {count.rows:,} rows within the date of the file")
    return None


def event_time_notes(counts: Mapping[str, RowCounts], proposed: ProposedValue | None) -> list[str]:
    """What would be left out by each event time that is declared or could be, where rows would be."""
    notes = []
    for expression, count in counts.items():
        if count.problem or not count.late or (proposed and proposed.value != expression):
            continue
        notes.append(
            f"by {expression}, {_evidence(count)}: are the files dated by another column, or by another zone's clock? "
            "A row counts for the date of its file, and no aggregate counts one from after its file was available"
        )
    return notes


def spark_name(name: str) -> str:
    """A column's name in Spark SQL, quoted if it is a keyword."""
    return f"`{name}`" if sql_name(name) != name else name


def _evidence(count: RowCounts) -> str:
    if count.problem:
        return f"not computed here: {count.problem}"
    parts = [(count.late, "after the file was available"), (count.early, "before its date")]
    shares = [f"{number:,} of {count.rows:,} rows {when}" for number, when in parts if number]
    return ", ".join(shares) or f"in all {count.rows:,} rows within the date of the file"


def _timestamps(source: Source) -> list[str]:
    return [spark_name(name) for name, kind in source.landed.items() if kind == "timestamp"]


def _text_forms(values: pa.ChunkedArray) -> set[str]:
    """The notations that all values have; none without any value."""
    return {
        form
        for form, pattern in TEXT_FORMS.items()
        if pc.all(pc.match_substring_regex(values, pattern), min_count=1).as_py()
    }


def _units(values: pa.ChunkedArray) -> set[str]:
    """The units in which all values may count from 1970; all of them without any value."""
    bounds = pc.min_max(values)
    least, most = bounds["min"].as_py(), bounds["max"].as_py()
    if least is None:
        return set(EPOCH_UNITS)
    return {
        unit for unit, (scale, _) in EPOCH_UNITS.items() if FIRST_SECOND * scale <= least and most < LAST_SECOND * scale
    }
