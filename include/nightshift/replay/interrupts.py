"""Ctrl-C while servers run: the first one ends what runs, later ones do not disturb the stop of the servers."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Self

from rich.console import Console

from nightshift.replay.running_servers import RunningServers
from nightshift.replay.servers import Servers
from nightshift.terminal import print_line


def wait_for_interrupt(servers: Servers) -> None:
    """Waits until a signal interrupts it.

    Raises:
        TerminalError: If a server ends meanwhile.
    """
    stopped = threading.Event()
    while not stopped.wait(1):
        servers.check()


@contextmanager
def stopping(servers: Servers | RunningServers, console: Console) -> Iterator[list[str]]:
    """Stops the servers at the end, also after an interrupt, which is then no error.

    Yields:
        The names of the servers that were stopped, once they are.
    """
    stopped: list[str] = []
    with FirstInterrupt() as interrupt:
        try:
            yield stopped
        except BaseException:
            if not interrupt.received:
                raise
            print_line(console, "\nStopping the servers." if isinstance(servers, Servers) else "\nInterrupted.")
        finally:
            interrupt.ignore()
            stopped += servers.stop()


def print_stopped(console: Console, names: Sequence[str]) -> None:
    """Says which servers were stopped."""
    print_line(console, f"Stopped: {', '.join(names) or 'no server ran yet'}.")


class FirstInterrupt:
    """The first Ctrl-C or SIGTERM raises KeyboardInterrupt; later ones do not disturb the stop of the servers.

    A library may raise an error of its own in place of the KeyboardInterrupt: `received` tells.
    """

    def __init__(self) -> None:
        self.received = False
        self._ignored = False

    def __enter__(self) -> Self:
        self._handlers = {number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def ignore(self) -> None:
        """Ignores every interrupt from here on."""
        self._ignored = True

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self._ignored:
            self._ignored = self.received = True
            raise KeyboardInterrupt
