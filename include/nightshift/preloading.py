"""Imports that are done before they are needed."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Iterable


def preload_modules(names: Iterable[str]) -> None:
    """Imports modules, and has the garbage collector leave alone what is in memory then.

    Else each fork of this process would once look for garbage among all that was imported, which takes it a second.
    Where all are imported already nothing happens: what a process uses later is collected as usual.
    """
    missing = [name for name in names if name not in sys.modules]
    for name in missing:
        importlib.import_module(name)
    if missing:
        gc.freeze()
