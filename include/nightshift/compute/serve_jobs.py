"""What a waiting driver does: one job after the other, in its session, for callers on this machine.

A caller connects to the driver's socket, is told that the driver is ready for it, and sends a line: the name of a
program in `spark_jobs/` and its arguments. The program runs in this process as it would in one of its own. When it has
ended, the caller gets its exit code; everything else it reads from the driver's log and the job's outcome file. A
caller that sends no line makes the driver wait as long again. See `compute/waiting_driver.py`.
"""

from __future__ import annotations

import json
import os
import runpy
import shutil
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import TextIO

READY_FOR_JOB = b"ready\n"
CLOSES_WITHIN = 5.0  # seconds from the end of a job to that of its caller's connection
MOST_JOBS = 50  # before it ends, so that nothing that a job may leave in memory adds up


def serve_jobs(
    programs: Path, path: Path, log: Path, seconds: float, prepare: Callable[[], Callable[[], None]]
) -> None:
    """Runs jobs until none has come for a while, or one has failed.

    Args:
        programs: The folder of the jobs' programs.
        path: The socket to listen on, alone in its folder, which is removed at the end.
        log: Where jobs print to. Spark passes on what its driver prints, but not before the job has ended.
        seconds: How long to wait for a job.
        prepare: Makes the first job's way short; it returns what is done after a job. Callers wait for the socket.
    """
    try:
        with (
            log.open("a", buffering=1) as lines,
            redirect_stdout(lines),
            redirect_stderr(lines),
            socket.socket(socket.AF_UNIX) as server,
        ):
            after = prepare()
            server.bind(str(path))
            server.listen()
            server.settimeout(seconds)
            jobs = 0
            while jobs < MOST_JOBS:
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    return
                code = _serve(connection, programs)
                if code:
                    return
                if code == 0:
                    jobs += 1
                    after()
    finally:
        shutil.rmtree(path.parent, ignore_errors=True)


def run_program(program: Path, arguments: list[str]) -> int:
    """Runs a job's program in this process.

    Returns:
        The exit code that Python would end with, which prints why if it is not a number.
    """
    before, sys.argv = sys.argv, [str(program), *arguments]
    try:
        runpy.run_path(str(program), run_name="__main__")
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        sys.stderr.write(f"{end.code}\n")
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.argv = before
    return 0


def _serve(connection: socket.socket, programs: Path) -> int | None:
    """Runs the job of a caller.

    Returns:
        The exit code of its program; None if the caller has no job.
    """
    connection.settimeout(None)
    with connection, connection.makefile("r") as lines:
        try:
            connection.sendall(READY_FOR_JOB)
            line = lines.readline()
        except ConnectionError:
            line = ""
        if not line:  # it has started a driver of its own meanwhile, or only asks this one to wait on
            return None
        call, ended = json.loads(line), threading.Event()
        watch = threading.Thread(target=_end_with_caller, args=(lines, ended), daemon=True)
        watch.start()
        code = run_program(programs / f"{call['job']}.py", call["arguments"])
        ended.set()
        with suppress(OSError):  # the caller may have gone
            connection.sendall(f"{code}\n".encode())
            connection.shutdown(socket.SHUT_WR)
        # The caller reads the rest of the log, which has the lines of its job alone till then.
        watch.join(CLOSES_WITHIN)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RD)  # which ends the watch, whatever the caller does
        watch.join()
        return code


def _end_with_caller(lines: TextIO, ended: threading.Event) -> None:
    """Kills this driver when the caller of a running job goes away: nobody wants the job any more."""
    lines.readline()
    if not ended.is_set():
        os.killpg(os.getpgrp(), signal.SIGKILL)
