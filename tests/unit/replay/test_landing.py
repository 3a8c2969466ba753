"""Which files of an example land for a night."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from nightshift.errors import TerminalError
from nightshift.project import Project
from nightshift.replay.landing import example, land, land_night
from nightshift.settings import PROJECT, Settings
from nightshift.stages.wait import files_not_landed


def test_a_file_that_is_there_before_its_date_lands_for_the_night_that_needs_it(models: Path, tmp_path: Path) -> None:
    file = models / "tiny" / "model.yaml"
    file.write_text(file.read_text().replace("available: {after: 1h}", "available: {after: -24h}"))
    project = Project("tiny", Settings(home=PROJECT, var=tmp_path / "var", models_folder=models))
    night = date(2024, 1, 5)
    land(project, night)
    assert files_not_landed(project, night) == ()
    assert "plan-2024-01-06.csv.gz" in {path.name for path in (tmp_path / "var" / "landing").iterdir()}
    land_night(project, date(2024, 1, 6))
    assert files_not_landed(project, date(2024, 1, 6)) == ()


def test_an_example_lands_in_an_installation_of_other_models(models: Path, tmp_path: Path) -> None:
    settings = Settings(home=PROJECT, var=tmp_path / "var", models_folder=models)
    assert example("tiny", settings).definition.folder == models / "tiny"
    project = example("flight_delay", settings)
    assert project.definition.folder == PROJECT / "include" / "models" / "flight_delay"
    assert land(project, date(2013, 1, 2)) > 0
    assert (tmp_path / "var" / "landing" / "schedule" / "2013-01-01.csv").exists()
    with pytest.raises(TerminalError, match="unknown model"):
        example("fligth_delay", settings)
