"""The error of a landed file that is not written as its source declares."""

from __future__ import annotations


class UnreadableFileError(ValueError):
    """A file that is not written as its source declares.

    Attributes:
        fix: The repair.
        received: What the file has, if that is not in the problem.
        allowed: What it may have.
    """

    def __init__(self, problem: str, fix: str, *, received: str | None = None, allowed: str | None = None) -> None:
        super().__init__(problem)
        self.fix, self.received, self.allowed = fix, received, allowed
