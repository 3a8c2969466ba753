"""Rows that the API scored are kept, each once, with what the challenger would have answered."""

from __future__ import annotations

import errno
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from nightshift.lake.tables import serving_table
from nightshift.project import Project
from nightshift.serving import kept_rows
from nightshift.serving.api import make_api
from nightshift.serving.kept_rows import RowKeeper, ScoredRequest
from nightshift.serving.served_model import RegisteredModel
from nightshift.serving.served_version import ServedVersion
from nightshift.settings import ServingSettings
from unit.registry.trainings import Start
from unit.training.machines import machines

ROWS = machines(12, seed=9).drop_columns("label")


def kept(project: Project) -> list[dict[str, Any]]:
    today = datetime.now(UTC).date()
    rows = project.read(serving_table(project.definition), today, today).to_pylist()
    return sorted(rows, key=lambda row: (row["served_at"], row["served_row"]))


def version_of(project: Project, number: int) -> ServedVersion:
    version = project.registry.version(number)
    package = project.registry.package(version.run_id, version.digest)
    return ServedVersion(number, version.digest, package, datetime.now(UTC))


def request_of(version: ServedVersion, rows: pa.Table = ROWS) -> ScoredRequest:
    scores = [{"score": score} for score in version.package.score(rows).tolist()]
    return ScoredRequest("invocations", "shop", None, version, rows, range(len(rows)), scores)


def keeper_of(project: Project, challenger: ServedVersion | None = None) -> RowKeeper:
    return RowKeeper(project, lambda: challenger, 3600)


def test_what_is_answered_is_kept_with_the_scores_of_the_challenger(start: Start, project: Project) -> None:
    start(1, challengers=(2,))
    model = RegisteredModel(project, keep=True)
    settings = ServingSettings(tokens={"shop": SecretStr("s3cret")})
    with TestClient(make_api([model], settings), "http://127.0.0.1") as api:
        rows = [*ROWS.to_pylist(), ROWS.to_pylist()[0] | {"busy": "much"}]
        headers = {"Authorization": "Bearer s3cret"}
        answer = api.post("/invocations?partial=true", json={"dataframe_records": rows}, headers=headers).json()
        assert kept(project) == []  # until it stops, or an hour has passed
    rows = kept(project)
    assert [row["served_score"] for row in rows] == [row["score"] for row in answer["predictions"][:-1]]
    assert [row["challenger_score"] for row in rows] == version_of(project, 2).package.score(ROWS).tolist()
    assert [{name: row[name] for name in ROWS.column_names} for row in rows] == ROWS.to_pylist()
    assert [row["served_row"] for row in rows] == list(range(12))
    for name, value in {
        "served_version": 1,
        "challenger_version": 2,
        "served_caller": "shop",
        "served_route": "invocations",
        "served_night": None,
        "machine": None,
    }.items():
        assert {row[name] for row in rows} == {value}
    assert len({row["served_request"] for row in rows}) == len({row["served_batch"] for row in rows}) == 1


def test_a_challenger_that_fails_keeps_no_row_from_being_kept(start: Start, project: Project) -> None:
    start(1, challengers=(2,))
    champion, challenger = version_of(project, 1), version_of(project, 2)
    object.__setattr__(challenger.package, "estimator", None)
    keeper = keeper_of(project, challenger)
    keeper.start()
    keeper.add(request_of(champion))
    keeper.stop()
    assert [row["challenger_version"] for row in kept(project)] == [None] * 12


def test_batches_do_not_replace_each_other(start: Start, project: Project) -> None:
    start(1)
    for _ in range(3):
        keeper = keeper_of(project)
        keeper.start()
        keeper.add(request_of(version_of(project, 1)))
        keeper.add(request_of(version_of(project, 1), ROWS.slice(0, 2)))
        keeper.stop()
    assert len(kept(project)) == 3 * 14


class Killed(BaseException):
    """As if the process were gone."""


@pytest.mark.parametrize("at", ["publish", "stage_arrow", "remove"])
def test_a_kill_during_publication_loses_and_doubles_nothing(
    start: Start, project: Project, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    start(1)
    keeper = keeper_of(project)
    keeper.add(request_of(version_of(project, 1)))
    keeper._flush()

    def die(*arguments: Any, **options: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(*((kept_rows._Batch, "remove") if at == "remove" else (kept_rows, at)), die)
        with pytest.raises(Killed):
            keeper._publish()
    another = keeper_of(project)
    another.start()  # while the first process lives, its batch is its own
    another.stop()
    assert len(kept(project)) == (12 if at == "remove" else 0)
    assert keeper._batch is not None
    keeper._batch.lock.close()  # as when it is gone
    for _ in range(2):
        another = keeper_of(project)
        another.start()
        another.stop()
        assert len(kept(project)) == 12
    assert not list(keeper._folder.iterdir())


def failing_once(function: Callable[..., Any]) -> Callable[..., Any]:
    failures = iter([OSError(errno.ENOSPC, "No space left on device")])

    def call(*arguments: Any, **options: Any) -> Any:
        if error := next(failures, None):
            raise error
        return function(*arguments, **options)

    return call


def test_rows_that_cannot_be_written_now_are_written_later(
    start: Start, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(1)
    keeper = keeper_of(project)
    keeper.add(request_of(version_of(project, 1)))
    monkeypatch.setattr(kept_rows.pq, "write_table", failing_once(kept_rows.pq.write_table))
    keeper._try(keeper._flush)
    keeper.add(request_of(version_of(project, 1), ROWS.slice(0, 1)))
    keeper.start()
    keeper.stop()
    assert len(kept(project)) == 13


def test_memory_is_bounded_while_nothing_can_be_written(
    start: Start, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(1)
    keeper = keeper_of(project)
    monkeypatch.setattr(kept_rows, "MOST_IN_MEMORY", 30)

    def full(*arguments: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(kept_rows.pq, "write_table", full)
    for _ in range(6):
        keeper.add(request_of(version_of(project, 1)))
        keeper._try(keeper._flush)
    assert sum(map(len, keeper._pending)) == 24
