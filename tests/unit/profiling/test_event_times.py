"""Which column tells when an event happened, and how many rows no feature would count by it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.definition.draft import find_draft
from nightshift.definition.load import load_definition
from nightshift.profiling.proposal import Proposal
from unit.examples import examples
from unit.profiling.shop import proposed

FIRST = date(2024, 3, 1)
PATH = "{date}.parquet"


def write(landing: Path, columns: Callable[[date], dict[str, Any]], dates: list[date]) -> None:
    for day in dates:
        pq.write_table(pa.table(columns(day)), landing / f"{day}.parquet")


def days(count: int, step: int = 1) -> list[date]:
    return [FIRST + timedelta(days=step * number) for number in range(count)]


def instants(day: date, *hours: int) -> list[datetime]:
    return [datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hour) for hour in hours]


@pytest.mark.parametrize(
    ("factor", "expression"),
    [
        (1, "timestamp_seconds(happened)"),
        (1_000, "timestamp_millis(happened)"),
        (1_000_000, "timestamp_micros(happened)"),
        (1_000_000_000, "timestamp_micros(happened div 1000)"),
    ],
)
def test_numbers_that_count_from_1970_tell_when_an_event_happened(tmp_path: Path, factor: int, expression: str) -> None:
    def columns(day: date) -> dict[str, Any]:
        return {"number": [1, 2], "happened": [int(at.timestamp()) * factor for at in instants(day, 3, 20)]}

    write(tmp_path, columns, days(5))
    proposal = proposed(tmp_path, path=PATH)
    assert proposal.values["event_time"] == expression
    assert f"{expression}  # in all 10 rows within the date of the file" in proposal.to_yaml()


def test_an_instant_of_the_file_s_date_is_the_event_time(tmp_path: Path) -> None:
    write(tmp_path, lambda day: {"timestamp": instants(day, 0, 23), "due": instants(day, 3, 50)}, days(3))
    proposal = proposed(tmp_path, path=PATH)
    assert proposal.values["event_time"] == "`timestamp`"
    assert proposal.notes == ()


def test_files_dated_by_another_column_are_noted_before_anything_is_built(tmp_path: Path) -> None:
    write(tmp_path, lambda day: {"paid": instants(day, -240, 5, 60, 600), "n": [1, 2, 3, 4]}, days(5))
    proposal = proposed(tmp_path, path=PATH)
    assert "event_time" not in proposal.values
    [note] = proposal.notes
    assert note.startswith(
        "by paid, 10 of 20 rows after the file was available, 5 of 20 rows before its date: are the files dated by "
    )


def declare(tmp_path: Path, text: str) -> Proposal:
    folder = tmp_path / "models" / "m"
    folder.mkdir(parents=True)
    (folder / "model.yaml").write_text(text)
    return proposed(tmp_path, find_draft(tmp_path / "models", "m", "orders"))


def test_a_declared_event_time_stays_with_what_the_files_show_of_it(tmp_path: Path) -> None:
    write(tmp_path, lambda day: {"at": instants(day, 5, 60), "n": [1, 2]}, days(5))
    text = "sources:\n  orders: {path: '{date}.parquet', available: {after: 48h}, event_time: at}\n"
    proposal = declare(tmp_path, text)
    assert "event_time: at  # 5 of 10 rows after the file was available" in proposal.to_yaml()
    assert len(proposal.notes) == 1


@pytest.mark.parametrize(
    ("features", "cadence", "notes"),
    [
        ("lookups: {order: {source: orders, key: [n]}}", "irregular", 0),
        ("aggregates: {count: {source: orders}}", None, 1),
        ("rows: {}", None, 1),
    ],
)
def test_only_a_source_that_is_looked_up_is_proposed_irregular(
    tmp_path: Path, features: str, cadence: str | None, notes: int
) -> None:
    write(tmp_path, lambda day: {"n": [1, 2]}, days(5, step=7))
    proposal = declare(tmp_path, f"sources: {{orders: {{path: '{{date}}.parquet'}}}}\nfeatures: {{{features}}}\n")
    assert (proposal.values.get("cadence"), len(proposal.notes)) == (cadence, notes)


MODEL = """
name: m
description: d
owner: o
schedule: {timezone: ZONE, at: "AT", start: 2024-01-01}
wait: {timeout: 1d, poll: 60s}
SOURCES
  outcomes:
    description: d
    path: outcomes-{date}.csv
    available: {after: 48h}
    key: KEY
    columns: COLUMNS
observations: {source: orders, key: KEY}
label: {source: outcomes, expression: "NAME is null"}
features: {rows: {constant: {expression: "1", type: number, description: d}}}
training:
  estimator: {class: sklearn.linear_model.LogisticRegression}
  impute: median
  period: 20d
  holdout: 5d
  cadence: "0 7 * * 1"
gate: {minimum: {roc_auc: 0.5}}
monitoring: {retrain: {nights: 1, of_last: 1, cooldown: 7d}}
"""
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    "code": st.sampled_from(["A1", "B2", "C3"]),
    "order": st.integers(0, 2**40),
    "ms": st.integers(1_700_000_000_000, 1_720_000_000_000),
    "timestamp": st.datetimes(datetime(2024, 2, 1), datetime(2024, 5, 1)).map(lambda at: at.replace(tzinfo=UTC)),
    "due": st.dates(date(2024, 2, 1), date(2024, 5, 1)),
    "number": st.floats(-1e6, 1e6),
    "flag": st.booleans(),
    "quarantine_rule": st.integers(0, 3),
    "Label X": st.sampled_from(["a", "b"]),
}

KINDS = dict.fromkeys(("text", "code", "Label X"), pa.string()) | {
    "due": pa.date32(),
    "flag": pa.bool_(),
    "timestamp": pa.timestamp("us", "UTC"),
    "number": pa.float64(),
}


@st.composite
def landed(draw: st.DrawFn) -> dict[date, pa.Table]:
    """Files of a few columns, of one date, of every date or of some."""
    names = draw(st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=5, unique=True))
    optional = draw(st.sets(st.sampled_from(names)))
    files = {}
    for day in days(draw(st.integers(1, 9)), draw(st.sampled_from([1, 1, 2, 7]))):
        rows = draw(st.integers(1, 12))
        possible = {name: VALUES[name] | st.none() if name in optional else VALUES[name] for name in names}
        values = {name: draw(st.lists(each, min_size=rows, max_size=rows)) for name, each in possible.items()}
        columns = {name: pa.array(column, KINDS.get(name, pa.int64())) for name, column in values.items()}
        files[day] = pa.table({"id": pa.array(range(rows), pa.int64())} | columns)
    return files


SCHEDULES = [("UTC", "00:00"), ("UTC", "06:00"), ("America/New_York", "00:00"), ("Asia/Tokyo", "23:30")]


@pytest.mark.slow
@examples(max_examples=25)
@given(files=landed(), schedule=st.sampled_from(SCHEDULES))
def test_a_pasted_proposal_of_observations_is_accepted(files: dict[date, pa.Table], schedule: tuple[str, str]) -> None:
    """Whatever has landed: the model is complete but for the columns of the source."""
    with TemporaryDirectory() as temporary:
        landing = Path(temporary)
        for day, table in files.items():
            pq.write_table(table, landing / f"{day}.parquet")
        folder = landing / "models" / "m"
        folder.mkdir(parents=True)
        text = MODEL.replace("ZONE", schedule[0]).replace("AT", schedule[1])
        (folder / "model.yaml").write_text(text.replace("SOURCES", "sources:"))
        proposal = proposed(landing, find_draft(landing / "models", "m", "orders", PATH))
        key = list(proposal.values.get("key") or ["id"])
        columns = ", ".join(f"{name}: {{type: {proposal.values['columns'][name]['type']}}}" for name in key)
        pasted = text.replace("SOURCES", proposal.to_yaml().rstrip("\n"))
        names = f"[{', '.join(key)}]"
        pasted = pasted.replace("KEY", names).replace("COLUMNS", f"{{{columns}}}").replace("NAME", f'\\"{key[0]}\\"')
        (folder / "model.yaml").write_text(pasted)
        assert load_definition(folder).sources["orders"].path == PATH
