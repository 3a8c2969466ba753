"""The documentation of the settings, `docs/settings.md`, from their types."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from nightshift.settings import PROJECT, Settings

INTRODUCTION = """\
# Settings

<!-- Made from the types in include/nightshift/settings.py by `make docs`. -->

Each setting is an environment variable. Lists and mappings are JSON. Airflow's components, Spark's drivers and the
command line read the same ones: set them alike on every machine. `NIGHTSHIFT_VAR` alone may differ, if
`NIGHTSHIFT_STATE` names a place that all machines share.

AWS is reached by its own variables, which boto3, Arrow, PyIceberg and MLflow then share: `AWS_REGION` and
`AWS_DEFAULT_REGION`, `AWS_ENDPOINT_URL` or `AWS_ENDPOINT_URL_S3` for another S3 than Amazon's, and credentials, unless
the machine has a role.

| variable | default | meaning |
|---|---|---|
"""


def settings_page() -> str:
    """The page as Markdown."""
    return INTRODUCTION + "".join(_rows(Settings, "NIGHTSHIFT"))


def _rows(group: type[BaseModel], prefix: str, separator: str = "_") -> Iterator[str]:
    for name, field in group.model_fields.items():
        variable = f"{prefix}{separator}{name.upper()}"
        if isinstance(field.default, BaseModel):
            yield from _rows(type(field.default), variable, "__")
        else:
            yield f"| `{variable}` | {_default(field)} | {field.description} |\n"


def _default(field: FieldInfo) -> str:
    if field.default in (None, [], PydanticUndefined):
        return ""
    if field.default == PROJECT:
        return "where Nightshift is installed"
    value = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
    return f"`{value}`"
