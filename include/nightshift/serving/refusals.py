"""Requests that are refused, and what their callers are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from nightshift.errors import NightshiftError, shown

MOST_ERRORS = 100  # that an answer lists


@dataclass(frozen=True)
class RowError:
    """Why a row of a request cannot be scored.

    Attributes:
        row: Its position in the request, from 0.
        error: The error.
    """

    row: int
    error: NightshiftError


class RequestRefusal(Exception):
    """A request that is refused.

    Args:
        status: The HTTP status of the answer.
        errors: Why, one or more.
    """

    def __init__(self, status: HTTPStatus, *errors: NightshiftError | RowError) -> None:
        super().__init__(status, *errors)
        self.status, self.errors = status, errors

    def answer(self) -> dict[str, Any]:
        """The answer's content; its first two keys are those of an error of MLflow's own server."""
        first = self.errors[0]
        message = str(first.error if isinstance(first, RowError) else first)
        return {"error_code": self.status.name, "message": message, **listed_errors(self.errors)}


def listed_errors(errors: Sequence[NightshiftError | RowError]) -> dict[str, Any]:
    """Errors for an answer: how many there are, and the first of them with the facts that every error has."""
    return {"error_count": len(errors), "errors": [_facts(error) for error in errors[:MOST_ERRORS]]}


def _facts(error: NightshiftError | RowError) -> dict[str, Any]:
    if isinstance(error, RowError):
        return {"row": error.row, **_facts(error.error)}
    received = None if error.received is None else shown(repr(error.received))
    allowed = error.allowed if error.allowed is None or isinstance(error.allowed, str) else list(error.allowed)
    return {
        "problem": error.problem,
        "where": error.where,
        "received": received,
        "allowed": allowed,
        "fix": error.fix,
    }
