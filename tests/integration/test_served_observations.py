"""Observations that callers send get the features and scores of a night, which real Spark computed."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from servers import free_port, wait_for
from starlette.testclient import TestClient

from nightshift.lake.publish import publish
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import scores_table
from nightshift.project import Project
from nightshift.replay.landing import land
from nightshift.serving.api import make_api
from nightshift.serving.observed_model import ObservedModel
from nightshift.serving.parity import Parity, compare_with_night, parity_lines
from nightshift.serving.served_model import RegisteredModel
from nightshift.settings import PROJECT, ServingSettings, Settings
from nightshift.stages.by_hand import score_night
from nightshift.stages.gate import gate
from nightshift.stages.history import build_history
from nightshift.stages.register import register
from nightshift.stages.train import train

pytestmark = pytest.mark.spark

FIRST, NIGHT = date(2024, 1, 1), date(2024, 1, 31)
AGES = """  ages:
    description: How old machines are.
    path: ages-{date}.csv
    cadence: irregular
    available: {after: 1h}
    key: [machine]
    columns:
      machine: {type: string, required: true}
      age: {type: integer}
    derived:
      decade: {expression: age div 10, type: integer}

observations:
  where: load < 0.95"""
DERIVED = """
    derived:
      half: {expression: load / 2, type: number}

  failures:"""
ROWS = """  lookups:
    of: {source: ages, key: [machine]}
  rows:
    inverse: {expression: 1 / (half - 0.3), type: number, description: Fails for a load of 0.6}
    decade: {expression: of.decade, type: number, description: Age in decades}
    weekday: {expression: dayofweek(score_date), type: number, description: 1 is Sunday}
"""
COMPUTED = """  computed:
    older: {type: number, description: A year more than its age, sources: [ages]}

training:"""
TRANSFORM = (
    "def transform(frame, cutoff):\n    return frame.assign(older=frame['of.age'] + cutoff.month * frame['busy'])\n"
)
VALUE = """
monitoring:
  value:
    decision: {threshold: best}
    expression: case when not decision then 0 when label then 3 else -1 end
    naive: observation.load > 0.5
"""
OBSERVED = {"machine": "a00", "load": 0.25}


def definition_folder(folder: Path, *changes: tuple[str, str]) -> Path:
    models = shutil.copytree(PROJECT / "tests" / "models", folder / "models")
    file = models / "tiny" / "model.yaml"
    text = file.read_text().replace("\nobservations:", AGES).replace("\ntraining:", COMPUTED)
    text = (
        text.replace("\n  failures:", DERIVED)
        .replace("\nmonitoring:\n", VALUE)
        .replace("  rows:\n    busy", f"{ROWS}    busy")
    )
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)
    (models / "tiny" / "features.py").write_text(TRANSFORM)
    return models


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, jobs_in_this_process: None) -> Project:
    """A month of history, a champion, and a night that it scored."""
    folder = tmp_path_factory.mktemp("served")
    project = Project("tiny", Settings(home=PROJECT, var=folder / "var", models_folder=definition_folder(folder)))
    land(project, NIGHT)
    for day, first in ((FIRST, 0), (date(2024, 1, 20), 5)):  # machines of a later version have other ages
        ages = "\n".join(f"{'abc'[i % 3]}{i:02d},{20 + 2 * i + first}" for i in range(first, 55))
        Path(project.settings.landing_uri, f"ages-{day}.csv").write_text(f"machine,age\n{ages}\n")
    build_history(project, FIRST, NIGHT - timedelta(days=1), lambda text: None)
    trained = train(project, NIGHT - timedelta(days=1), "test", lambda text: None)
    report = gate(project, trained, NIGHT - timedelta(days=1), "test").report
    assert register(project, trained, report.summary(), "train").role == "champion"
    score_night(project, NIGHT, "test", lambda text: None)
    return project


@pytest.fixture(scope="module")
def api(project: Project) -> Iterator[TestClient]:
    with TestClient(make_api([RegisteredModel(project)], ServingSettings(follow=600)), "http://127.0.0.1") as client:
        yield client


def ask(api: TestClient, *rows: dict[str, Any], **query: Any) -> Any:
    return api.post("/models/tiny/score", params=query, json={"dataframe_records": list(rows)})


@contextmanager
def listening(project: Project) -> Iterator[str]:
    port = free_port()
    app = make_api([RegisteredModel(project)], ServingSettings(follow=600))
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_for(lambda: server.started, seconds=30, every=0.1, logs=project.settings.var_path)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)


def compared(project: Project, night: date) -> Parity:
    with listening(project) as url:
        return compare_with_night(project, night, url, None, lambda sent, count: None)


def test_every_value_of_a_night_is_the_same(project: Project) -> None:
    parity = compared(project, NIGHT)
    assert list(parity_lines(parity)) == [f"0 of {parity.cells} values of {parity.observations} observations differ"]
    assert parity.is_equal and 50 < parity.observations < 60  # of 60, some are not scored
    scored = len(project.definition.scored_columns)
    assert scored == 2 and parity.cells == parity.observations * (len(project.definition.feature_types) + scored)


def test_a_night_is_decided_by_the_threshold_of_its_version(project: Project, api: TestClient) -> None:
    threshold = project.registry.metrics(project.registry.version(1).run_id)["decision.threshold"]
    rows = project.read(scores_table(project.definition), NIGHT, NIGHT).to_pylist()
    assert all(row["decision"] is (row["score"] >= threshold) for row in rows)
    assert {row["decision"] for row in rows} == {True, False}
    [answered] = ask(api, OBSERVED).json()["predictions"]
    assert answered == {"score": answered["score"], "decision": answered["score"] >= threshold}


@pytest.mark.parametrize("night", [FIRST, FIRST + timedelta(days=2), date(2024, 1, 20), date(2024, 1, 21)])
def test_every_feature_of_earlier_nights_is_the_same(project: Project, night: date) -> None:
    parity = compared(project, night)
    assert parity.is_equal and parity.observations > 50


def test_a_value_that_differs_is_found(project: Project) -> None:
    spec = scores_table(project.definition)
    rows = project.read(spec, NIGHT, NIGHT)
    scores = rows["score"].to_pylist()
    changed = [*scores[:-1], scores[-1] + 1e-16 if scores[-1] < 0.5 else scores[-1] - 2e-16]
    place = rows.schema.get_field_index("score")
    other = rows.set_column(place, rows.schema.field(place), [changed])
    publish(project.lake, spec, stage_arrow(project.lake, spec, other, NIGHT, NIGHT, {}))
    try:
        parity = compared(project, NIGHT)
    finally:
        publish(project.lake, spec, stage_arrow(project.lake, spec, rows, NIGHT, NIGHT, {}))
    assert parity.differing == {"score": 1} and not parity.is_equal
    assert any(line.startswith("for example score of ") for line in parity_lines(parity))


def test_an_answer_says_what_it_was_computed_from(api: TestClient, project: Project) -> None:
    answer = ask(api, OBSERVED, features=True).json()
    assert answer["model"] == "tiny" and answer["version"] == 1
    assert (answer["night"], answer["cutoff"]) == ("2024-01-31", "2024-01-31T06:00:00Z")
    assert answer["snapshots"].keys() == {"raw.ages", "raw.failures", "raw.plan"}
    assert answer["features"][0].keys() == project.definition.feature_types.keys()
    earlier = ask(api, OBSERVED, features=True, night="2024-01-10").json()
    assert earlier["night"] == "2024-01-10"
    assert earlier["features"][0]["older"] != answer["features"][0]["older"]


def test_a_key_that_was_never_seen_has_the_defaults(api: TestClient) -> None:
    [features] = ask(api, {"machine": "zz", "load": 0.25}, features=True).json()["features"]
    assert (features["machine_failures_3d"], features["decade"], features["older"]) == (0.5, None, None)
    assert features["kind"] == "z" and features["inverse"] == 1 / (0.125 - 0.3)


def test_a_row_for_which_an_expression_fails_is_an_error_of_its_own(api: TestClient) -> None:
    rows = [OBSERVED, {"machine": "a00", "load": 0.6}, {"machine": "b01", "load": 0.99}, OBSERVED]
    assert ask(api, *rows).status_code == 422
    answer = ask(api, *rows, partial=True).json()
    first, fails, other, last = answer["predictions"]
    assert first == last and fails is None and other is None
    messages = {error["row"]: error["problem"] for error in answer["errors"]}
    assert "an expression of the definition fails: " in messages[1] and "division by zero" in messages[1]
    assert messages[2] == "the observation is none that is scored"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"load": 0.5}, "column machine: the column is absent"),
        ({**OBSERVED, "lod": 1}, "column lod: no such column; allowed: machine, load; fix: did you mean load?"),
        ({"machine": None, "load": 0.5}, "column machine: a value is required"),
        ({"machine": "a00", "load": 2}, "column load: the value is too large; received 2.0; allowed: 1.0 or less"),
        ({"machine": "a00", "load": "0.5"}, "column load: no number; received '0.5'"),
        ({"machine": 1, "load": 0.5}, "column machine: no string; received 1; allowed: a text"),
    ],
)
def test_observations_are_held_to_the_contract(api: TestClient, row: dict[str, Any], message: str) -> None:
    answer = ask(api, row)
    assert answer.status_code == 422
    assert message in answer.json()["message"]


@pytest.mark.parametrize(
    ("night", "status", "message"),
    [
        ("2023-12-31", 404, "that night's features are not published; received '2023-12-31'"),
        ("2024-03-01", 404, "allowed: a published date, 2024-01-01 to 2024-01-31"),
        ("soon", 422, "query: night: "),
    ],
)
def test_a_night_that_is_not_there(api: TestClient, night: str, status: int, message: str) -> None:
    answer = ask(api, OBSERVED, night=night)
    assert answer.status_code == status and message in answer.json()["message"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("expression: load, type", "expression: load + 1, type"), "learned other recipes of busy"),
        (("load < 0.95", "upper(machine) < 'z'"), "observations.where: only Spark evaluates `UPPER(machine)`"),
    ],
)
def test_a_definition_that_only_spark_evaluates_is_refused_by_name(
    project: Project, tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    settings = Settings(home=PROJECT, var=project.settings.var, models_folder=definition_folder(tmp_path, change))
    with TestClient(
        make_api([RegisteredModel(Project("tiny", settings))], ServingSettings()), "http://127.0.0.1"
    ) as api:
        answer = ask(api, OBSERVED)
        assert answer.status_code == 409 and message in answer.json()["message"]
        assert api.get("/ready").status_code == 200  # rows of features are scored


def test_a_night_that_is_published_is_followed(project: Project) -> None:
    observed, asked_for_one_night = ObservedModel(project), ObservedModel(project)
    observed.follow()  # nobody has asked yet
    before = asked_for_one_night.state(NIGHT)
    assert observed.state(None).night == NIGHT
    following = NIGHT + timedelta(days=1)
    land(project, following)
    build_history(project, NIGHT, following, lambda text: None)
    assert observed.state(None).night == NIGHT  # until it looks again
    observed.follow()
    assert observed.state(None).night == following
    assert observed.state(NIGHT).night == NIGHT
    asked_for_one_night.follow()
    after = asked_for_one_night.state(NIGHT)
    assert after is not before and after.snapshots != before.snapshots
