"""Errors by type: terminal ones fail at once and say what to do, transient ones are retried.

Every error a user can cause is one line that answers five questions: what is wrong, where, which value was received,
which values are allowed, how to fix it. It may quote a broken file or a library: everything in it is printable, long
quotations are cut, and addresses are without their passwords.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nightshift.redaction import redacted

LONGEST = 500  # characters of a quotation


class NightshiftError(Exception):
    """One clear line for the person who has to act.

    Args:
        problem: What is wrong, as a short sentence without a full stop.
        where: The file, table, column or key it concerns.
        received: The value received.
        allowed: The values that would have been accepted.
        fix: What to do about it.
    """

    def __init__(
        self,
        problem: str,
        *,
        where: str | None = None,
        received: Any = None,
        allowed: Any = None,
        fix: str | None = None,
    ) -> None:
        self.problem, self.where, self.fix = redacted(problem), where and redacted(where), fix
        self.received, self.allowed = received, allowed
        super().__init__(self._line())

    def _line(self) -> str:
        parts = [f"{self.where}: {self.problem}" if self.where else self.problem]
        if self.received is not None:
            parts.append(f"received {shown(repr(self.received))}")
        if self.allowed is not None:
            parts.append(f"allowed: {_listed(self.allowed)}")
        if self.fix is not None:
            parts.append(f"fix: {self.fix}")
        return printable(redacted("; ".join(parts).replace("\n", " ")))


class TerminalError(NightshiftError):
    """Trying again gives the same result: fail at once."""


class TransientError(NightshiftError):
    """The same call may succeed later: retry with back-off."""


class FullDiskError(TransientError):
    """No space is left where something has to be written: there may be some later."""


class ReadOnlyError(TerminalError):
    """Something has to be written where this process may not write."""


class NotConfiguredError(TerminalError):
    """Something that this environment does not say how to reach, such as a database."""


class DefinitionError(TerminalError):
    """A model definition that cannot be used. Holds one problem a line."""

    def __init__(self, problems: Sequence[NightshiftError]) -> None:
        self.problems = list(problems)
        Exception.__init__(self, "\n".join(str(problem) for problem in problems))


class DataError(TerminalError):
    """Landed or staged data that cannot be read as declared."""


class DamagedFileError(DataError):
    """A data file of a table that is missing, cut off or unreadable."""


class NotYetAvailable(TransientError):
    """Something a night needs has not arrived or was not published yet."""


def shown(text: str) -> str:
    """A text of any origin as a message may quote it: printable, without passwords, and cut if it is long."""
    line = printable(redacted(text)[: LONGEST + 1])
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"


def first_line(error: BaseException) -> str:
    """The first line of a library's error, as a message may quote it; the kind of error if it has no text."""
    return shown(str(error).strip().partition("\n")[0] or type(error).__name__)


def printable(text: str) -> str:
    """The text with escapes for characters that do not show, or move the cursor of a terminal."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )


def _listed(allowed: Any) -> str:
    if isinstance(allowed, str):
        return allowed
    return ", ".join(str(value) for value in allowed)
