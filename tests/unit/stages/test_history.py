"""Which nights are built before a training."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from nightshift.errors import TerminalError
from nightshift.lake.files import local_path
from nightshift.lake.landed_parts import landing_file
from nightshift.project import Project
from nightshift.replay.landing import land
from nightshift.settings import SparkSettings
from nightshift.stages.history import build_history, newest_to_build

LANDED, LABELLED = date(2024, 2, 10), date(2024, 1, 20)


@pytest.fixture
def landed(project: Project) -> Project:
    land(project, LANDED)
    return project


def test_nights_without_an_outcome_are_built_before_a_training_up_to_its_date(landed: Project) -> None:
    assert newest_to_build(landed, LABELLED, LANDED) == date(2024, 2, 9)
    assert newest_to_build(landed, LABELLED, date(2024, 2, 1)) == date(2024, 1, 31)
    assert newest_to_build(landed, date(2024, 2, 5), date(2024, 2, 1)) == date(2024, 2, 5)


def test_a_wrong_master_ends_a_build_before_anything_is_published(landed: Project) -> None:
    settings = landed.settings.model_copy(update={"spark": SparkSettings(master="nonsense")})
    with pytest.raises(TerminalError, match="no such kind of master"):
        build_history(Project("tiny", settings), date(2024, 1, 1), LANDED, lambda line: None)
    assert not landed.lake.catalog.list_namespaces()


def test_no_night_is_built_whose_files_have_not_landed(landed: Project) -> None:
    assert newest_to_build(landed, LABELLED, date(2024, 6, 1)) == LANDED
    # The outcomes of 8 February are there for the night of the 9th.
    file = landing_file(
        landed.settings.landing_uri, "failures", landed.definition.sources["failures"], date(2024, 2, 8)
    )
    Path(local_path(file.uri)).unlink()
    assert newest_to_build(landed, LABELLED, LANDED) == date(2024, 2, 8)
