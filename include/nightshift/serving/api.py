"""The API as an application: its routes, who may ask, and how errors are answered."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import Any

import pydantic_core
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nightshift.errors import DataError, NightshiftError, TerminalError, TransientError
from nightshift.pages.headers import DATA_HEADERS, HeaderMiddleware
from nightshift.serving.access import find_caller
from nightshift.serving.kept_rows import RowKeeper
from nightshift.serving.model_routes import ObservationsQuery, RowsQuery, model_routes
from nightshift.serving.openapi import describe_api
from nightshift.serving.operation_routes import operation_routes
from nightshift.serving.refusals import RequestRefusal
from nightshift.serving.served_model import Follower, RegisteredModel, ServedModel
from nightshift.serving.telemetry import Telemetry
from nightshift.settings import ServingSettings

log = logging.getLogger(__name__)

# What is wrong and what is allowed, by how pydantic's kinds of errors begin.
PARAMETERS = {"date": ("no date", "a date such as 2026-01-31"), "bool": ("no switch", "true or false")}
STATES_EVERY = 10.0  # seconds between two looks for a new night


def make_api(models: Sequence[ServedModel], settings: ServingSettings) -> FastAPI:
    """The API of some models, whose champions it follows from its start to its end.

    Args:
        models: The models.
        settings: Who may ask, and how much.
    """
    telemetry = Telemetry()
    by_name = {model.name: model for model in models}
    registered = [model for model in models if isinstance(model, RegisteredModel)]

    def show() -> None:
        for model in models:
            telemetry.show(model)

    @asynccontextmanager
    async def follow(_: FastAPI) -> AsyncIterator[None]:
        # A night's state may take long to load; champions are followed beside it.
        champions = Follower(models, settings.follow, show)
        states = Follower([model.observed for model in registered], max(settings.follow, STATES_EVERY))
        keepers = [model.keeper for model in models if model.keeper is not None]
        parts: list[Follower | RowKeeper] = [champions, states, *keepers]
        for part in parts:
            await run_in_threadpool(part.start)
        try:
            yield
        finally:
            for part in parts:
                await run_in_threadpool(part.stop)

    # Without FastAPI's own pages, which load their scripts from elsewhere.
    api = FastAPI(title="Nightshift", lifespan=follow, docs_url=None, redoc_url=None)
    api.include_router(operation_routes(by_name, telemetry))
    api.include_router(model_routes(by_name, settings, telemetry))
    api.openapi = partial(describe_api, api, by_name, settings)  # type: ignore[method-assign]
    api.add_exception_handler(RequestRefusal, _answer_refusal)
    api.add_exception_handler(NightshiftError, _answer_error)
    api.add_exception_handler(HTTPException, _answer_status)
    api.add_exception_handler(RequestValidationError, _answer_parameter)
    api.add_exception_handler(Exception, _answer_failure)
    api.add_middleware(RequestGuard, settings=settings, telemetry=telemetry, models=by_name)
    api.add_middleware(HeaderMiddleware, headers=DATA_HEADERS)
    return api


class RequestGuard:
    """Lets known callers through, and counts every answer.

    Args:
        app: The application behind it.
        settings: Who may ask.
        telemetry: Where answers are counted.
        models: The models, by name.
    """

    def __init__(
        self, app: ASGIApp, settings: ServingSettings, telemetry: Telemetry, models: Mapping[str, ServedModel]
    ) -> None:
        self.app, self.settings, self.telemetry, self.models = app, settings, telemetry, models

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles a request; see ASGI."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), HTTPStatus.INTERNAL_SERVER_ERROR.value

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            caller = find_caller(self.settings, scope["path"], Headers(scope=scope))
            scope.setdefault("state", {})["caller"] = caller
            await self.app(scope, receive, send_counted)
        except RequestRefusal as refusal:
            await _as_response(refusal)(scope, receive, send_counted)
        finally:
            route = scope.get("route")
            model = scope.get("path_params", {}).get("model", "")
            self.telemetry.count_request(
                model if model in self.models else "",
                route.path if route is not None else "other",
                status,
                time.perf_counter() - start,
            )


def _as_response(refusal: RequestRefusal) -> Response:
    headers = dict(DATA_HEADERS)  # here as well: the answer to a failure passes by the middleware
    if refusal.status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    content = pydantic_core.to_json(refusal.answer(), serialize_unknown=True)
    return Response(content, refusal.status, headers, "application/json")


async def _answer_refusal(_: Request, refusal: Any) -> Response:
    return _as_response(refusal)


async def _answer_error(_: Request, error: Any) -> Response:
    """What the loop says, such as of a table that cannot be read."""
    status = HTTPStatus.SERVICE_UNAVAILABLE if isinstance(error, TransientError) else HTTPStatus.INTERNAL_SERVER_ERROR
    log.error("%s", error)
    return _as_response(RequestRefusal(status, error))


async def _answer_status(request: Request, error: Any) -> Response:
    of_model = request.url.path == "/invocations" and error.status_code == HTTPStatus.NOT_FOUND
    fix = "name the model: /models/<model>/invocations" if of_model else "see /openapi.json"
    problem = DataError(error.detail, where=f"{request.method} {request.url.path}", fix=fix)
    response = _as_response(RequestRefusal(HTTPStatus(error.status_code), problem))
    response.headers.update(error.headers or {})
    return response


async def _answer_parameter(request: Request, error: Any) -> Response:
    errors = [_parameter_error(request.url.path, problem) for problem in error.errors()]
    return _as_response(RequestRefusal(HTTPStatus.UNPROCESSABLE_ENTITY, *errors))


def _parameter_error(path: str, problem: Mapping[str, Any]) -> DataError:
    """What is wrong with a parameter of the path or of the query, as pydantic says it."""
    where, received = ": ".join(map(str, problem["loc"])), problem["input"]
    if problem["type"] == "extra_forbidden":
        query = ObservationsQuery if path.endswith("/score") else RowsQuery
        allowed = list(query.model_fields)
        return DataError("no such parameter", where=where, received=received, allowed=allowed, fix="leave it out")
    said = [texts for kind, texts in PARAMETERS.items() if problem["type"].startswith(kind)]
    wrong, allowed_values = said[0] if said else (problem["msg"], None)
    return DataError(wrong, where=where, received=received, allowed=allowed_values)


async def _answer_failure(request: Request, error: Exception) -> Response:
    """An error of ours: its text is for the log, it may quote what nobody outside should read."""
    log.error("%s %s", request.method, request.url.path, exc_info=error)
    problem = TerminalError("the API failed", where=request.url.path, fix="its log says why")
    return _as_response(RequestRefusal(HTTPStatus.INTERNAL_SERVER_ERROR, problem))
