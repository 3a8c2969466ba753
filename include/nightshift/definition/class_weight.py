"""The weights of a label's classes: `balanced`, or a number for each class by its name."""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from nightshift.definition.base import ValueType

BALANCED: Literal["balanced"] = "balanced"
ALLOWED = "balanced, or a finite number above 0 for each class, such as {true: 3, false: 1}"


def parse_class_weight(declared: Any) -> Any:
    """Names the classes of YAML's `true` and `false`, and requires numbers above 0.

    Raises:
        PydanticCustomError: If it is neither `balanced` nor such numbers by class.
    """
    if declared == BALANCED:
        return declared
    if not isinstance(declared, dict) or not declared:
        raise PydanticCustomError("class_weight", "no weights of classes", {"allowed": ALLOWED})
    for name, weight in declared.items():
        is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not is_number or not isfinite(weight) or weight <= 0:
            message = "the weight of the class {name} is no number above 0: {weight}"
            context = {"name": str(name), "weight": str(weight), "allowed": ALLOWED, "fix": "write a number above 0"}
            raise PydanticCustomError("class_weight", message, context)
    return {class_name(name): float(weight) for name, weight in declared.items()}


def class_name(label: Any) -> str:
    """The name of a class: `true` or `false` of a condition."""
    return str(label).lower() if isinstance(label, bool) else str(label)


ClassWeight = Annotated[
    Literal["balanced"] | dict[str, float],
    BeforeValidator(parse_class_weight),
    ValueType("`balanced`, or class: number"),
    WithJsonSchema(
        {
            "anyOf": [
                {"const": BALANCED},
                {"type": "object", "additionalProperties": {"type": "number", "exclusiveMinimum": 0}},
            ]
        }
    ),
]
