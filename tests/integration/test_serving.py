"""`nightshift serve` as its own process: it follows the champion under load, ends in order, and says what it cannot."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from servers import free_port, wait_for
from unit.registry.trainings import promoted
from unit.training.machines import machines

from nightshift.project import Project

ROWS = {"dataframe_records": machines(40, seed=9).drop_columns("label").to_pylist()}


def command(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).parent / "nightshift"), "serve", *arguments]


def environment(project: Project, **settings: str) -> dict[str, str]:
    return os.environ | project.settings.as_environment() | settings


@contextmanager
def serving(project: Project, *arguments: str, **settings: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address of an API that is ready, and its process."""
    port = free_port()
    with subprocess.Popen(
        command("tiny", "--port", str(port), *arguments),
        env=environment(project, **settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        address = f"http://127.0.0.1:{port}"
        try:
            wait_for(lambda: is_ready(address), seconds=60, every=0.2, logs=project.settings.var_path)
            yield address, process
        finally:
            process.kill()


def is_ready(address: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{address}/ready").status_code == 200
    return False


def scores_of(project: Project, number: int) -> list[float]:
    version = project.registry.version(number)
    rows = machines(40, seed=9)
    return list(project.registry.package(version.run_id, version.digest).score(rows).tolist())


def test_it_follows_the_champion_and_drops_no_request(project: Project) -> None:
    promoted(project, 1)
    expected = {1: scores_of(project, 1)}
    answers: list[tuple[int, list[float]]] = []
    stopped = threading.Event()

    def ask(address: str) -> None:
        with httpx.Client(timeout=30) as client:
            while not stopped.is_set():
                answer = client.post(f"{address}/invocations", json=ROWS)
                assert answer.status_code == 200, answer.text
                content = answer.json()
                answers.append((content["version"], [row["score"] for row in content["predictions"]]))

    with serving(project, NIGHTSHIFT_SERVING__FOLLOW="0.2") as (address, process):
        with threaded(ask, address) as failures:
            wait_for(lambda: len(answers) > 20, seconds=30, every=0.1, logs=project.settings.var_path)
            promoted(project, 2)
            expected[2] = scores_of(project, 2)
            wait_for(lambda: answers[-1][0] == 2, seconds=30, every=0.1, logs=project.settings.var_path)
            stopped.set()
        assert not failures
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == -signal.SIGTERM  # as a process ends that does not handle it
    versions = [version for version, _ in answers]
    assert versions == sorted(versions) and set(versions) == {1, 2}
    assert all(scores == expected[version] for version, scores in answers)


@contextmanager
def threaded(work: object, *arguments: str) -> Iterator[Sequence[BaseException]]:
    """Work in another thread, and what it raised."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work(*arguments)  # type: ignore[operator]
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield failures
    finally:
        thread.join(60)


def test_a_request_that_is_under_way_is_answered_before_it_ends(project: Project) -> None:
    promoted(project, 1)
    body = httpx.Request("POST", "http://a/invocations", json=ROWS)
    head = b"POST /invocations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    with serving(project) as (address, process):
        port = int(address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), 30) as connection:
            connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body.content) + body.content[:100])
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
            time.sleep(0.5)
            connection.sendall(body.content[100:])
            assert connection.recv(100).startswith(b"HTTP/1.1 200 OK")
        assert process.wait(20) == 0
        assert process.stdout is not None
        log = process.stdout.read()
    assert "Traceback" not in log and log.startswith(f"{address} serves tiny")


def test_a_body_that_does_not_arrive_is_not_waited_for(project: Project) -> None:
    promoted(project, 1)
    with serving(project, NIGHTSHIFT_SERVING__TIMEOUT="0.5") as (address, _):
        port = int(address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), 30) as connection:
            connection.sendall(b"POST /invocations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n")
            connection.sendall(b"Content-Length: 100\r\n\r\n{")
            assert connection.recv(100).startswith(b"HTTP/1.1 408 Request Timeout")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tiny", "--host", "0.0.0.0"], "everybody who reaches this address could ask"),
        (["tiny", "--host", "192.0.2.1"], "everybody who reaches this address could ask"),
        (["other"], "unknown model; received 'other'; allowed: tiny"),
    ],
)
def test_what_it_cannot_serve_is_one_line(project: Project, arguments: list[str], message: str) -> None:
    ended = subprocess.run(command(*arguments), env=environment(project), capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert message in ended.stderr and ended.stderr.count("\n") == 1


def test_a_port_that_is_taken_is_one_line(project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        ended = subprocess.run(
            command("tiny", "--port", port), env=environment(project), capture_output=True, text=True, timeout=60
        )
    assert ended.returncode == 2
    assert f"127.0.0.1:{port}: the API cannot listen: " in ended.stderr and ended.stderr.count("\n") == 1
