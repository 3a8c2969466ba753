"""Errors that mean that a process of a job is gone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest
from processes import watched

from nightshift.compute.lost_processes import GATEWAY, jvm_is_gone, lost_process
from nightshift.settings import PROJECT

CHILD = """
import time
from nightshift.compute.lost_processes import end_with_jvm
end_with_jvm()
print("ready", flush=True)
time.sleep(600)
"""
PARENT = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(600)
"""


def test_a_program_ends_with_the_jvm_that_started_it() -> None:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "include"), GATEWAY: "1"}
    with subprocess.Popen([sys.executable, "-c", PARENT, CHILD], env=environment, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        with watched(int(parent.stdout.readline())) as ended:
            parent.send_signal(signal.SIGKILL)
            assert ended()


def test_a_jvm_is_gone_when_it_does_not_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(GATEWAY, raising=False)
    assert not jvm_is_gone()
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv(GATEWAY, str(server.getsockname()[1]))
        assert not jvm_is_gone()
        assert lost_process(ValueError("no such column")) is None
    assert jvm_is_gone()
    error = lost_process(ConnectionRefusedError(111, "Connection refused"))
    assert error is not None and "its JVM has ended" in str(error)


EOF = "EOFException occurred while reading the port number from nightshift.compute.worker_daemon's stdout"


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        (f"{EOF} and terminated with code: 137.", True),
        (f"{EOF} and terminated with code: 143.", True),
        (f"{EOF}.", True),
        (f"{EOF} and terminated with code: 1.", False),
        (f"{EOF} and terminated with code: 12.", False),
        ("Python worker exited unexpectedly (crashed). Consider", True),
        ("Python worker failed to connect back.", False),
        ("Lost task 0.0 in stage 5.0 (TID 7) (localhost executor driver): java.io.IOException: Broken pipe", True),
        ("Lost task 0.0: java.net.SocketException: Broken pipe (Write failed)", True),
        ("Lost task 0.0: java.net.SocketException: Connection reset", True),
        ("Lost task 0.0: java.io.IOException: Connection reset by peer", True),
        ("Lost task 0.0: java.io.IOException: Stream is corrupted", False),
        ("the column holds 'Broken pipe'", False),
        ("code: 137", False),
    ],
)
def test_sparks_errors_say_which_process_is_gone(text: str, lost: bool) -> None:
    assert (lost_process(RuntimeError(text)) is not None) == lost
