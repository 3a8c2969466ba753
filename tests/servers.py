"""Servers of the tests' own, gone with them: PostgreSQL, Redis, and AWS as moto plays it."""

from __future__ import annotations

import logging
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

# What boto3, Arrow, PyIceberg by our properties, and MLflow read.
AWS_VARIABLES = {
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "AKIATESTONLY",
    "AWS_SECRET_ACCESS_KEY": "t3st-s3cret",
}


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_for(condition: Callable[[], Any], seconds: float = 120, every: float = 1, logs: Path | None = None) -> Any:
    """Waits until something holds and returns it; a failure shows the ends of the logs in a folder."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        time.sleep(every)
    ends = [f"{file.name}:\n{file.read_text()[-2000:]}" for file in sorted(logs.glob("*.log"))] if logs else []
    return pytest.fail("\n".join([f"did not happen within {seconds} s", *ends]))


@contextmanager
def aws_server() -> Iterator[dict[str, str]]:
    """S3, Glue, SNS and SQS, empty; the environment variables that lead to them."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line a request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield {"AWS_ENDPOINT_URL": f"http://{host}:{port}"} | AWS_VARIABLES
    finally:
        server.stop()


@contextmanager
def postgresql() -> Iterator[str]:
    """An empty PostgreSQL without a password; SQLAlchemy's URL of its database `postgres`."""
    folder, port, user = Path(tempfile.mkdtemp(prefix="nightshift-postgresql-")), free_port(), _unprivileged_user()
    if user:
        shutil.chown(folder, user, pwd.getpwnam(user).pw_gid)
    server: subprocess.Popen[bytes] | None = None
    try:
        initialise = [_program("initdb"), "-D", "data", "-A", "trust", "-U", "nightshift", "--no-sync", "-E", "UTF8"]
        subprocess.run(initialise, cwd=folder, user=user, check=True, capture_output=True)
        start = [_program("postgres"), "-D", "data", "-h", "127.0.0.1", "-p", str(port), "-k", str(folder)]
        quick = ["-c", "fsync=off", "-c", "max_connections=200"]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen([*start, *quick], cwd=folder, user=user, stdout=log, stderr=log)
        _wait_for_port(port, server, folder / "log")
        yield f"postgresql+psycopg2://nightshift@127.0.0.1:{port}/postgres"
    finally:
        if server is not None:
            server.send_signal(signal.SIGINT)  # at once, whoever is connected
            server.wait(30)
        shutil.rmtree(folder)


@contextmanager
def redis() -> Iterator[str]:
    """An empty Redis; the URL of its database."""
    port = free_port()
    program = shutil.which("redis-server")
    assert program, "redis-server is not installed: make servers"
    with tempfile.TemporaryDirectory(prefix="nightshift-redis-") as folder:
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            _wait_for_port(port, server, Path("/dev/null"))
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait(30)


def _unprivileged_user() -> str | None:
    """Whom PostgreSQL runs as, since it refuses to run as root; None if that is us."""
    return "nobody" if os.geteuid() == 0 else None


def _program(name: str) -> str:
    """A program of PostgreSQL, which Debian does not put on the path."""
    folders = [os.environ.get("PATH", ""), *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))]
    program = shutil.which(name, path=os.pathsep.join(folders))
    assert program, f"{name} is not installed: make servers"
    return program


def _wait_for_port(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        assert server.poll() is None, log.read_text()
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(log.read_text())
