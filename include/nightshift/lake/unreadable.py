"""The error of a landed file that is not written as its source declares."""

from __future__ import annotations


class UnreadableFileError(ValueError):
    """A file that is not written as its source declares.

    Attributes:
        fix: The repair.
    """

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(problem)
        self.fix = fix
