"""An installation of one machine moves to PostgreSQL and S3, and goes on there as it would have here."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nightshift.cli import app
from nightshift.errors import TerminalError
from nightshift.lake.sql import run_sql
from nightshift.moving.installation import read_settings
from nightshift.project import Project
from nightshift.replay.landing import land
from nightshift.settings import Settings, get_settings
from nightshift.stages.by_hand import score_night
from nightshift.stages.ingest import ingest
from nightshift.stages.reproduce import reproduce
from production.conftest import BUCKET, NIGHT

pytestmark = [pytest.mark.production, pytest.mark.spark, pytest.mark.timeout(900)]

NEXT = NIGHT + timedelta(1)


@pytest.fixture(scope="module")
def target(database: str, embedded: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the new installation's settings."""
    folder = tmp_path_factory.mktemp("moved")
    variables = {
        "HOME": embedded.settings.home,
        "MODELS_FOLDER": embedded.settings.models_path,
        "VAR": folder / "var",
        "STATE": f"{database}/moved_state",
        "LANDING": f"s3://{BUCKET}/moved/landing",
        "WAREHOUSE": f"s3://{BUCKET}/moved/warehouse",
        "CATALOG__URI": f"{database}/moved_catalog",
        "MLFLOW_URI": f"{database}/moved_mlflow",
        "MLFLOW_ARTIFACTS": f"s3://{BUCKET}/moved/artifacts",
        "QUALITY_DOCS": f"s3://{BUCKET}/moved/quality",
    }
    file = folder / "target.env"
    file.write_text("".join(f"NIGHTSHIFT_{name}={value}\n" for name, value in variables.items()))
    return file


@pytest.fixture(scope="module")
def moved(aws: dict[str, str], embedded: Project, target: Path) -> Project:
    """The tiny model in the new installation."""
    del aws
    output = move(embedded.settings, target)
    assert "1 version read by their digests" in output
    assert "DIFFERENT" not in output
    return Project("tiny", read_settings(target))


def move(settings: Settings, target: Path) -> str:
    """Runs the command in an installation; what it printed."""
    get_settings.cache_clear()
    result = CliRunner().invoke(app, ["move", str(target), "--yes"], env=settings.as_environment())
    get_settings.cache_clear()
    if result.exception:
        raise result.exception
    return result.output


def test_every_row_is_there(embedded: Project, moved: Project) -> None:
    for table in ("raw.plan", "features.tiny", "scores.tiny", "monitoring.tiny", "monitoring.registry_events"):
        query = f"select * from {table} order by all"
        assert run_sql(moved.lake, query) == run_sql(embedded.lake, query)


def test_landed_files_are_known(moved: Project) -> None:
    changes: list[str] = []
    ingest(moved, NIGHT, "again", changes.append)
    assert changes == []  # nothing landed again, nothing landed late


def test_a_version_is_reproduced_from_the_snapshots_that_moved_with_it(
    moved: Project, jobs_in_this_process: None
) -> None:
    del jobs_in_this_process
    reproduction = reproduce(moved, 1, lambda line: None)
    assert reproduction.digest == reproduction.version.digest


def test_the_next_night_is_the_same_in_both(embedded: Project, moved: Project, jobs_in_this_process: None) -> None:
    del jobs_in_this_process
    scores = []
    for project in (embedded, moved):
        land(project, NEXT)
        score_night(project, NEXT, "next", lambda line: None)
        query = f"select * exclude (features_snapshot) from scores.tiny where score_date = '{NEXT}' order by all"
        scores.append(run_sql(project.lake, query))
    assert scores[0][1]
    assert scores[0] == scores[1]


def test_a_place_that_was_used_since_is_refused(embedded: Project, moved: Project, target: Path) -> None:
    del moved
    with pytest.raises(TerminalError, match="the new catalog has another table of this name"):
        move(embedded.settings, target)
