"""Lets a thread take a lock that it holds."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager


class ReentrantLocks:
    """Locks by name that their holder may take again.

    Args:
        acquire: Takes a lock for the duration of the context; not called again while this thread holds it.
    """

    def __init__(self, acquire: Callable[[str], AbstractContextManager[None]]) -> None:
        self._acquire = acquire
        self._of_thread = threading.local()

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        depths = self._of_thread.__dict__.setdefault("depths", Counter())
        depths[name] += 1
        try:
            if depths[name] > 1:
                yield
                return
            with self._acquire(name):
                yield
        finally:
            depths[name] -= 1
