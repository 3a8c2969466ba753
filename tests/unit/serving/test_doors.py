"""Who gets in: every route of the API as every caller, and that a browser does nothing with an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.testclient import TestClient
from starlette.types import Message

from nightshift.project import Project
from nightshift.serving.api import make_api
from nightshift.serving.served_model import RegisteredModel
from nightshift.settings import ServingSettings
from unit.registry.trainings import Start

TOKEN = "s3cret"
ROWS = {"dataframe_records": [{"busy": 0.5, "kind": "a", "machine_failures_3d": 0.25}]}
OPEN, CLOSED = "everybody", "callers with a token"
# Every route, who may ask, and what a caller with a token gets: a route that is not listed fails a test.
ROUTES = {
    ("GET", "/ping"): (OPEN, 200),
    ("GET", "/ready"): (OPEN, 200),
    ("GET", "/health"): (CLOSED, 200),
    ("GET", "/metrics"): (CLOSED, 200),
    ("GET", "/models"): (CLOSED, 200),
    ("GET", "/openapi.json"): (CLOSED, 200),
    ("POST", "/invocations"): (CLOSED, 200),
    ("POST", "/models/{model}/invocations"): (CLOSED, 200),
    ("POST", "/models/{model}/score"): (CLOSED, 404),  # no features are published
    ("GET", "/models/{model}/scores/{night}"): (CLOSED, 422),  # of no observation
}
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE")
STRANGERS: dict[str, dict[str, Any]] = {
    "anonymous": {},
    "a wrong token": {"headers": {"Authorization": "Bearer S3CRET"}},
    "no token": {"headers": {"Authorization": "Bearer "}},
    "another scheme": {"headers": {"Authorization": f"Basic {TOKEN}"}},
    "a token in the address": {"params": {"token": TOKEN, "access_token": TOKEN}},
    "a token in a cookie": {"headers": {"Cookie": f"token={TOKEN}; Authorization=Bearer {TOKEN}"}},
    "a name that no proxy gave": {"headers": {"X-Forwarded-User": "ann", "X-Forwarded-For": "127.0.0.1"}},
    "another path by a header": {"headers": {"X-Original-URL": "/ping", "X-Forwarded-Prefix": "/ping"}},
}
DETOURS = (
    "/ping/../models", "/ping/%2e%2e/models", "/ping%2f..%2fmodels", "/ping/..%2fmodels", "//ping", "/./ping", "/PING",
    "/ping/", "/ping%00", "/ping;/models", "/ready/../openapi.json", "/models/", "/docs", "/redoc", "/",
)  # fmt: skip
SIMPLE_TYPES = (None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x")


@pytest.fixture
def api(start: Start, project: Project) -> FastAPI:
    start(1)
    return make_api([RegisteredModel(project)], ServingSettings(follow=600, tokens={"shop": SecretStr(TOKEN)}))


@pytest.fixture
def client(api: FastAPI) -> Iterator[TestClient]:
    with TestClient(api, "http://api.example.com", follow_redirects=False, raise_server_exceptions=False) as client:
        yield client


def routes_of(api: FastAPI) -> set[tuple[str, str]]:
    """What the application answers; HEAD is listed beside GET."""
    return {(method, route.path) for route in api.routes for method in route.methods - {"HEAD"}}  # type: ignore[attr-defined]


def address(path: str) -> str:
    return path.format(model="tiny", night="2024-01-20")


def test_every_route_has_its_row(api: FastAPI) -> None:
    assert routes_of(api) == ROUTES.keys()


def test_a_caller_with_a_token_gets_an_answer(client: TestClient) -> None:
    for (method, path), (_, status) in ROUTES.items():
        body = {"json": ROWS} if method == "POST" else {}
        answer = client.request(method, address(path), headers={"Authorization": f"Bearer {TOKEN}"}, **body)
        assert answer.status_code == status, (path, answer.text)


@pytest.mark.parametrize("stranger", STRANGERS)
def test_nobody_else_gets_one_by_any_method(client: TestClient, stranger: str) -> None:
    for _, path in ROUTES:
        is_open = ROUTES.get(("GET", path), (CLOSED, 0))[0] is OPEN
        for method in METHODS:
            answer = client.request(method, address(path), **STRANGERS[stranger])
            expected = (200 if method == "GET" else 405) if is_open else 401
            assert answer.status_code == expected, (method, path)
            assert TOKEN not in answer.text and "tiny" not in answer.text.replace(path, "")


def ask_as_sent(api: FastAPI, method: str, target: str) -> tuple[int, bytes]:
    """The answer to a request whose path arrives as it is: clients resolve `..` before they send it."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "method": method,
        "path": unquote(target),
        "raw_path": target.encode(),
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1")],
    }
    asyncio.run(api(scope, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


@pytest.mark.parametrize("target", DETOURS)
def test_no_detour_leads_past_the_guard(api: FastAPI, target: str) -> None:
    for method in METHODS:
        status, body = ask_as_sent(api, method, target)
        assert status == 401
        assert b"tiny" not in body


@pytest.mark.parametrize("model", ["other", "%2e%2e", "tiny%2f..%2fother", "tiny/../other", "tiny%00", "Tiny"])
def test_a_model_that_is_not_served_is_not_there(client: TestClient, model: str) -> None:
    for path in (f"/models/{model}/invocations", f"/models/{model}/score"):
        answer = client.post(path, json=ROWS, headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 404, path


@pytest.mark.parametrize("kind", SIMPLE_TYPES)
def test_another_sites_page_sends_nothing_that_is_scored(client: TestClient, kind: str | None) -> None:
    """A form or a simple request of a page cannot have the type of JSON or Arrow, and what can is asked for before."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    if kind:
        headers["Content-Type"] = kind
    for method, path in ROUTES:
        if method == "POST":
            assert client.post(address(path), content=b'{"inputs": {}}', headers=headers).status_code == 415
        preflight = headers | {"Access-Control-Request-Method": method}
        answer = client.options(address(path), headers=preflight)
        assert answer.status_code == 405
        assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8081", 200),
        ("localhost", 200),
        ("[::1]:8081", 200),
        ("rebound.example", 421),
        ("127.0.0.1.rebound.example", 421),
        ("localhost.rebound.example:8081", 421),
        ("[::1", 421),
        ("", 421),
    ],
)
def test_without_tokens_a_name_that_another_site_gave_this_machine_is_refused(
    start: Start, project: Project, host: str, status: int
) -> None:
    start(1)
    with TestClient(make_api([RegisteredModel(project)], ServingSettings(follow=600))) as client:
        answers = {path: client.get(path, headers={"Host": host}).status_code for path in ("/models", "/openapi.json")}
        assert set(answers.values()) == {status}
        assert client.get("/ping", headers={"Host": host}).status_code == 200
    with TestClient(make_api([RegisteredModel(project)], ServingSettings(follow=600, open=True))) as client:
        assert client.get("/models", headers={"Host": host}).status_code == 200


def test_a_browser_does_nothing_with_any_answer(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("<script>alert(1)</script>")

    token = {"Authorization": f"Bearer {TOKEN}"}
    answers = [client.request(method, address(path), headers=token) for method, path in ROUTES]
    answers += [client.get("/<script>alert(1)</script>", headers=token), client.get("/models")]
    monkeypatch.setattr("nightshift.serving.operation_routes._description", fail)
    answers.append(client.get("/models", headers=token))
    assert {200, 401, 404, 415, 500} <= {answer.status_code for answer in answers}
    for answer in answers:
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert not answer.headers.get("Content-Type", "").startswith("text/html")
