"""The JSON schemas of `model.yaml` and of a shared source, with which an editor completes and checks the files.

It knows keys, types and bounds. The rules between keys are checked by `nightshift validate` alone.
"""

from __future__ import annotations

import json
import re
from typing import Any

from nightshift.definition.model import ModelDefinition
from nightshift.definition.source import SharedSource

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def definition_schema() -> dict[str, Any]:
    """The JSON schema of `model.yaml`, made from the types of the definition."""
    schema: dict[str, Any] = _simplify(ModelDefinition.model_json_schema())
    return {"$schema": DIALECT} | schema | {"title": "Nightshift model definition"}


def source_schema() -> dict[str, Any]:
    """The JSON schema of the file of a shared source."""
    schema: dict[str, Any] = _simplify(SharedSource.model_json_schema())
    return {"$schema": DIALECT} | schema | {"title": "Nightshift shared source"}


def schema_text(schema: dict[str, Any]) -> str:
    """A schema as the text of a file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _simplify(node: Any) -> Any:
    """A part of Pydantic's schema without titles, without nested defaults, and closed to names that are not valid."""
    if isinstance(node, list):
        return [_simplify(part) for part in node]
    if not isinstance(node, dict):
        return node
    if "patternProperties" in node:
        node = node | {"additionalProperties": False}
    simplified: dict[str, Any] = {}
    for key, value in node.items():
        if key in {"properties", "$defs", "patternProperties"}:
            simplified[key] = {name: _simplify(part) for name, part in value.items()}
        elif key == "description":
            simplified[key] = _plain_text(value)
        elif key != "title" and not (key == "default" and (value is None or isinstance(value, dict))):
            simplified[key] = _simplify(value)
    return simplified


def _plain_text(markdown: str) -> str:
    """A description without links, whose targets are relative to the documentation, and without line breaks."""
    text = re.sub(r"\[((?:[^\[\]]|\[[^\]]*\])+)\]\([^)]+\)", r"\1", markdown)
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
