"""What `make run` shows: progress as it goes, and a summary at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.status import Status
from rich.table import Table

from nightshift.definition.prediction import PROBABILITY
from nightshift.status import NightStatus


class Reporter:
    """Shows which night and which stage is running, and for how long.

    On a terminal the running stage is one line that moves; elsewhere each stage is a line of its own.

    Args:
        console: Where to.
    """

    def __init__(self, console: Console) -> None:
        self.console, self._started = console, time.monotonic()
        self._status: Status | None = None
        self._last = ""

    def done(self, text: str) -> None:
        """A line that stays."""
        self.console.print(f"[dim]{self._elapsed()}[/dim]  {text}", highlight=False)

    def say(self, text: str) -> None:
        """What is running now."""
        if self._status is not None:
            self._status.update(f"[dim]{self._elapsed()}[/dim]  {text}")
        elif text.split(" (")[0] != self._last:
            self._last = text.split(" (")[0]
            self.console.print(f"{self._elapsed()}    {text}", highlight=False, markup=False)

    @contextmanager
    def live(self) -> Iterator[None]:
        """Keeps the moving line while it lasts."""
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

    def _elapsed(self) -> str:
        minutes, seconds = divmod(int(self.seconds), 60)
        return f"{minutes:02d}:{seconds:02d}"


def nights_table(title: str, statuses: list[NightStatus], seconds: dict[str, float] | None = None) -> Table:
    """A row a night: checks passed, share of features drifted, and the accuracy once its labels are not due."""
    table = Table(title=title, title_justify="left", header_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    metric = statuses[0].metric if statuses else PROBABILITY.metrics.headline_title
    numbers = {"rows", "version", metric, "seconds"}
    names = ["night", "rows", "quality", "drift", "decision", "version", metric]
    for name in [*names, "seconds"] if seconds is not None else names:
        table.add_column(name, justify="right" if name in numbers else "left", no_wrap=True)
    for status in statuses:
        rows = str(status.rows) if status.complete else f"[red]{status.rows} of {status.expected}[/red]"
        accuracy = f"{status.accuracy:.3f}" if status.accuracy is not None else "[dim]due[/dim]"
        cells = [str(status.night), rows, status.quality, status.drift, status.decision, f"{status.version}", accuracy]
        if seconds is not None:
            took = seconds.get(str(status.night))
            cells.append(f"{took:.0f}" if took is not None else "–")
        table.add_row(*cells)
    return table
