"""The routes for those who run the API: whether it works, what it serves, what it counts."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import JSONResponse

from nightshift.serving.served_model import ServedModel
from nightshift.serving.telemetry import Telemetry


def operation_routes(models: Mapping[str, ServedModel], telemetry: Telemetry) -> APIRouter:
    """The routes.

    Args:
        models: The models, by name.
        telemetry: What is counted.
    """
    routes = APIRouter(tags=["operation"])

    @routes.get("/ping", summary="Whether the process answers")
    async def ping() -> Response:
        return Response(status_code=HTTPStatus.OK)

    @routes.get("/ready", summary="Whether every model has a version that answers")
    async def ready() -> Response:
        complete = all(model.champion for model in models.values())
        return Response(status_code=HTTPStatus.OK if complete else HTTPStatus.SERVICE_UNAVAILABLE)

    @routes.get("/health", summary="What answers, and what is wrong")
    async def health() -> JSONResponse:
        states = {name: _state(model) for name, model in models.items()}
        problems = any(model.problem for model in models.values())
        return JSONResponse({"status": "degraded" if problems else "ok", "models": states})

    @routes.get("/metrics", summary="Counters in Prometheus's format")
    async def metrics() -> Response:
        return Response(telemetry.text(), media_type=CONTENT_TYPE_LATEST)

    @routes.get("/models", summary="The models with their features")
    async def list_models() -> JSONResponse:
        return JSONResponse({"models": [_description(model) for model in models.values()]})

    return routes


def _state(model: ServedModel) -> dict[str, Any]:
    champion = model.champion
    return {
        "version": champion.number if champion else None,
        "loaded_at": champion.loaded_at.isoformat() if champion else None,
        "registry_asked_at": model.looked_at.isoformat() if model.looked_at else None,
        "problem": model.problem or None,
    }


def _description(model: ServedModel) -> dict[str, Any]:
    champion = model.champion
    return {
        "model": model.name,
        "description": model.description,
        "version": champion.number if champion else None,
        "features": champion.package.encoder.types if champion else None,
    }
