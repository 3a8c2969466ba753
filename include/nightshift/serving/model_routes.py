"""The routes that answer with scores."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import date
from http import HTTPStatus
from typing import Annotated, TypeVar

import pydantic_core
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from nightshift.errors import DataError, TransientError
from nightshift.serving.answers import Asked, answer_features, answer_observations
from nightshift.serving.arrow_body import CONTENT_TYPE as ARROW
from nightshift.serving.arrow_body import read_arrow
from nightshift.serving.published_scores import read_published
from nightshift.serving.refusals import RequestRefusal
from nightshift.serving.request_body import SentRows, read_rows
from nightshift.serving.served_model import RegisteredModel, ServedModel
from nightshift.serving.telemetry import Telemetry
from nightshift.settings import ServingSettings

Result = TypeVar("Result")

JSON = "application/json"
READERS = {JSON: read_rows, ARROW: read_arrow}  # of bodies, by their type
AT_ONCE = 16 * 2**10  # bytes of a body up to which the answer takes less time than to hand it to another thread


class RowsQuery(BaseModel, extra="forbid"):
    """The parameters of a request for scores of rows.

    Attributes:
        partial: Whether rows without error are scored though others have one.
    """

    partial: bool = False


class ObservationsQuery(RowsQuery, extra="forbid"):
    """The parameters of a request for scores of observations.

    Attributes:
        night: The night as of which features are computed; the newest if None.
        features: Whether they are answered, too.
    """

    night: date | None = None
    features: bool = False


def require_single_values(request: Request) -> None:
    """Requires that no parameter stands twice: one of its values would be ignored.

    Raises:
        RequestRefusal: If one does.
    """
    names = [name for name, _ in request.query_params.multi_items()]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        error = DataError("parameters stand twice", where="query", received=", ".join(twice), fix="send each once")
        raise RequestRefusal(HTTPStatus.UNPROCESSABLE_ENTITY, error)


def model_routes(models: Mapping[str, ServedModel], settings: ServingSettings, telemetry: Telemetry) -> APIRouter:
    """The routes.

    Args:
        models: The models, by name.
        settings: The limits of a request.
        telemetry: Where rows are counted.
    """
    routes = APIRouter(tags=["scores"], dependencies=[Depends(require_single_values)])

    async def invoke(model: ServedModel, request: Request, query: RowsQuery) -> Response:
        asked, read = Asked(_caller(request), query.partial), _reader(request)
        body = await _read_body(request, settings)

        def answer() -> bytes:
            return answer_features(model, read(body, settings.max_rows), asked, telemetry)

        content = answer() if len(body) <= AT_ONCE else await _in_thread(answer, settings.timeout)
        return Response(content, media_type=JSON)

    @routes.post("/models/{model}/invocations", summary="Scores of rows of features")
    async def invocations(model: str, request: Request, query: Annotated[RowsQuery, Query()]) -> Response:
        return await invoke(_find(models, model), request, query)

    if len(models) == 1:
        [only] = models.values()

        @routes.post("/invocations", summary="Scores of rows of features")
        async def invocations_of_the_only_model(request: Request, query: Annotated[RowsQuery, Query()]) -> Response:
            return await invoke(only, request, query)

    # Without tables they only say where features go.
    described = any(isinstance(model, RegisteredModel) for model in models.values())

    @routes.post(
        "/models/{model}/score",
        summary="Scores of observations, whose features are computed",
        include_in_schema=described,
    )
    async def score(model: str, request: Request, query: Annotated[ObservationsQuery, Query()]) -> Response:
        served, read = _find_registered(models, model), _reader(request)
        asked = Asked(_caller(request), query.partial, query.night, query.features)
        body = await _read_body(request, settings)

        def answer() -> bytes:
            return answer_observations(served, read(body, settings.max_rows), asked, telemetry)

        return Response(await _in_thread(answer, settings.timeout), media_type=JSON)

    @routes.get(
        "/models/{model}/scores/{night}", summary="The published score of an observation", include_in_schema=described
    )
    async def published_score(model: str, night: date, request: Request) -> Response:
        project = _find_registered(models, model).project
        key = dict(request.query_params)
        row = await _in_thread(lambda: read_published(project, night, key), settings.timeout)
        return Response(pydantic_core.to_json({"model": model, **row}), media_type=JSON)

    return routes


def _find(models: Mapping[str, ServedModel], name: str) -> ServedModel:
    if name in models:
        return models[name]
    error = DataError("no such model is served", where="path", received=name, allowed=list(models))
    raise RequestRefusal(HTTPStatus.NOT_FOUND, error)


def _find_registered(models: Mapping[str, ServedModel], name: str) -> RegisteredModel:
    model = _find(models, name)
    if isinstance(model, RegisteredModel):
        return model
    fix = f"send rows of features to /models/{name}/invocations"
    error = DataError("the model is served from an archive, without tables", where="path", received=name, fix=fix)
    raise RequestRefusal(HTTPStatus.CONFLICT, error)


def _caller(request: Request) -> str:
    """Who asks, as the guard of requests has noted it."""
    return str(getattr(request.state, "caller", ""))


def _reader(request: Request) -> Callable[[bytes, int], SentRows]:
    """What reads a request's body.

    Raises:
        RequestRefusal: If that is of another type.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in READERS:
        return READERS[kind]
    where, allowed = "header Content-Type", " or ".join(READERS)
    error = DataError("another type of content", where=where, received=kind, allowed=allowed)
    raise RequestRefusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, error)


async def _read_body(request: Request, settings: ServingSettings) -> bytes:
    """The body of a request.

    Raises:
        RequestRefusal: If it is too long, or does not arrive in time.
    """
    if _length(request) > settings.max_body:
        raise _too_long(settings)
    try:
        async with asyncio.timeout(settings.timeout):
            parts, size = [], 0
            async for part in request.stream():
                size += len(part)
                if size > settings.max_body:
                    raise _too_long(settings)
                parts.append(part)
            return b"".join(parts)
    except ClientDisconnect:  # nobody reads the answer, but it is no failure of the API
        error = DataError("the caller went away before the body's end", where="body")
        raise RequestRefusal(HTTPStatus.BAD_REQUEST, error) from None
    except TimeoutError:
        error = DataError("the body did not arrive in time", where="body", allowed=f"{settings.timeout} s")
        raise RequestRefusal(HTTPStatus.REQUEST_TIMEOUT, error) from None


def _length(request: Request) -> int:
    length = request.headers.get("content-length", "0")
    return int(length) if length.isdecimal() else 0


def _too_long(settings: ServingSettings) -> RequestRefusal:
    error = DataError(
        "the body is too long",
        where="body",
        allowed=f"{settings.max_body} bytes",
        fix="send fewer rows at once, or raise NIGHTSHIFT_SERVING__MAX_BODY",
    )
    return RequestRefusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, error)


async def _in_thread(work: Callable[[], Result], seconds: float) -> Result:
    """The result of work that would keep other requests waiting.

    Raises:
        RequestRefusal: If it is not there in time; the work goes on to its end.
    """
    try:
        async with asyncio.timeout(seconds):
            return await run_in_threadpool(work)
    except TimeoutError:
        error = TransientError("the answer took too long", allowed=f"{seconds} s", fix="send fewer rows at once")
        raise RequestRefusal(HTTPStatus.SERVICE_UNAVAILABLE, error) from None
