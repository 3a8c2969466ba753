"""Child processes that never outlive the process that waits for them."""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1


def die_with_parent(by: signal.Signals) -> Callable[[], None]:
    """What a child runs before its program, so that Linux signals it when its parent dies, even by SIGKILL.

    Linux means the parent's thread: start such a child from one that lives as long as the child should.
    """

    def ask() -> None:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, by)

    return ask
