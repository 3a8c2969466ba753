"""Processes that tests watch end."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager

GONE_WITHIN = 20  # seconds; a bound for a machine under load, not a measurement


@contextmanager
def watched(pid: int) -> Iterator[Callable[[], bool]]:
    """Whether a process ends in time, even one that nobody is left to wait for."""
    handle = os.pidfd_open(pid)
    try:
        yield lambda: bool(select.select([handle], [], [], GONE_WITHIN)[0])
    finally:
        os.close(handle)
