"""Ends a job whose cluster gives it no executor: Spark itself would wait for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from py4j.protocol import Py4JError
from pyspark import SparkContext

from nightshift.errors import TransientError
from nightshift.settings import get_settings

LOOK_EVERY = 5.0  # seconds


def watch_executors(give_up: Callable[[TransientError], None]) -> None:
    """Starts to watch the session that this process will have.

    Args:
        give_up: Ends the process; called when there was work and no executor for as long as the settings allow. It is
            called on another thread: the one that waits for Spark cannot be reached.
    """
    threading.Thread(target=_watch, args=(give_up,), daemon=True).start()


def _watch(give_up: Callable[[TransientError], None]) -> None:
    waiting_since: float | None = None
    while True:
        time.sleep(LOOK_EVERY)
        context = SparkContext._active_spark_context
        if context is None or getattr(context, "_jsc", None) is None:  # it has not started yet
            continue
        if context.master.startswith("local"):
            return
        try:
            starved = _starved(context)
        except (Py4JError, OSError):  # the session has ended meanwhile
            return
        if not starved:
            waiting_since = None
            continue
        waiting_since = waiting_since or time.monotonic()
        limit = get_settings().spark.executors_within
        if time.monotonic() - waiting_since >= limit:
            give_up(
                TransientError(
                    f"the cluster gave the job no executor for {limit} s",
                    where=f"Spark master {context.master}",
                    fix="start workers, free some, or ask for fewer cores or less memory in NIGHTSHIFT_SPARK__CONF",
                )
            )
            return


def _starved(context: SparkContext) -> bool:
    """Whether something is to be computed, and there is nobody to do it but the driver."""
    if not context.statusTracker().getActiveStageIds():
        return False
    return len(context._jsc.sc().statusTracker().getExecutorInfos()) <= 1
