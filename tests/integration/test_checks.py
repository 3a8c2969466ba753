"""What leakcheck and skew find: on a model of a dozen days, real Spark, faults planted by hand."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from unit.cli.commands import Command, commands_in_this_process

from nightshift.compute.job import SUBMITTERS, Job, run_job
from nightshift.lake.files import local_path
from nightshift.lake.landed_parts import landing_file
from nightshift.lake.publish import publish
from nightshift.lake.read import read_dates
from nightshift.lake.staging import load_staged, new_attempt, published_inputs, stage_arrow
from nightshift.lake.tables import features_table
from nightshift.project import Project
from nightshift.replay.landing import land
from nightshift.settings import PROJECT, Settings
from nightshift.stages.audit import audit
from nightshift.stages.history import build_history
from nightshift.stages.ingest import ingest
from nightshift.stages.leakcheck import check_leaks
from nightshift.stages.publish import publish as publish_staged
from nightshift.stages.skew import check_skew

pytestmark = pytest.mark.spark

FIRST, LAST = date(2024, 1, 1), date(2024, 1, 12)
NIGHT = LAST + timedelta(days=1)
TINY = Path(__file__).parents[1] / "models"

COMPUTED = """
  computed:
    rank: {type: number, description: Place by planned load, sources: [plan]}
    peek: {type: number, description: Whether it fails today, sources: [failures]}
"""

# `rank` is honest: it looks at the night's own observations. `peek` looks at what became of them.
TRANSFORM = """
from nightshift.lake.catalog import Lake
from nightshift.lake.read import read_dates
from nightshift.lake.tables import Layer, TableSpec
from nightshift.settings import get_settings


def transform(frame, cutoff):
    failures = TableSpec(Layer.RAW, "failures", {"machine": "string", "failed": "boolean"}, "source_date", ("machine",))
    today = read_dates(Lake(get_settings()), failures, cutoff.date(), cutoff.date()).to_pandas()
    failed = dict(zip(today.machine, today.failed.astype(float)))
    return frame.assign(rank=frame["load"].rank(), peek=[failed.get(machine, -1.0) for machine in frame.machine])
"""


@pytest.fixture(scope="module")
def jobs_in_this_process(jobs_in_this_process: None) -> Iterator[None]:
    """Also the model's own code reads the lake, in Spark's workers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SUBMITTERS, "local", "shared_session:SettingsInWorkers")
        yield


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, jobs_in_this_process: None) -> Project:
    """A dozen days of a model whose own code looks at what has not arrived."""
    folder = tmp_path_factory.mktemp("leaking")
    models = Path(shutil.copytree(TINY, folder / "models"))
    file = models / "tiny" / "model.yaml"
    text = file.read_text().replace("    available: {after: 24h}\n", "    available: {after: 24h}\n    restates: 3d\n")
    file.write_text(text.replace("\ntraining:", f"{COMPUTED}\ntraining:", 1))
    (models / "tiny" / "features.py").write_text(TRANSFORM)
    project = Project("tiny", Settings(home=PROJECT, var=folder / "var", models_folder=models))
    land(project, LAST + timedelta(days=1))  # the outcomes of the last day are there as well
    build_history(project, FIRST, LAST, lambda text: None)
    return project


def test_leakcheck_reports_exactly_the_feature_that_knows_the_future(project: Project) -> None:
    comparison = check_leaks(project, [FIRST + timedelta(days=4), LAST])
    assert {difference.feature for difference in comparison.differences} == {"peek"}
    assert len(comparison.differences) == 2 * 60
    assert {difference.recomputed for difference in comparison.differences} == {-1.0}
    assert {difference.published for difference in comparison.differences} == {0.0, 1.0}


@pytest.fixture
def nightshift(
    project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """Runs a command in this process."""
    with commands_in_this_process(project.settings.as_environment(), monkeypatch, capfd) as command:
        yield command


def test_the_command_says_so_and_fails(nightshift: Command) -> None:
    ended = nightshift("leakcheck", "tiny", "--dates", str(LAST), "--dates", str(FIRST + timedelta(days=4)))
    assert ended.code == 1, ended.out + ended.err
    assert "peek: 120" in ended.out
    assert "120 of 600 cells differ" in ended.out
    assert "label of tiny: 1 of 2 nights have no final label yet: not checked" in ended.out
    assert "label of tiny, 1 night: 0 of 60 cells differ when computed again without rows of other dates" in ended.out
    assert "Traceback" not in ended.err


def test_a_night_that_is_not_published_is_reported_in_one_line(nightshift: Command) -> None:
    ended = nightshift("skew", "tiny", "--night", "2030-01-01")
    assert ended.code == 2
    assert ended.err.strip().count("\n") == 0
    assert "features.tiny: 2030-01-01 is not published" in ended.err


def test_skew_reports_the_changed_cell(project: Project) -> None:
    spec, night = features_table(project.definition), FIRST + timedelta(days=6)
    assert not check_skew(project, night).differences
    rows, inputs = read_dates(project.lake, spec, night, night), published_inputs(project.lake, spec, night)
    values = rows["machine_failures_3d"].to_numpy().copy()
    changed = int(np.argmax(values > 0))
    values[changed] = np.nextafter(values[changed], 2) + 1e-6
    broken = rows.set_column(rows.column_names.index("machine_failures_3d"), "machine_failures_3d", pa.array(values))
    publish(project.lake, spec, stage_arrow(project.lake, spec, broken, night, night, inputs))
    [difference] = check_skew(project, night).differences
    assert difference.feature == "machine_failures_3d"
    assert difference.key[1] == rows["machine"][changed].as_py()
    assert difference.published - difference.recomputed == pytest.approx(1e-6, rel=1e-3)


def test_a_restated_day_rebuilds_its_tiles_and_changes_the_next_night(project: Project) -> None:
    restated = NIGHT - timedelta(days=2)
    file = local_path(
        landing_file(project.settings.landing_uri, "failures", project.definition.sources["failures"], restated).uri
    )
    table = pq.read_table(file)
    everyone = table.set_column(1, "failed", pa.array([True] * table.num_rows))
    pq.write_table(everyone, file)
    land(project, NIGHT)
    staged = ingest(project, NIGHT)
    assert [(staged_set.table, staged_set.first) for staged_set in map(load_staged, staged)] == [
        ("raw.plan", NIGHT),
        ("raw.failures", NIGHT - timedelta(days=1)),
        ("raw.failures", restated),
    ]
    publish_staged(project, audit(project, staged, NIGHT, "test").locations)
    arguments = ("--model", "tiny", "--from", str(NIGHT), "--attempt", new_attempt(NIGHT, NIGHT))
    staged = run_job(project.settings, Job("features", arguments), lambda line: None).staged
    tiles = [staged_set for staged_set in map(load_staged, staged) if staged_set.table == "tiles.failures"]
    assert [(staged_set.first, staged_set.split["days"]) for staged_set in tiles] == [(restated, 1)]
    publish_staged(project, staged)
    assert not check_skew(project, NIGHT).differences
    rates = read_dates(project.lake, features_table(project.definition), NIGHT, NIGHT)[
        "machine_failures_3d"
    ].to_pylist()
    assert min(rates) >= 1 / 3
    assert ingest(project, NIGHT)[2:] == ()  # what has not changed since is not read again
    # The night before was published from the day as it was then, and still is what it was.
    comparison = check_leaks(project, [LAST])
    assert {difference.feature for difference in comparison.differences} == {"peek"}
