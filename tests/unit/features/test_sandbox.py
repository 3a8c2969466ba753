from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from nightshift.definition.load import load_definition
from nightshift.definition.model import ModelDefinition
from nightshift.errors import NightshiftError, NotYetAvailable, TerminalError
from nightshift.features.sandbox import publish_arrived_rows, raw_snapshots, sample_nights, sandbox_settings
from nightshift.lake.catalog import Lake
from nightshift.lake.publish import publish
from nightshift.lake.read import published_dates, read_dates, snapshot_of
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import features_table, raw_table
from nightshift.settings import Settings, SparkSettings
from unit.tables import EARLY, LATE, day

ALARMS = """
  alarms:
    description: A source that was declared later.
    path: alarms/{date}.csv
    available: {after: 1h}
    columns:
      machine: {type: string}
"""
# In the tiny model a night sees its own plan and the failures of the day before.


def land(lake: Lake, definition: ModelDefinition, source: str, rows: dict[date, str]) -> None:
    """Publishes a machine a day."""
    spec = raw_table(definition, source)
    listed = [{"source_date": when, "machine": name} for when, name in rows.items()]
    data = pa.Table.from_pylist(listed, schema=spec.schema)
    publish(lake, spec, stage_arrow(lake, spec, data, min(rows), max(rows), {}))


def compute(lake: Lake, definition: ModelDefinition, night: date) -> dict[str, int]:
    """Publishes features of a night, made from the raw tables as they are."""
    spec = features_table(definition)
    snapshots = {name: snapshot_of(lake, raw_table(definition, name).name) for name in definition.sources}
    inputs = {f"raw.{name}": str(snapshot) for name, snapshot in snapshots.items()}
    row = pa.Table.from_pylist([{"score_date": night, "machine": "a"}], schema=spec.schema)
    publish(lake, spec, stage_arrow(lake, spec, row, night, night, inputs))
    return snapshots


@pytest.fixture
def sandbox(settings: Settings, tmp_path: Path) -> Lake:
    return Lake(sandbox_settings(settings, tmp_path / "sandbox"))


def shown(sandbox: Lake, definition: ModelDefinition, source: str) -> dict[date, list[str]]:
    rows = read_dates(sandbox, raw_table(definition, source), EARLY, LATE).to_pylist()
    machines: dict[date, list[str]] = {}
    for row in rows:
        machines.setdefault(row["source_date"], []).append(row["machine"])
    return machines


@pytest.fixture
def landed(lake: Lake, tiny: ModelDefinition) -> Lake:
    """Six days of both sources, the third of which has no failures."""
    land(lake, tiny, "plan", {day(n): f"p{n}" for n in range(1, 7)})
    land(lake, tiny, "failures", {day(n): f"f{n}" for n in (1, 2, 4, 5, 6)})
    return lake


def test_a_world_shows_what_had_arrived_by_the_cutoff_and_no_more(
    landed: Lake, sandbox: Lake, tiny: ModelDefinition
) -> None:
    compute(landed, tiny, day(4))
    publish_arrived_rows(sandbox, landed, tiny, day(4))
    assert shown(sandbox, tiny, "plan") == {day(n): [f"p{n}"] for n in (1, 2, 3, 4)}
    assert shown(sandbox, tiny, "failures") == {day(n): [f"f{n}"] for n in (1, 2)}


def test_a_world_grows_night_by_night_and_what_it_showed_stays(
    landed: Lake, sandbox: Lake, tiny: ModelDefinition
) -> None:
    for number in (2, 5):
        compute(landed, tiny, day(number))
        publish_arrived_rows(sandbox, landed, tiny, day(number))
        assert sorted(shown(sandbox, tiny, "plan")) == [day(n) for n in range(1, number + 1)]
    assert shown(sandbox, tiny, "failures") == {day(n): [f"f{n}"] for n in (1, 2, 4)}
    before = snapshot_of(sandbox, "raw.plan")
    publish_arrived_rows(sandbox, landed, tiny, day(5))
    assert snapshot_of(sandbox, "raw.plan") == before


def test_a_sandbox_has_the_rows_that_the_features_were_computed_from(
    landed: Lake, sandbox: Lake, tiny: ModelDefinition
) -> None:
    """Not those of a day that was restated since; the night after it sees those."""
    compute(landed, tiny, day(4))
    land(landed, tiny, "failures", {day(2): "restated"})
    publish_arrived_rows(sandbox, landed, tiny, day(4))
    assert shown(sandbox, tiny, "failures")[day(2)] == ["f2"]
    compute(landed, tiny, day(5))
    publish_arrived_rows(sandbox, landed, tiny, day(5))
    assert shown(sandbox, tiny, "failures") == {day(1): ["f1"], day(2): ["restated"], day(4): ["f4"]}


def test_the_world_is_all_that_changes(landed: Lake, sandbox: Lake, tiny: ModelDefinition) -> None:
    snapshots = compute(landed, tiny, day(6))
    publish_arrived_rows(sandbox, landed, tiny, day(6))
    assert {name: snapshot_of(landed, f"raw.{name}") for name in snapshots} == snapshots
    assert Path(sandbox.warehouse.removeprefix("file://")) != Path(landed.warehouse.removeprefix("file://"))
    assert published_dates(landed, raw_table(tiny, "failures")).keys() == {day(n) for n in (1, 2, 4, 5, 6)}


def test_the_snapshots_of_a_night_are_the_inputs_of_its_features(landed: Lake, tiny: ModelDefinition) -> None:
    snapshots = compute(landed, tiny, day(4))
    land(landed, tiny, "plan", {day(7): "p7"})
    compute(landed, tiny, day(5))
    assert raw_snapshots(landed, tiny, day(4)) == snapshots


def test_a_night_that_is_not_published_is_worth_waiting_for(landed: Lake, tiny: ModelDefinition) -> None:
    with pytest.raises(NotYetAvailable, match=r"features\.tiny: 2024-01-04 is not published"):
        raw_snapshots(landed, tiny, day(4))


def test_a_night_from_before_a_source_was_declared_is_refused_in_words(
    landed: Lake, tiny: ModelDefinition, models: Path
) -> None:
    compute(landed, tiny, day(4))
    file = models / "tiny" / "model.yaml"
    text = file.read_text()
    file.write_text(text.replace("sources:\n", f"sources:\n{ALARMS}"))
    with pytest.raises(NightshiftError, match="alarms"):
        raw_snapshots(landed, load_definition(models / "tiny"), day(4))


def test_a_night_with_expired_snapshots_is_refused_with_a_reason(
    landed: Lake, sandbox: Lake, tiny: ModelDefinition
) -> None:
    snapshots = compute(landed, tiny, day(4))
    land(landed, tiny, "plan", {day(4): "restated"})
    landed.table("raw.plan").maintenance.expire_snapshots().by_ids([snapshots["plan"]]).commit()
    with pytest.raises(TerminalError, match=r"raw\.plan: snapshot \d+ is gone"):
        publish_arrived_rows(sandbox, landed, tiny, day(4))


def test_nights_are_drawn_without_repetition_and_reproducibly(landed: Lake, tiny: ModelDefinition) -> None:
    for number in (2, 3, 4, 5):
        compute(landed, tiny, day(number))
    drawn = [sample_nights(landed, tiny, 3, seed) for seed in (1, 1, 2, 3, 4)]
    assert drawn[0] == drawn[1]
    assert len({tuple(sample) for sample in drawn}) > 1
    assert all(sample == sorted(set(sample)) and len(sample) == 3 for sample in drawn)
    assert sample_nights(landed, tiny, 99, 1) == [day(2) + timedelta(days=n) for n in range(4)]


def test_only_nights_with_existing_raw_snapshots_are_drawn(landed: Lake, tiny: ModelDefinition, models: Path) -> None:
    expired = compute(landed, tiny, day(2))["plan"]
    land(landed, tiny, "plan", {day(6): "restated"})
    for number in (3, 4):
        compute(landed, tiny, day(number))
    landed.table("raw.plan").maintenance.expire_snapshots().by_ids([expired]).commit()
    assert all(sample_nights(landed, tiny, 3, seed) == [day(3), day(4)] for seed in range(5))
    file = models / "tiny" / "model.yaml"
    file.write_text(file.read_text().replace("sources:\n", f"sources:\n{ALARMS}"))
    with pytest.raises(NotYetAvailable, match=r"features\.tiny"):
        sample_nights(landed, load_definition(models / "tiny"), 3, 1)


def test_no_night_can_be_drawn_without_published_nights(lake: Lake, tiny: ModelDefinition) -> None:
    with pytest.raises(NotYetAvailable, match="no features are published"):
        sample_nights(lake, tiny, 1, 1)


@pytest.mark.parametrize(
    ("master", "used"), [("spark://host:7077", "spark://host:7077"), ("emr-serverless://00app", "local[*]")]
)
def test_jobs_run_where_their_drivers_see_the_sandbox(
    settings: Settings, tmp_path: Path, master: str, used: str
) -> None:
    chosen = settings.model_copy(update={"spark": SparkSettings(master=master, driver_memory="5g")})
    spark = sandbox_settings(chosen, tmp_path / "sandbox").spark
    assert (spark.master, spark.driver_memory) == (used, "5g")
