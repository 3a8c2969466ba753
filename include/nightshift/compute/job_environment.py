"""The environment of jobs on other machines: what they need of ours, and nothing secret.

Spark and EMR Serverless show the variables that are given to drivers and executors, in pages and in replies of their
interfaces. What is secret must come from the environment that a worker or a job has of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from nightshift.redaction import secret_texts
from nightshift.settings import Settings

# Settings that mean something on the machine that submits, and settings of submitting itself.
OF_THIS_MACHINE = {
    f"NIGHTSHIFT_{name}"
    for name in ("HOME", "MODELS_FOLDER", "SOURCES_FOLDER", "VAR", "PRELOAD", "AIRFLOW_URL", "MLFLOW_URL")
} | {"NIGHTSHIFT_SPARK", "NIGHTSHIFT_EMR"}
SPARK_SECRET = re.compile(r"secret|password|token|access[.-]?key", re.IGNORECASE)
AWS = re.compile(r"AWS_(DEFAULT_)?REGION|AWS_ENDPOINT_URL(_[A-Z0-9_]+)?")


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
        content = json.loads(value)
    except ValueError:
        content = value
    return any(secret_texts(content))


def secret_conf(conf: Mapping[str, str]) -> dict[str, str]:
    """The part of a Spark configuration that is secret: what Spark itself hides in its pages, and addresses."""
    return {key: value for key, value in conf.items() if SPARK_SECRET.search(key) or any(secret_texts(value))}
