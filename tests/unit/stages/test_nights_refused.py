"""Nights that cannot be run are refused by whatever is asked first, in one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from nightshift.errors import TerminalError
from nightshift.lake.tables import scores_table
from nightshift.project import Project
from nightshift.stages.drift import drift
from nightshift.stages.estimate import estimate
from nightshift.stages.history import build_history
from nightshift.stages.ingest import ingest
from nightshift.stages.wait import files_not_landed
from unit.tables import day, publish_rows

BEFORE, FIRST = date(1999, 1, 1), date(2024, 1, 1)


@pytest.mark.parametrize(
    "ask",
    [
        lambda project: files_not_landed(project, BEFORE),
        lambda project: ingest(project, BEFORE),
        lambda project: build_history(project, BEFORE, FIRST, lambda line: None),
        lambda project: build_history(project, FIRST, BEFORE, lambda line: None),
    ],
    ids=["wait", "ingest", "build from", "build to"],
)
def test_a_night_before_the_start_is_refused_by_the_first_task_and_by_commands(
    project: Project, ask: Callable[[Project], object]
) -> None:
    with pytest.raises(TerminalError, match=r"model\.yaml:10: schedule\.start: 1999-01-01 is before the first night"):
        ask(project)


@pytest.mark.parametrize("ask", [drift, estimate])
def test_a_night_that_is_not_scored_is_not_monitored(project: Project, ask: Callable[..., object]) -> None:
    with pytest.raises(
        TerminalError, match=r"2024-01-09 has no published scores.*none is published yet; fix: score it"
    ):
        ask(project, day(9), "test")
    columns = {"score_date": "date", "machine": "string", "model_version": "integer"}
    publish_rows(project.lake, replace(scores_table(project.definition), columns=columns), {day(3): [("a", 1)]})
    with pytest.raises(TerminalError, match="allowed: a published date, 2024-01-03 to 2024-01-03; fix: score it"):
        ask(project, day(9), "test")
    assert project.monitored(day(1), day(20)) == []
