"""Readings: every key of a source either decides the values of its table, and is in the reading, or is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightshift.definition.load import load_definition
from nightshift.definition.reading import source_readings
from nightshift.definition.source import Column, CsvFormat, Source
from unit.definition.test_recipe import DEFINITION, definition

PLAN = """
  plan:
    description: The machines that run on a day.
    path: plan-{date}.csv.gz
    available: {after: 1h}
    key: [machine]
    columns:
      machine: {type: string, required: true}
      load: {type: number, required: true, min: 0, max: 1}
      made_on: {type: date}
      note: {type: string}
"""
ALL = {"machine", "load", "made_on", "note"}
FOLDER = "    path: plan-{date}.csv.gz\n"
NOTE = "      note: {type: string}\n"
LOOKED_UP = f"""\
{NOTE}      maker: {{type: string, lookup: register}}
    lookups: {{register: {{source: makers, key: [machine]}}}}
  makers:
    description: Who made the machines.
    path: makers-{{date}}.parquet
    cadence: irregular
    available: {{after: 0h}}
    key: [machine]
    columns: {{machine: {{type: string}}, maker: {{type: string}}}}
"""

# A key of a source, of `csv` or of a column; an edit of the declaration; and the columns that it reads otherwise.
EDITS = [
    ("path", FOLDER, FOLDER.replace("plan-", "plans/plan-"), set()),
    ("query", FOLDER, "    query: {connection: shop, sql: 'select {date}', dates: select 1}\n    timezone: UTC\n", ALL),
    ("table", FOLDER, "    table: {catalog: lake, name: web.plan, date: day}\n    timezone: UTC\n", set()),
    ("csv", FOLDER, f"{FOLDER}    csv: {{}}\n", set()),
    ("csv.separator", FOLDER, f'{FOLDER}    csv: {{separator: ";"}}\n', ALL),
    ("csv.quote", FOLDER, f'{FOLDER}    csv: {{quote: "\'"}}\n', ALL),
    ("csv.quote", FOLDER, f"{FOLDER}    csv: {{quote: none}}\n", ALL),
    ("csv.escape", FOLDER, f'{FOLDER}    csv: {{escape: "\\\\"}}\n', ALL),
    ("csv.null", FOLDER, f'{FOLDER}    csv: {{null: ["-999"]}}\n', ALL),
    ("csv.encoding", FOLDER, f"{FOLDER}    csv: {{encoding: cp1252}}\n", ALL),
    ("csv.thousands", FOLDER, f'{FOLDER}    csv: {{thousands: ","}}\n', {"load"}),
    ("csv.decimal", FOLDER, f'{FOLDER}    csv: {{decimal: ","}}\n', {"load"}),
    ("timezone", FOLDER, f"{FOLDER}    timezone: Europe/Berlin\n", {"made_on"}),
    ("timezone", FOLDER, f"{FOLDER}    timezone: UTC\n", set()),
    ("columns", "      note: {type: string}\n", "      note: {type: string}\n      more: {type: string}\n", {"more"}),
    ("columns.type", "load: {type: number, required: true, min: 0, max: 1}", "load: {type: integer}", {"load"}),
    ("columns.from_", "note: {type: string}", "note: {type: string, from: Note}", {"note"}),
    ("columns.from_", "note: {type: string}", "note: {type: string, from: note}", set()),
    ("columns.lookup", NOTE, LOOKED_UP, {"maker"}),
    ("lookups", NOTE, LOOKED_UP, {"maker"}),
    ("columns.description", "note: {type: string}", "note: {type: string, description: A text}", set()),
    ("columns.required", "note: {type: string}", "note: {type: string, required: true}", set()),
    ("columns.severity", "note: {type: string}", "note: {type: string, required: true, severity: warn}", set()),
    ("columns.pattern", "note: {type: string}", 'note: {type: string, pattern: "^a"}', set()),
    ("columns.values", "note: {type: string}", "note: {type: string, values: [a]}", set()),
    ("columns.min", "min: 0,", "min: -1,", set()),
    ("columns.max", "max: 1}", "max: 2}", set()),
    ("description", "description: The machines", "description: All machines", set()),
    ("available", "available: {after: 1h}", "available: {after: 2h}", set()),
    ("key", "    key: [machine]\n", "    key: [machine, note]\n", set()),
    ("cadence", FOLDER, f"{FOLDER}    cadence: daily\n", set()),
    ("restates", FOLDER, f"{FOLDER}    restates: 3d\n", set()),
    ("repeats", FOLDER, f"{FOLDER}    repeats: allow\n", set()),
    ("rows", FOLDER, f"{FOLDER}    rows: {{min: 1}}\n", set()),
    ("uncounted", FOLDER, f"{FOLDER}    uncounted: 0.5\n", set()),
    ("quarantine", FOLDER, f"{FOLDER}    quarantine: {{share: 0.1}}\n", set()),
    ("derived", FOLDER, f"{FOLDER}    derived: {{twice: {{expression: load * 2, type: number}}}}\n", set()),
]
# Further checks of rows, and what is computed of published rows.
NOT_READ = {"complete", "event_time", "rules", "references", "freshness", "expectations"}


def readings(folder: Path, plan: str) -> dict[str, str]:
    start, end = DEFINITION.index("\n  plan:"), DEFINITION.index("  failures:")
    text = DEFINITION[:start] + plan + DEFINITION[end:]
    text = text.replace("busy: {expression: load_percent,", "busy: {expression: length(machine),")
    return source_readings(definition(folder, text), "plan")


@pytest.mark.parametrize(("key", "old", "new", "changed"), EDITS)
def test_a_key_changes_the_reading_of_exactly_the_columns_whose_values_it_decides(
    tmp_path: Path, key: str, old: str, new: str, changed: set[str]
) -> None:
    assert PLAN.count(old) == 1, old
    then, now = readings(tmp_path / "then", PLAN), readings(tmp_path / "now", PLAN.replace(old, new))
    assert {name for name in now if then.get(name) != now[name]} == changed, key


def test_every_key_of_a_source_is_tried() -> None:
    """A new key has to be listed: it is part of the reading, or it is not."""
    tried = {key for key, *_ in EDITS}
    assert {name for name in Source.model_fields if name not in tried} == NOT_READ
    assert {f"csv.{name}" for name in CsvFormat.model_fields} <= tried
    assert {name for name in Column.model_fields if f"columns.{name}" not in tried} == {"usual"}


def test_null_words_are_a_set(tmp_path: Path) -> None:
    def plan(words: str) -> dict[str, str]:
        return readings(tmp_path, PLAN.replace(FOLDER, f"{FOLDER}    csv: {{null: {words}}}\n"))

    assert plan('["a", "b"]') == plan('["b", "a", "a"]') != plan('["a"]')


def test_a_plain_declaration_reads_csv_and_parquet_alike(tmp_path: Path) -> None:
    assert readings(tmp_path, PLAN) == readings(tmp_path, PLAN.replace(".csv.gz", ".parquet"))


def test_models_that_share_a_source_read_it_alike(tmp_path: Path) -> None:
    """Whatever the zone of their own schedules: it has a zone of its own."""
    text = (
        DEFINITION[: DEFINITION.index("\n  plan:")]
        + "\n  plan: shared\n"
        + DEFINITION[DEFINITION.index("  failures:") :]
    )
    (tmp_path / "sources").mkdir()
    body = "\n".join(line[4:] for line in PLAN.splitlines()[2:])
    (tmp_path / "sources" / "plan.yaml").write_text(f"timezone: Asia/Tokyo\n{body}\n")
    text = text.replace("busy: {expression: load_percent,", "busy: {expression: length(machine),")
    definition(tmp_path / "models", text)
    here = source_readings(load_definition(tmp_path / "models" / "tiny"), "plan")
    definition(tmp_path / "models", text.replace("timezone: UTC", "timezone: America/New_York"))
    assert source_readings(load_definition(tmp_path / "models" / "tiny"), "plan") == here
