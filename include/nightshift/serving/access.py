"""Who may ask the API: callers with a token, or those that a proxy names."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import urlsplit

from pydantic import SecretStr

from nightshift.errors import TerminalError
from nightshift.serving.refusals import RequestRefusal
from nightshift.settings import ServingSettings

OPEN = frozenset({"/ping", "/ready"})  # what an orchestrator asks; the answers say nothing of data or models
BEARER = "bearer"
WHERE = "header Authorization"


def require_access_rule(settings: ServingSettings, host: str) -> None:
    """Requires that not everybody may ask an API that other machines reach.

    Raises:
        TerminalError: If there are neither tokens nor an identity header, and the API is not declared open.
    """
    if _is_loopback(host) or settings.tokens or settings.identity_header or settings.open:
        return
    raise TerminalError(
        "everybody who reaches this address could ask",
        where="--host",
        received=host,
        allowed="127.0.0.1, unless callers are known",
        fix="set NIGHTSHIFT_SERVING__TOKENS__<NAME> to a token for each caller, or NIGHTSHIFT_SERVING__IDENTITY_HEADER "
        "to the header of a proxy that logs them in",
    )


def find_caller(settings: ServingSettings, path: str, headers: Mapping[str, str]) -> str:
    """Who asks; empty where anybody may.

    Args:
        settings: The API's settings.
        path: The path asked for.
        headers: The request's, whose names are looked up without case.

    Raises:
        RequestRefusal: If the caller is unknown.
    """
    if path in OPEN:
        return ""
    if settings.identity_header and (identity := headers.get(settings.identity_header)):
        return identity
    if settings.tokens:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == BEARER and (name := _owner(settings.tokens, token.strip())):
            return name
        fix = "send a token of NIGHTSHIFT_SERVING__TOKENS"
        raise _unknown("the caller has no valid token", WHERE, "Bearer and a token", fix)
    if settings.identity_header:
        where = f"header {settings.identity_header}"
        raise _unknown("the caller is not named", where, "a name", "ask through the proxy that logs callers in")
    if not settings.open:
        _require_this_machine(headers.get("host", ""))
    return ""


def _require_this_machine(address: str) -> None:
    """Requires that a request without a token names this machine.

    A browser sends the name of the site whose page it shows, which the site's owner can have lead to this machine.

    Raises:
        RequestRefusal: If it names another one.
    """
    try:
        host = urlsplit(f"//{address}").hostname
    except ValueError:
        host = None
    if host and _is_loopback(host):
        return
    error = TerminalError(
        "without tokens, requests have to name this machine",
        where="header Host",
        received=address,
        allowed="127.0.0.1 or localhost",
        fix="ask by one of these, or set NIGHTSHIFT_SERVING__TOKENS__<NAME> to a token for each caller",
    )
    raise RequestRefusal(HTTPStatus.MISDIRECTED_REQUEST, error)


def _owner(tokens: Mapping[str, SecretStr], token: str) -> str | None:
    """Whose token it is; every token is compared, each in the same time."""
    sent = token.encode()
    owners = [name for name, known in tokens.items() if hmac.compare_digest(known.get_secret_value().encode(), sent)]
    return owners[0] if owners else None


def _unknown(problem: str, where: str, allowed: str, fix: str) -> RequestRefusal:
    return RequestRefusal(HTTPStatus.UNAUTHORIZED, TerminalError(problem, where=where, allowed=allowed, fix=fix))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
