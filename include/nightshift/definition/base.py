"""The base of every part of a definition, and the types of its values with their names in the documentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, TypeAdapter, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

LONGEST_NAME = 63


class StrictModel(BaseModel):
    """A frozen part of a definition. Unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class ValueType:
    """The name of a type in the documentation, attached to the type with `Annotated`.

    Attributes:
        name: The type of one value.
        plural: The type of the values of a list; the name itself if left out.
    """

    name: str
    plural: str | None = None


@dataclass(frozen=True)
class AlternativeForm:
    """A second form in which a value may be written, attached to the type with `Annotated`.

    A form with required keys is recognised by them, and a constant text by being a text, so that an editor's messages
    are about the form that is meant.

    Attributes:
        form: The JSON schema of the second form.
    """

    form: dict[str, Any]

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        if required := self.form.get("required"):
            return {"if": {"required": required}, "then": self.form, "else": handler(schema)}
        if isinstance(self.form.get("const"), str):
            return {"if": {"type": "string"}, "then": self.form, "else": handler(schema)}
        return {"anyOf": [handler(schema), self.form]}


Name = Annotated[str, Field(pattern=rf"^[a-z][a-z0-9_]{{0,{LONGEST_NAME - 1}}}$"), ValueType("name")]
NAME_FORM = "a lower-case letter, then lower-case letters, digits and _"
SourceName = Annotated[str, ValueType("source", "sources")]
ColumnName = Annotated[str, ValueType("column", "columns")]
FeatureName = Annotated[str, ValueType("feature", "features")]
SparkSql = Annotated[str, ValueType("Spark SQL")]
DuckDbSql = Annotated[str, ValueType("DuckDB SQL")]


def is_name(text: str) -> bool:
    """Whether a definition can give this name."""
    try:
        TypeAdapter(Name).validate_python(text)
    except ValidationError:
        return False
    return True
