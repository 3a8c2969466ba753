"""The progress that `make run` shows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status
from rich.text import Text

from nightshift.terminal import as_text, print_line


class Reporter:
    """Shows which night and which stage is running, and for how long.

    On a terminal the running stage is one line that changes; elsewhere each stage is a line of its own.

    Args:
        console: Where to.
    """

    def __init__(self, console: Console) -> None:
        self.console, self._started = console, time.monotonic()
        self._status: Status | None = None
        self._last_stage = ""

    def log(self, text: str) -> None:
        """Writes a line that stays."""
        print_line(self.console, self._timed(text))

    def show(self, text: str) -> None:
        """Shows the running stage; what is in parentheses changes without a new line."""
        stage = text.split(" (")[0]
        if self._status is not None:
            self._status.update(self._timed(text))
        elif stage != self._last_stage:
            self._last_stage = stage
            print_line(self.console, f"{self._elapsed()}    {text}")

    @contextmanager
    def live(self) -> Iterator[None]:
        """Shows the changing line of the running stage until the block ends."""
        if not self.console.is_terminal:
            yield
            return
        with self.console.status("starting") as self._status:
            try:
                yield
            finally:
                self._status = None

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started

    def _timed(self, text: str) -> Text:
        return Text.assemble((self._elapsed(), "dim"), "  ", as_text(text))

    def _elapsed(self) -> str:
        minutes, seconds = divmod(int(self.seconds), 60)
        return f"{minutes:02d}:{seconds:02d}"
