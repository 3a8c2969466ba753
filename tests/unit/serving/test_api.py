"""The API's routes: what is answered, and that whatever is asked, the answer is no failure of the API's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.testclient import TestClient

from nightshift.lake.publish import publish
from nightshift.lake.read import data_files
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import scores_table
from nightshift.project import Project
from nightshift.serving.api import make_api
from nightshift.serving.served_model import RegisteredModel
from nightshift.settings import ServingSettings
from unit.examples import examples
from unit.lake.test_damage import DAMAGES
from unit.registry.trainings import Start
from unit.training.machines import machines

ROW = {"busy": 0.5, "kind": "a", "machine_failures_3d": 0.25}
NIGHT = date(2024, 1, 20)


def client_of(project: Project, **settings: Any) -> TestClient:
    return TestClient(make_api([RegisteredModel(project)], ServingSettings(follow=600, **settings)), "http://127.0.0.1")


@pytest.fixture
def api(start: Start, project: Project) -> Iterator[TestClient]:
    start(1)
    with client_of(project) as client:
        yield client


def test_rows_of_features_get_the_scores_of_a_night(api: TestClient, project: Project) -> None:
    champion = project.champions.require_champion()
    rows = machines(30, seed=9).drop_columns("label")
    expected = project.registry.package(champion.run_id, champion.digest).score(rows).tolist()
    for path in ("/invocations", "/models/tiny/invocations"):
        answer = api.post(path, json={"dataframe_records": rows.to_pylist()})
        assert answer.status_code == 200
        assert answer.json() == {
            "predictions": [{"score": score} for score in expected],
            "model": "tiny",
            "version": 1,
        }


def test_the_example_of_the_description_is_answered(api: TestClient) -> None:
    operation = api.get("/openapi.json").json()["paths"]["/invocations"]["post"]
    example = operation["requestBody"]["content"]["application/json"]["examples"]["tiny"]["value"]
    assert api.post("/invocations", json=example).status_code == 200


def test_every_route_is_described_with_what_it_answers(api: TestClient) -> None:
    paths = api.get("/openapi.json").json()["paths"]
    rows = {path for path, operations in paths.items() if "requestBody" in operations.get("post", {})}
    assert rows == {"/invocations", "/models/{model}/invocations", "/models/{model}/score"}
    assert {"400", "408", "413", "415", "422", "503", "401"} <= paths["/models/{model}/score"]["post"][
        "responses"
    ].keys()
    names = [parameter["name"] for parameter in paths["/models/{model}/scores/{night}"]["get"]["parameters"]]
    assert names == ["model", "night", "machine"]


def test_the_good_rows_are_answered_if_asked_for(api: TestClient) -> None:
    rows = [ROW, ROW | {"busy": "much"}, ROW]
    refused = api.post("/invocations", json={"dataframe_records": rows})
    assert refused.status_code == 422
    assert refused.json() == {
        "error_code": "UNPROCESSABLE_ENTITY",
        "message": "column busy: no number; received 'much'; allowed: a number, or null if it is missing; "
        "fix: correct the row",
        "error_count": 1,
        "errors": [
            {
                "row": 1,
                "problem": "no number",
                "where": "column busy",
                "received": "'much'",
                "allowed": "a number, or null if it is missing",
                "fix": "correct the row",
            }
        ],
    }
    answer = api.post("/invocations?partial=true", json={"dataframe_records": rows}).json()
    first, bad, last = answer["predictions"]
    assert first == last and bad is None
    assert answer["errors"] == refused.json()["errors"]


def test_an_observation_among_features_is_sent_to_the_other_route(api: TestClient) -> None:
    answer = api.post("/invocations", json={"dataframe_records": [{"machine": "a1", "load": 0.5}]})
    assert answer.status_code == 422
    [load] = [error for error in answer.json()["errors"] if error["where"] == "column load"]
    assert load["fix"] == "send observations to /models/tiny/score, which computes their features"


def test_an_answer_lists_the_first_errors_and_counts_all(api: TestClient) -> None:
    answer = api.post("/invocations", json={"dataframe_records": [ROW | {"busy": "much"}] * 300}).json()
    assert answer["error_count"] == 300 and len(answer["errors"]) == 100


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/nowhere", 404, "GET /nowhere: Not Found"),
        ("GET", "/invocations", 405, "GET /invocations: Method Not Allowed"),
        ("POST", "/models/other/invocations", 404, "no such model is served; received 'other'; allowed: tiny"),
        ("POST", "/invocations?partial=perhaps", 422, "query: partial: no switch"),
        ("POST", "/invocations?partial=perhaps", 422, "received 'perhaps'; allowed: true or false"),
        ("POST", "/invocations?night=2024-01-20", 422, "query: night: no such parameter; received '2024-01-20'"),
        ("POST", "/invocations?partial=0&partial=1", 422, "query: parameters stand twice; received 'partial'"),
        ("GET", "/models/tiny/scores/2024-01-20?machine=a&machine=b", 422, "stand twice; received 'machine'"),
        ("POST", "/models/tiny/invocations?parts=1", 422, "allowed: partial; fix: leave it out"),
        (
            "POST",
            "/models/tiny/score?nights=1",
            422,
            "query: nights: no such parameter; received '1'; allowed: partial,",
        ),
        (
            "POST",
            "/invocations",
            415,
            "another type of content; received 'text/csv'; allowed: application/json or",
        ),
        ("GET", "/models/tiny/scores/tomorrow?machine=a", 422, "path: night: no date"),
        (
            "GET",
            "/models/tiny/scores/tomorrow?machine=a",
            422,
            "received 'tomorrow'; allowed: a date such as 2026-01-31",
        ),
        ("GET", "/models/tiny/scores/2024-01-20?machine=a", 404, "scores.tiny: the table does not exist yet"),
    ],
)
def test_what_cannot_be_answered_is_said(api: TestClient, method: str, path: str, status: int, message: str) -> None:
    answer = api.request(method, path, headers={"Content-Type": "text/csv"})
    assert answer.status_code == status
    assert message in answer.json()["message"]


def test_limits_of_a_request(start: Start, project: Project) -> None:
    start(1)
    with client_of(project, max_body=200, max_rows=2) as api:
        headers = {"Content-Type": "application/json"}
        long = api.post("/invocations", content=b" " * 201, headers=headers)
        parts = api.post("/invocations", content=iter([b" " * 150] * 2), headers=headers)
        assert long.status_code == parts.status_code == 413
        assert "the body is too long; allowed: 200 bytes" in parts.json()["message"]
        assert api.post("/invocations", json={"inputs": {"busy": [1, 2, 3]}}).status_code == 413


def test_callers_need_a_token(start: Start, project: Project) -> None:
    start(1)
    with client_of(project, tokens={"shop": SecretStr("s3cret")}) as api:
        for path in ("/health", "/metrics", "/models", "/openapi.json", "/nowhere"):
            answer = api.get(path)
            assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert api.get("/ping").status_code == api.get("/ready").status_code == 200
        assert api.get("/models", headers={"Authorization": "Bearer s3cret"}).json()["models"][0]["version"] == 1


def test_without_a_champion_it_says_so(start: Start, project: Project) -> None:
    start()
    with client_of(project) as api:
        assert (api.get("/ping").status_code, api.get("/ready").status_code) == (200, 503)
        answer = api.post("/invocations", json={"dataframe_records": [ROW]})
        assert answer.status_code == 503
        assert "no version has passed the gate yet" in answer.json()["message"]
        health = api.get("/health").json()
        assert health["status"] == "degraded" and health["models"]["tiny"]["version"] is None


def test_what_is_answered_is_counted(api: TestClient) -> None:
    api.post("/models/tiny/invocations?partial=true", json={"dataframe_records": [ROW, ROW | {"kind": 1}]})
    api.post("/models/other/invocations")
    lines = api.get("/metrics").text.splitlines()
    route = 'route="/models/{model}/invocations"'
    assert f'nightshift_requests_total{{model="tiny",{route},status="200"}} 1.0' in lines
    assert f'nightshift_requests_total{{model="",{route},status="404"}} 1.0' in lines
    assert f'nightshift_request_seconds_count{{model="tiny",{route}}} 1.0' in lines
    assert 'nightshift_rows_total{model="tiny",result="scored"} 1.0' in lines
    assert 'nightshift_rows_total{model="tiny",result="refused"} 1.0' in lines
    assert 'nightshift_champion_version{model="tiny"} 1.0' in lines
    assert 'nightshift_champion_problem{model="tiny"} 0.0' in lines


# ---- published scores


def publish_scores(project: Project, *machines: str) -> int:
    spec = scores_table(project.definition)
    columns: dict[str, Any] = {
        "score_date": [NIGHT] * len(machines),
        "machine": list(machines),
        "score": [0.1 * number for number in range(len(machines))],
        "model_version": [1] * len(machines),
        "features_snapshot": [7] * len(machines),
        "scored_at": [datetime(2024, 1, 20, 6, tzinfo=UTC)] * len(machines),
    }
    rows = pa.table({name: pa.array(columns[name], spec.schema.field(name).type) for name in spec.columns})
    publish(project.lake, spec, stage_arrow(project.lake, spec, rows, NIGHT, NIGHT, {}))
    snapshot = project.lake.table(spec.name).current_snapshot()
    assert snapshot is not None
    return snapshot.snapshot_id


def test_a_published_score_is_found_by_its_key(api: TestClient, project: Project) -> None:
    snapshot = publish_scores(project, "a1", "b 2&ü", "c3")
    answer = api.get(f"/models/tiny/scores/{NIGHT}", params={"machine": "b 2&ü"})
    assert answer.status_code == 200
    assert answer.json() == {
        "model": "tiny",
        "score_date": "2024-01-20",
        "machine": "b 2&ü",
        "score": 0.1,
        "model_version": 1,
        "features_snapshot": 7,
        "scored_at": "2024-01-20T06:00:00Z",
        "scores_snapshot": snapshot,
    }


@pytest.mark.parametrize(
    ("night", "query", "status", "message"),
    [
        ("2024-01-20", {"machine": "z"}, 404, "no such observation on that night"),
        ("2024-01-21", {"machine": "a1"}, 404, "that night is not published; .* 2024-01-20 to 2024-01-20"),
        ("2024-01-20", {}, 422, "these are not the columns of the observation's key; .* allowed: machine"),
        ("2024-01-20", {"machine": "a1", "x": "1"}, 422, "these are not the columns"),
    ],
)
def test_a_score_that_is_not_there(
    api: TestClient, project: Project, night: str, query: dict[str, str], status: int, message: str
) -> None:
    publish_scores(project, "a1")
    answer = api.get(f"/models/tiny/scores/{night}", params=query)
    assert answer.status_code == status
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(answer.json()["message"])


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_of_scores_is_named(api: TestClient, project: Project, damage: str) -> None:
    publish_scores(project, "a1")
    [file] = data_files(project.lake, scores_table(project.definition), NIGHT, NIGHT)
    DAMAGES[damage][0](Path(file.removeprefix("file://")))
    answer = api.get(f"/models/tiny/scores/{NIGHT}", params={"machine": "a1"})
    assert answer.status_code == 500
    [error] = answer.json()["errors"]
    assert error["where"] == "scores.tiny of 2024-01-20" and error["problem"].endswith(file)
    assert error["fix"].startswith("nightshift score tiny --night 2024-01-20; or ")
    assert api.post("/invocations", json={"dataframe_records": [ROW]}).status_code == 200


# ---- whatever is asked

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
DOCUMENTS = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)
COLUMNS = st.fixed_dictionaries(dict.fromkeys(ROW, SCALARS)) | st.dictionaries(st.sampled_from([*ROW, "x"]), SCALARS)
BODIES = (
    st.binary()
    | DOCUMENTS.map(lambda document: json.dumps(document).encode())
    | st.dictionaries(st.sampled_from(["dataframe_split", "dataframe_records", "inputs", "params"]), DOCUMENTS).map(
        lambda document: json.dumps(document).encode()
    )
    | st.lists(COLUMNS).map(lambda rows: json.dumps({"dataframe_records": rows}).encode())
)


@examples(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(body=BODIES, partial=st.booleans())
def test_no_body_makes_the_api_fail(api: TestClient, body: bytes, partial: bool) -> None:
    headers = {"Content-Type": "application/json"}
    answer = api.post(f"/invocations?partial={partial}", content=body, headers=headers)
    assert answer.status_code in (200, 400, 422)
    content = answer.json()
    if answer.status_code != 200:
        assert content["message"] and content["error_count"] >= 1


@examples(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"]),
    path=st.lists(st.sampled_from(["models", "tiny", "scores", "invocations", "2024-01-20"]) | st.text(), max_size=5),
    query=st.dictionaries(st.sampled_from(["machine", "partial"]) | st.text(), st.text(), max_size=3),
)
def test_no_address_makes_the_api_fail(api: TestClient, method: str, path: list[str], query: dict[str, str]) -> None:
    from urllib.parse import quote

    address = "/" + "/".join(quote(part, safe="") for part in path)
    assert api.request(method, address, params=query).status_code < 500
