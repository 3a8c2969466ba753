"""Sends requests to a server on this machine over raw sockets, so that the client takes little of what it measures."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

LIMIT = 60.0  # seconds


@dataclass(frozen=True)
class Load:
    """Requests that were answered.

    Attributes:
        seconds: The seconds that each took, from when it was due to the end of its answer.
        elapsed: Seconds from the first to the last.
    """

    seconds: Sequence[float]
    elapsed: float

    def percentile(self, share: float) -> float:
        """Seconds in which a share of the requests was answered."""
        return float(np.quantile(np.asarray(self.seconds), share))

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.seconds) / self.elapsed


class Connection:
    """A connection that is used again and again.

    Args:
        port: The server's port on this machine.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), LIMIT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, request: bytes) -> bytes:
        """The body of the answer to a request.

        Raises:
            AssertionError: If the answer is no success.
        """
        self._socket.sendall(request)
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._receive()
        head, _, body = received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), received[:500]
        [length] = [line for line in head.lower().splitlines() if line.startswith(b"content-length:")]
        parts, missing = [body], int(length.partition(b":")[2]) - len(body)
        while missing:
            parts.append(self._receive())
            missing -= len(parts[-1])
        return b"".join(parts)

    def _receive(self) -> bytes:
        part = self._socket.recv(2**20)
        assert part, "the server closed the connection"
        return part

    def close(self) -> None:
        """Closes it."""
        self._socket.close()


def request_bytes(path: str, body: bytes, kind: str = "application/json") -> bytes:
    """A POST."""
    headers = {"Host": "bench", "Content-Type": kind, "Content-Length": len(body)}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def free_port() -> int:
    """A port of this machine that nothing listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def send_at_rate(port: int, requests: Sequence[bytes], rate: float) -> Load:
    """Sends requests one after the other, each when it is due, whether or not the last was answered in time."""
    with closing(Connection(port)) as connection:
        start, seconds = time.perf_counter(), []
        for number, request in enumerate(requests):
            due = start + number / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            connection.send(request)
            seconds.append(time.perf_counter() - due)
        return Load(seconds, time.perf_counter() - start)


def send_at_once(port: int, requests: Sequence[bytes], connections: int) -> Load:
    """Sends requests over some connections, on each as soon as the last was answered."""
    seconds: list[float] = []

    def work(share: Sequence[bytes]) -> None:
        with closing(Connection(port)) as connection:
            for request in share:
                start = time.perf_counter()
                connection.send(request)
                seconds.append(time.perf_counter() - start)

    start = time.perf_counter()
    threads = [threading.Thread(target=work, args=(requests[number::connections],)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seconds) == len(requests), "a connection failed"
    return Load(seconds, time.perf_counter() - start)
