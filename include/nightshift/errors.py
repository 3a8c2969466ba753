"""Errors by type: terminal ones fail at once and say what to do, transient ones are retried.

Every error a user can cause is one line that answers five questions: what is wrong, where, what was
received, what is allowed, how to fix it. It may quote a file that is not what it should be, so nothing in it is
unprintable, and what is quoted is cut where it is long.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

LONGEST = 500  # characters of what is quoted


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
            parts.append(f"received {shown(repr(self.received))}")
        if self.allowed is not None:
            parts.append(f"allowed: {_listed(self.allowed)}")
        if self.fix is not None:
            parts.append(f"fix: {self.fix}")
        return _printable("; ".join(parts).replace("\n", " "))


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


def shown(text: str) -> str:
    """A text of any origin as a message may quote it: printable, and cut where it is long."""
    told = _printable(text[: LONGEST + 1])
    return told if len(told) <= LONGEST else f"{told[:LONGEST]}…"


def first_line(error: BaseException) -> str:
    """What a library says first of what went wrong, as a message may quote it; the kind of error if it says nothing."""
    return shown(str(error).strip().partition("\n")[0] or type(error).__name__)


def _printable(text: str) -> str:
    """The text with escapes for what would not show, or would move the cursor of a terminal."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )


def _listed(allowed: Any) -> str:
    if isinstance(allowed, str):
        return allowed
    return ", ".join(str(value) for value in allowed)
