"""Child processes that never outlive the process that waits for them."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial

PR_SET_PDEATHSIG = 1


def die_with_parent(by: signal.Signals) -> None:
    """Has Linux signal this process when its parent dies, even by SIGKILL.

    Linux means the parent's thread: start such a child from one that lives as long as the child should.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, by)


def start_group(command: Sequence[str], environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Starts a command in a process group of its own; what it prints and complains of is one stream of lines."""
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        preexec_fn=partial(die_with_parent, signal.SIGKILL),
    )


def kill_group(process: subprocess.Popen[str]) -> None:
    """Kills a command that `start_group` started, with everything it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
