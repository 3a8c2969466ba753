"""Who may ask the API."""

from __future__ import annotations

import pytest
from pydantic import SecretStr
from starlette.datastructures import Headers

from nightshift.errors import TerminalError
from nightshift.serving.access import find_caller, require_access_rule
from nightshift.serving.refusals import RequestRefusal
from nightshift.settings import ServingSettings

TOKENS = {"shop": SecretStr("s3cret"), "web": SecretStr("other")}
BY_TOKEN, BY_PROXY = ServingSettings(tokens=TOKENS), ServingSettings(identity_header="X-Forwarded-User")
BY_BOTH = ServingSettings(tokens=TOKENS, identity_header="X-Forwarded-User")


@pytest.mark.parametrize(
    ("settings", "headers", "caller"),
    [
        (ServingSettings(), {"Host": "127.0.0.1:8081"}, ""),
        (ServingSettings(open=True), {"Host": "api.example.com"}, ""),
        (BY_TOKEN, {"Authorization": "Bearer s3cret"}, "shop"),
        (BY_TOKEN, {"authorization": "Bearer other"}, "web"),
        (BY_TOKEN, {"authorization": "bearer other"}, "web"),
        (BY_TOKEN, {}, None),
        (BY_TOKEN, {"Authorization": "Bearer "}, None),
        (BY_TOKEN, {"Authorization": "Bearer S3CRET"}, None),
        (BY_TOKEN, {"Authorization": "s3cret"}, None),
        (BY_TOKEN, {"Authorization": "Basic s3cret"}, None),
        (BY_TOKEN, {"X-Forwarded-User": "eve"}, None),
        (BY_PROXY, {"X-Forwarded-User": "ann"}, "ann"),
        (BY_PROXY, {"x-forwarded-user": "ann"}, "ann"),
        (BY_PROXY, {"X-Forwarded-User": ""}, None),
        (BY_PROXY, {}, None),
        (BY_BOTH, {"X-Forwarded-User": "ann"}, "ann"),
        (BY_BOTH, {"Authorization": "Bearer s3cret"}, "shop"),
        (BY_BOTH, {}, None),
    ],
)
def test_callers_are_known_by_their_token_or_by_their_proxy(
    settings: ServingSettings, headers: dict[str, str], caller: str | None
) -> None:
    if caller is not None:
        assert find_caller(settings, "/invocations", Headers(headers)) == caller
        return
    with pytest.raises(RequestRefusal) as refusal:
        find_caller(settings, "/invocations", Headers(headers))
    assert refusal.value.status == 401
    assert "s3cret" not in str(refusal.value.answer())


@pytest.mark.parametrize(("path", "is_open"), [("/ping", True), ("/ready", True), ("/health", False), ("/", False)])
def test_orchestrators_need_no_token(path: str, is_open: bool) -> None:
    if is_open:
        assert find_caller(BY_TOKEN, path, Headers()) == ""
    else:
        with pytest.raises(RequestRefusal):
            find_caller(BY_TOKEN, path, Headers())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.3.2.1"])
def test_this_machine_needs_no_token(host: str) -> None:
    require_access_rule(ServingSettings(), host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com"])
def test_other_machines_need_one(host: str) -> None:
    with pytest.raises(TerminalError, match="everybody who reaches this address could ask; received"):
        require_access_rule(ServingSettings(), host)
    require_access_rule(BY_TOKEN, host)
    require_access_rule(BY_PROXY, host)
