"""Rates of false alarms as people write them: `1 per 90 nights`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

_PATTERN = re.compile(r"(\d{1,6}) per (\d{1,6}) nights")
RAREST, MOST = 0.001, 0.5


@dataclass(frozen=True)
class FalseAlarms:
    """How many of the nights that resemble the reference may be reported as drifted."""

    alarms: int
    nights: int

    @property
    def rate(self) -> float:
        """The probability of a false alarm on one night."""
        return self.alarms / self.nights

    def __str__(self) -> str:
        return f"{self.alarms} per {self.nights} nights"

    @classmethod
    def parse(cls, text: object) -> FalseAlarms:
        """Turns `1 per 90 nights` into a rate.

        Raises:
            PydanticCustomError: If it is not a rate, or a rate outside the supported range.
        """
        if isinstance(text, FalseAlarms):
            return text
        match = _PATTERN.fullmatch(" ".join(str(text).split()))
        if match is None:
            allowed = "two whole numbers: 1 per 90 nights"
            raise PydanticCustomError("false_alarms", "not a rate of false alarms", {"allowed": allowed})
        parsed = cls(int(match[1]), int(match[2]))
        if not parsed.nights or not RAREST <= parsed.rate <= MOST:
            allowed = "from 1 per 1000 nights to 1 per 2 nights"
            raise PydanticCustomError(
                "false_alarms", "a rate of false alarms outside the supported range", {"allowed": allowed}
            )
        return parsed

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        to_text = core_schema.plain_serializer_function_ser_schema(str)
        return core_schema.no_info_plain_validator_function(cls.parse, serialization=to_text)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": f"^{_PATTERN.pattern}$"}
