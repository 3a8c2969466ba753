"""A Spark driver on this machine that waits for jobs, so that those of a night share an application.

Starting an application and its first query take most of a small night. A waiting driver is started while the landed
files are read; the night's jobs find it ready, one after the other. It ends when no job has come for a while, when a
job has failed, and when the caller of a job goes away (`compute/serve_jobs.py`). A job that does not get it in time
starts its own driver, as it would without one.

A driver serves jobs of its identity alone: the same command, environment, code and packages. Its file below `spark` in
the installation's folder is locked for as long as its JVM lives, which inherits the lock: nothing else says whether it
is there, so that neither a crash nor a number that a later process gets can mislead.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from select import select
from typing import TextIO

from pydantic import TypeAdapter

from nightshift.compute.deployed_code import code_digest, packages_digest
from nightshift.compute.job import Job, JobResult
from nightshift.compute.outcome import job_result, read_outcome
from nightshift.compute.serve_jobs import READY_FOR_JOB
from nightshift.settings import Settings

log = logging.getLogger(__name__)

FOLDER = "spark"  # of the installation
# Seconds that a job waits for a driver that starts, and for one that works, before it starts its own.
STARTED_WITHIN, FREE_WITHIN = 60.0, 10.0
LOOK_EVERY = 0.1  # seconds
FOLDER_PREFIX = "nightshift-"  # of the folder of a driver's socket
SOCKET, LONGEST_PATH = "socket", 107  # bytes, of Linux
MOST_OF_CODE = 16  # bytes of an exit code's line
# What differs between tasks of one night, or by what its caller has imported, and means nothing to a job.
IGNORED = re.compile(
    r"_?AIRFLOW_.*|TRACEPARENT|TRACESTATE|SHLVL|_|NIGHTSHIFT_PRELOAD|KMP_DUPLICATE_LIB_OK|KMP_INIT_AT_FORK"
)


@dataclass(frozen=True)
class DriverAddress:
    """Where a driver is.

    Attributes:
        process: The id of its process group.
        socket: Its socket's path, in a folder of its own that only this user may enter.
        log: The file that it and its JVM print to.
    """

    process: int
    socket: str
    log: str


class WaitingDriver:
    """The driver of an identity, which may be there or not.

    Args:
        settings: The installation.
        command: What starts it, without its own arguments.
        environment: Its environment.
    """

    def __init__(self, settings: Settings, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.settings, self.command, self.environment = settings, tuple(command), environment
        self.file = settings.make_folder(FOLDER) / f"{_identity(settings, command, environment)}.json"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> bool:
        """Starts it, unless it is there, or has it wait on; it outlives this process.

        Jobs do without it if it cannot be started.

        Returns:
            Whether it was started.
        """
        try:
            remove_leftovers(self.settings)
            with _open_private(self.file) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._start(lock.fileno())
        except BlockingIOError:
            self._extend()
            return False
        except OSError as error:
            log.warning("no driver waits for jobs: %s", error)
            return False
        return True

    def _start(self, lock: int) -> None:
        # A path in the installation's folder may be longer than a socket's may.
        path, output = _make_folder() / SOCKET, self.file.with_suffix(".log")
        arguments = ["--socket", str(path), "--log", str(output), "--seconds", str(self.settings.spark.driver_waits)]
        output.unlink(missing_ok=True)
        with _open_private(output) as stream:
            self._process = subprocess.Popen(
                [*self.command, *arguments],
                env=self.environment,
                cwd=self.settings.var_path,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(lock,),
            )
        address = DriverAddress(self._process.pid, str(path), str(output))
        try:
            self.file.write_text(json.dumps(asdict(address)))
        except OSError:  # nobody could find it
            _kill(address)
            raise

    def _extend(self) -> None:
        """Has it wait for a job as long as if it began to wait now, once it listens."""
        if address := _address(self.file):
            with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(LOOK_EVERY)
                connection.connect(address.socket)

    def submit(self, job: Job, outcome: str) -> DriverSubmission | None:
        """Gives it a job.

        Args:
            job: The job.
            outcome: Where the job writes its outcome.

        Returns:
            The job; None if the driver is not there, or does not get free in time.
        """
        deadline = time.monotonic() + STARTED_WITHIN
        while (address := _address(self.file)) and time.monotonic() < deadline:
            with suppress(FileNotFoundError, ConnectionError):  # it still starts, or has just ended
                connection = _connect(address)
                return DriverSubmission(job, outcome, self.file, address, connection) if connection else None
            time.sleep(LOOK_EVERY)
        return None

    def kill(self) -> None:
        """Kills it with everything it started."""
        kill_driver(self.file)
        if self._process is not None:
            self._process.wait()


class DriverSubmission:
    """A job that a waiting driver runs.

    Args:
        job: The job.
        outcome: Where it writes its outcome.
        file: The driver's file.
        address: Where the driver is.
        connection: To the driver, which is ready for the job and ends if it is closed before the job has ended.
    """

    def __init__(self, job: Job, outcome: str, file: Path, address: DriverAddress, connection: socket.socket) -> None:
        self.job, self.outcome, self.file, self.connection = job, outcome, file, connection
        self._log = Path(address.log).open(errors="replace")  # noqa: SIM115 (read by `stream`)
        self._log.seek(0, os.SEEK_END)
        self._line = self._last = ""
        self._code: int | None = None
        call = {"job": job.name, "arguments": [*job.arguments, "--outcome", outcome]}
        connection.sendall(f"{json.dumps(call)}\n".encode())

    def stream(self, write: Callable[[str], None]) -> None:
        """Passes on every line that the job, or the driver meanwhile, prints, as it comes, until the job ends."""
        with closing(self.connection), self._log:
            while not select([self.connection], [], [], LOOK_EVERY)[0]:
                self._pass_on(write)
            with suppress(ConnectionError, ValueError):  # the driver is gone
                self._code = int(self.connection.recv(MOST_OF_CODE))
            self._pass_on(write)
            if self._line and not self._line.endswith("\n"):
                self._write(write)

    def result(self) -> JobResult:
        """How the job ended; see `Submission`."""
        return job_result(self.job.name, read_outcome(self.outcome), self._code, self._last)

    def kill(self) -> None:
        """Kills the driver with the job."""
        kill_driver(self.file)

    def _pass_on(self, write: Callable[[str], None]) -> None:
        while text := self._log.readline():
            # A line may be read before all of it is written.
            self._line = text if self._line.endswith("\n") else self._line + text
            if self._line.endswith("\n"):
                self._write(write)

    def _write(self, write: Callable[[str], None]) -> None:
        line = self._line.rstrip()
        self._last = line or self._last
        write(line)


def _make_folder() -> Path:
    """A folder for a driver's socket, whose path may have so many bytes only."""
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
    if len(os.fsencode(folder / SOCKET)) <= LONGEST_PATH:
        return folder
    folder.rmdir()
    return Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir="/tmp"))


def kill_driver(file: Path) -> None:
    """Kills the driver of a file, if it is there, with everything it started."""
    if address := _address(file):
        _kill(address)


def _kill(address: DriverAddress) -> None:
    with suppress(ProcessLookupError):
        os.killpg(address.process, signal.SIGKILL)
    _remove_folder(address)


def _identity(settings: Settings, command: Sequence[str], environment: Mapping[str, str]) -> str:
    variables = {name: value for name, value in sorted(environment.items()) if not IGNORED.fullmatch(name)}
    parts = [*command, json.dumps(variables), code_digest(settings), packages_digest()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _address(file: Path) -> DriverAddress | None:
    """Where the driver of a file is; None if it is not there."""
    try:
        lock = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        return None
    with os.fdopen(lock) as stream:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read_address(stream.read())
        return None


def _read_address(text: str) -> DriverAddress | None:
    """What the file of a driver says; None if it is being written, or somebody else has written to it."""
    with suppress(ValueError):
        return TypeAdapter(DriverAddress).validate_json(text)
    return None


def _remove_folder(address: DriverAddress) -> None:
    folder = Path(address.socket).parent
    if folder.name.startswith(FOLDER_PREFIX):
        shutil.rmtree(folder, ignore_errors=True)


def _open_private(file: Path) -> TextIO:
    """Opens a file to write at its end that this user alone may read: jobs print what is in the data."""
    return os.fdopen(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a")


def _connect(address: DriverAddress) -> socket.socket | None:
    """A connection to a driver that is ready for a job; None if it does not get free in time.

    Raises:
        FileNotFoundError: If it does not listen yet.
        ConnectionError: If it has just ended.
    """
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(FREE_WITHIN)
    try:
        connection.connect(address.socket)
        if connection.recv(len(READY_FOR_JOB)) != READY_FOR_JOB:
            raise ConnectionResetError
    except BaseException as error:
        connection.close()
        if isinstance(error, TimeoutError):
            return None
        raise
    connection.settimeout(None)
    return connection


def remove_leftovers(settings: Settings) -> None:
    """Removes what drivers that are gone have left, such as those of code that has changed since."""
    for file in (settings.var_path / FOLDER).glob("*.json"):
        if _address(file) is None:
            if address := _read_address(file.read_text(errors="replace")):
                _remove_folder(address)
            for left in (file, file.with_suffix(".log")):
                left.unlink(missing_ok=True)
