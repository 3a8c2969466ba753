"""A version that is served from its archive answers as from the registry, without registry and tables."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from nightshift.errors import TerminalError
from nightshift.export.formats import ExportFormat
from nightshift.export.versions import export_version
from nightshift.project import Project
from nightshift.serving.api import make_api
from nightshift.serving.archived_model import ArchivedModel
from nightshift.serving.served_model import RegisteredModel, ServedModel
from nightshift.serving.server import archived_models, registered_models
from nightshift.settings import ServingSettings, Settings
from unit.registry.trainings import Start
from unit.training.machines import machines

Archive = Callable[[], str]


@pytest.fixture
def archive(start: Start, project: Project, tmp_path: Path) -> str:
    start(1)
    return export_version(project, ExportFormat.archive, str(tmp_path)).files[0]


def client_of(*models: ServedModel) -> TestClient:
    return TestClient(make_api(models, ServingSettings(follow=600)), "http://127.0.0.1")


def test_it_gives_the_scores_of_the_registered_version(archive: str, project: Project) -> None:
    rows = machines(30, seed=9).drop_columns("label").to_pylist()
    body = {"dataframe_records": [row | {"machine": "a1"} for row in rows]}
    with client_of(ArchivedModel(archive, None, True)) as archived, client_of(RegisteredModel(project)) as registered:
        answers = [api.post("/invocations", json=body).json() for api in (archived, registered)]
        assert answers[0] == answers[1] and len(answers[0]["predictions"]) == 30
        assert archived.get("/ping").status_code == archived.get("/ready").status_code == 200
        assert archived.get("/health").json()["status"] == "ok"
        assert archived.get("/models").json() == registered.get("/models").json()


def test_routes_that_read_tables_are_not_described_and_say_where_features_go(archive: str) -> None:
    with client_of(ArchivedModel(archive, None, True)) as api:
        assert not any("score" in path for path in api.get("/openapi.json").json()["paths"])
        answer = api.post("/models/tiny/score", json={})
        assert answer.status_code == 409
        assert "send rows of features to /models/tiny/invocations" in answer.json()["message"]


def test_beside_a_registered_model_it_says_that_it_has_no_tables(archive: str, project: Project) -> None:
    archived = ArchivedModel(archive, None, True)
    archived.name = "other"
    with client_of(archived, RegisteredModel(project)) as api:
        assert len(api.get("/openapi.json").json()["paths"]["/models/{model}/score"]) == 1
        for answer in (
            api.post("/models/other/score", json={"dataframe_records": [{}]}),
            api.get("/models/other/scores/2024-01-20", params={"machine": "a1"}),
        ):
            assert answer.status_code == 409
            assert "the model is served from an archive, without tables" in answer.json()["message"]


def test_two_archives_of_one_model_are_refused(archive: str) -> None:
    with pytest.raises(
        TerminalError, match=r"--archive: two archives are of one model.*tiny-1\.tar\.gz.*fix: name one"
    ):
        archived_models([archive, archive], Settings())


def test_rows_of_an_archive_cannot_be_kept(archive: str) -> None:
    with pytest.raises(TerminalError, match="NIGHTSHIFT_SERVING__KEEP: rows that an archive scores have no table"):
        archived_models([archive], Settings(serving=ServingSettings(keep=True)))


def test_the_digest_of_the_settings_is_demanded(archive: str) -> None:
    settings = Settings(serving=ServingSettings(digest="0" * 64))
    with pytest.raises(TerminalError, match=f"another archive is demanded; received .*; allowed: {'0' * 64}"):
        archived_models([archive], settings)
    with pytest.raises(TerminalError, match="NIGHTSHIFT_SERVING__DIGEST: a digest is demanded, and the models are"):
        registered_models(["tiny"], settings)


def test_the_digest_that_the_export_says_is_that_of_the_archive(start: Start, project: Project, tmp_path: Path) -> None:
    start(1)
    exported = export_version(project, ExportFormat.archive, str(tmp_path))
    assert ArchivedModel(exported.files[0], exported.digest, True).champion is not None
    with pytest.raises(TerminalError, match=r"--night: an archive has the version's own files.*fix: leave --night out"):
        export_version(project, ExportFormat.archive, str(tmp_path), night=date(2024, 1, 20))


def test_a_folder_of_archives_is_no_archive(archive: str) -> None:
    folder = archive.rpartition("/")[0]
    with pytest.raises(TerminalError, match=r"a folder of archives; received 'tiny-1.tar.gz'; fix: name one of them"):
        archived_models([folder], Settings())
