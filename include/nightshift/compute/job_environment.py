"""The environment of jobs on other machines: what they need of ours, and nothing secret.

Spark and EMR Serverless show the variables that are given to drivers and executors, in pages and in replies of their
interfaces. What is secret must come from the environment that a worker or a job has of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from nightshift.settings import Settings

# Settings that mean something on the machine that submits, and settings of submitting itself.
OF_THIS_MACHINE = {
    f"NIGHTSHIFT_{name}"
    for name in ("HOME", "MODELS_FOLDER", "SOURCES_FOLDER", "VAR", "PRELOAD", "AIRFLOW_URL", "MLFLOW_URL")
} | {"NIGHTSHIFT_SPARK", "NIGHTSHIFT_EMR"}
AWS = re.compile(r"AWS_(DEFAULT_)?REGION|AWS_ENDPOINT_URL(_[A-Z0-9_]+)?")
SECRET = re.compile(r"secret|password|passwd|token|credential|access[-_.]?key", re.IGNORECASE)


def settings_elsewhere(settings: Settings) -> dict[str, str]:
    """The settings that a job needs on another machine, as variables; defaults are written out.

    They may hold secrets; see `holds_secret`.
    """
    catalog = settings.catalog.model_copy(update={"uri": settings.catalog_uri})
    resolved = {
        "NIGHTSHIFT_LANDING": settings.landing_uri,
        "NIGHTSHIFT_WAREHOUSE": settings.warehouse_uri,
        "NIGHTSHIFT_CATALOG": catalog.model_dump_json(),
        "NIGHTSHIFT_MLFLOW_URI": settings.tracking_uri,
        "NIGHTSHIFT_MLFLOW_ARTIFACTS": settings.artifact_root,
        "NIGHTSHIFT_QUALITY_DOCS": settings.quality_docs_uri,
        "NIGHTSHIFT_SPARK__EXECUTORS_WITHIN": str(settings.spark.executors_within),
    }
    chosen = settings.as_environment() | resolved
    return {name: value for name, value in chosen.items() if name not in OF_THIS_MACHINE}


def aws_elsewhere(environment: Mapping[str, str]) -> dict[str, str]:
    """The region and the endpoints of AWS in an environment; never its credentials."""
    return {name: value for name, value in environment.items() if AWS.fullmatch(name)}


def holds_secret(value: str) -> bool:
    """Whether a variable's value has a password or a key in it: in an address, or in a JSON object."""
    try:
        return _secret_within(json.loads(value))
    except ValueError:
        return _secret_within(value)


def _secret_within(value: Any) -> bool:
    if isinstance(value, dict):
        return any((SECRET.search(key) and bool(item)) or _secret_within(item) for key, item in value.items())
    if isinstance(value, list):
        return any(map(_secret_within, value))
    if not isinstance(value, str) or "://" not in value:
        return False
    try:
        address = urlsplit(value)
    except ValueError:  # no address after all
        return False
    return bool(address.password) or any(SECRET.search(name) for name, _ in parse_qsl(address.query))
