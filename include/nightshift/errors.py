"""Errors by type: terminal ones fail at once and say what to do, transient ones are retried.

Every error a user can cause is one line that answers five questions: what is wrong, where, what was
received, what is allowed, how to fix it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class NightshiftError(Exception):
    """One clear line for the person who has to act.

    Args:
        what: What is wrong, as a short sentence without a full stop.
        where: The file, table, column or key it concerns.
        received: The value that was met.
        allowed: The values that would have been accepted.
        fix: What to do about it.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        received: Any = None,
        allowed: Any = None,
        fix: str | None = None,
    ) -> None:
        self.what, self.where, self.received, self.allowed, self.fix = what, where, received, allowed, fix
        super().__init__(self._line())

    def _line(self) -> str:
        parts = [f"{self.where}: {self.what}" if self.where else self.what]
        if self.received is not None:
            parts.append(f"received {self.received!r}")
        if self.allowed is not None:
            parts.append(f"allowed: {_listed(self.allowed)}")
        if self.fix is not None:
            parts.append(f"fix: {self.fix}")
        return "; ".join(parts).replace("\n", " ")


class TerminalError(NightshiftError):
    """Trying again gives the same result: fail at once."""


class TransientError(NightshiftError):
    """The world may be different in a moment: retry with back-off."""


class DefinitionError(TerminalError):
    """A model definition that cannot be used. Holds one problem a line."""

    def __init__(self, problems: Sequence[NightshiftError]) -> None:
        self.problems = list(problems)
        Exception.__init__(self, "\n".join(str(problem) for problem in problems))


class DataError(TerminalError):
    """Landed or staged data that cannot be read as declared."""


class NotYetAvailable(TransientError):
    """Something a night needs has not arrived or was not published yet."""


def _listed(allowed: Any) -> str:
    if isinstance(allowed, str):
        return allowed
    return ", ".join(str(value) for value in allowed)
