"""Errors that mean that a process of a job's Spark application is gone, such as one that was killed for its memory."""

from __future__ import annotations

import os
import re
import signal
import socket

from nightshift.errors import TransientError
from nightshift.processes import die_with_parent

GATEWAY = "PYSPARK_GATEWAY_PORT"  # the variable by which spark-submit tells its program where its JVM listens
ANSWERS_WITHIN = 5.0  # seconds
# What Spark says of a Python worker, and of the process that all of them are forks of, with its exit code if it had one
# at that moment: a signal's number and 128, or that of its own failure.
WORKER = re.compile(r"Python worker exited unexpectedly")
WORKERS = re.compile(r"EOFException occurred while reading the port number from \S+ stdout(?! and \D+: \d{1,2}\b)")
# How Java says that the other end of a connection is gone: a worker that was killed while rows are written to it.
CONNECTION = re.compile(r"java\.(io|net|nio)\.\S*Exception: (Broken pipe|Connection reset)")


def lost_process(error: Exception) -> TransientError | None:
    """Why a stage of a job failed, if a process is gone that it needs; the same job may succeed when it is run again.

    Args:
        error: What the stage raised.
    """
    text = str(error)
    if jvm_is_gone():
        return _lost("its JVM has ended")
    if WORKER.search(text):
        return _lost("a Python worker was killed or has crashed")
    if WORKERS.search(text):
        return _lost("the process of its Python workers was killed as it started")
    if CONNECTION.search(text):
        return _lost("the connection to a Python worker or to another process broke")
    return None


def end_with_jvm() -> None:
    """Has this program end at once when the JVM ends that started it: without one it can do nothing."""
    if GATEWAY in os.environ:
        die_with_parent(signal.SIGKILL)


def jvm_is_gone() -> bool:
    """Whether the JVM that started this program does not listen any more; False if none has started it."""
    port = os.environ.get(GATEWAY)
    if port is None:
        return False
    try:
        socket.create_connection(("127.0.0.1", int(port)), ANSWERS_WITHIN).close()
    except OSError:
        return True
    return False


def _lost(problem: str) -> TransientError:
    return TransientError(
        problem,
        where="Spark application",
        fix="run this again; if it recurs, look in the system's log whether memory ran out",
    )
