"""The description of the API, with examples of the models that it serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from nightshift.lake.tables import key_within_night
from nightshift.registry.mlflow_files import typical_row
from nightshift.serving.arrow_body import CONTENT_TYPE as ARROW
from nightshift.serving.observation_rows import example_observation
from nightshift.serving.request_body import INPUTS, RECORDS, SPLIT
from nightshift.serving.served_model import RegisteredModel, ServedModel
from nightshift.settings import ServingSettings

VALUE = {"type": ["number", "string", "boolean", "null"]}
ROWS: dict[str, Any] = {"type": "array", "items": {"type": "object", "additionalProperties": VALUE}}
COLUMNS: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "array", "items": VALUE}}
TABLE: dict[str, Any] = {
    "type": "object",
    "required": ["columns", "data"],
    "properties": {
        "columns": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        "data": {"type": "array", "items": {"type": "array", "items": VALUE}},
    },
}
BODY: dict[str, Any] = {
    "oneOf": [
        {"type": "object", "required": [name], "properties": {name: content}, "additionalProperties": False}
        for name, content in {SPLIT: TABLE, RECORDS: ROWS, INPUTS: {"oneOf": [COLUMNS, ROWS]}}.items()
    ]
}
ERRORS: dict[str, Any] = {
    "type": "object",
    "required": ["error_code", "message", "error_count", "errors"],
    "properties": {
        "error_code": {"type": "string"},
        "message": {"type": "string"},
        "error_count": {"type": "integer"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["problem"],
                "properties": {
                    "row": {"type": "integer", "description": "The position of the row in the request, from 0."},
                    "problem": {"type": "string"},
                    "where": {"type": ["string", "null"]},
                    "received": {"type": ["string", "null"]},
                    "allowed": {},
                    "fix": {"type": ["string", "null"]},
                },
            },
        },
    },
}
SCORES: dict[str, Any] = {
    "type": "object",
    "required": ["predictions", "model", "version"],
    "properties": {
        "predictions": {"type": "array", "items": {"type": ["object", "null"]}},
        "model": {"type": "string"},
        "version": {"type": "integer"},
        "error_count": {"type": "integer"},
        "errors": ERRORS["properties"]["errors"],
    },
}
# The statuses of every route, and of those that take rows.
STATUSES = {"401": "The caller is unknown.", "422": "A parameter or a row is not valid."}
OF_ROWS = {
    "400": "The body is not JSON or names no rows.",
    "408": "The body did not arrive in time.",
    "413": "The body or its rows are too many.",
    "415": "The body is of another type.",
    "503": "No version answers, or not in time.",
}


def describe_api(api: FastAPI, models: Mapping[str, ServedModel], settings: ServingSettings) -> dict[str, Any]:
    """The OpenAPI description; the examples are those of the champions that answer now."""
    document = get_openapi(title=api.title, version="1", routes=api.routes)
    document.setdefault("components", {})["schemas"] = {"Errors": ERRORS, "Scores": SCORES}
    if settings.tokens:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            examples = EXAMPLES.get(path.rpartition("/")[2])
            _describe_answers(operation, STATUSES | (OF_ROWS if examples else {}), path)
            if examples:
                content = {"schema": BODY, "examples": examples(models)}
                stream = {"schema": {"type": "string", "format": "binary"}}
                bodies = {"application/json": content, ARROW: stream}
                operation["requestBody"] = {"required": True, "content": bodies}
                operation["responses"]["200"]["content"] = _json("Scores")
            for parameter in operation.get("parameters", ()):
                if parameter["name"] == "model":
                    parameter["schema"] = {"type": "string", "enum": list(models)}
            if path.endswith("/{night}"):
                operation["parameters"] += _key_parameters(models)
    return document


def _describe_answers(operation: dict[str, Any], statuses: Mapping[str, str], path: str) -> None:
    described = dict(statuses)
    if "{" in path:
        described["404"] = "There is no such model, night or observation."
    if path.endswith("/score"):
        described["409"] = "The definition or the champion keeps observations from being computed."
    if path == "/ready":
        described = {"503": "A model has no version that answers."}
    for status, meaning in described.items():
        operation["responses"][status] = {"description": meaning, "content": _json("Errors")}


def _json(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _registered(models: Mapping[str, ServedModel]) -> dict[str, RegisteredModel]:
    return {name: model for name, model in models.items() if isinstance(model, RegisteredModel)}


def _observations(models: Mapping[str, ServedModel]) -> dict[str, Any]:
    """A body for each model, of values that its definition allows."""
    rows = {name: example_observation(model.project.definition) for name, model in _registered(models).items()}
    return {name: {"value": {RECORDS: [row]}} for name, row in rows.items()}


def _features(models: Mapping[str, ServedModel]) -> dict[str, Any]:
    """A body for each model, of the medians and most frequent categories that its champion learned."""
    examples = {}
    for name, model in models.items():
        if champion := model.champion:
            row = typical_row(champion.package)
            table = {"columns": list(champion.package.encoder.types), "data": [row]}
            examples[name] = {"value": {SPLIT: table}}
    return examples


# The examples of the routes that take rows, by how their paths end.
EXAMPLES: Mapping[str, Callable[[Mapping[str, ServedModel]], dict[str, Any]]] = {
    "score": _observations,
    "invocations": _features,
}


def _key_parameters(models: Mapping[str, ServedModel]) -> list[dict[str, Any]]:
    """The columns of the keys: each model takes its own."""
    owners: dict[str, list[str]] = {}
    registered = _registered(models)
    for name, model in registered.items():
        for column in key_within_night(model.project.definition):
            owners.setdefault(column, []).append(name)
    return [
        {
            "name": column,
            "in": "query",
            "required": len(of) == len(registered),
            "schema": {"type": "string"},
            "description": f"Part of the observation's key of {', '.join(of)}.",
        }
        for column, of in owners.items()
    ]
