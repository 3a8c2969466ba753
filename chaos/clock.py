"""Sets the clock of an installation's processes wrong while they run, and theirs alone: a library is preloaded."""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")
VARIABLE = "CHAOS_CLOCK"  # names the file of the offset
MINUTE, HOUR, DAY, YEAR = 60.0, 3_600.0, 86_400.0, 31_557_600.0
# Seconds that the clock is wrong by at most, forwards or back; 0 sets it right.
MOST_WRONG = (0.0, 2 * MINUTE, 5 * HOUR, 2 * DAY, 40 * DAY, 3 * YEAR)
LONGEST_PAUSE = 4.0  # seconds between two jumps


def compile_library(folder: Path) -> Path | None:
    """Compiles the library that is preloaded, in a folder; None if this machine has no Linux, or no C compiler."""
    if sys.platform != "linux" or (compiler := shutil.which("cc")) is None:
        return None
    library = folder / "clock.so"
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE)], check=True)
    return library


@dataclass
class Clock:
    """The clock of an installation's processes, which jumps.

    Attributes:
        file: By how much it is wrong, in nanoseconds.
        random: Chooses the instants and the offsets.
        jumps: How often it was set.
    """

    file: Path
    random: random.Random
    jumps: int = 0

    def follow(self) -> None:
        """Has this process, and those that it starts, follow the clock."""
        os.environ[VARIABLE] = str(self.file)
        ctypes.CDLL(None).follow_clock(os.fsencode(self.file))

    @contextmanager
    def jumping(self) -> Iterator[None]:
        """Sets it at random instants within, and right afterwards."""
        self._set(0.0)
        done = threading.Event()
        thread = threading.Thread(target=self._jump_until, args=(done,))
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            self._set(0.0)

    def _jump_until(self, done: threading.Event) -> None:
        while not done.wait(self.random.uniform(0, LONGEST_PAUSE)):
            most = self.random.choice(MOST_WRONG)
            self._set(self.random.uniform(-most, most))
            self.jumps += 1

    def _set(self, seconds: float) -> None:
        descriptor = os.open(self.file, os.O_WRONLY | os.O_CREAT)
        os.pwrite(descriptor, struct.pack("q", int(seconds * 1e9)), 0)
        os.close(descriptor)
