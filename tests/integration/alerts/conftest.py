"""Real receivers on this machine: a web server and a mail server that keep what they are sent."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest


@dataclass
class Web:
    """A server that answers every POST with `status`."""

    url: str = ""
    status: int = 200
    received: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Mail:
    """A mail server that takes everything, from whom and for whom it says."""

    port: int = 0
    refuse: bool = False
    received: list[tuple[str, list[str], EmailMessage]] = field(default_factory=list)


@contextmanager
def serving(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web()

    class WebHandler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            web.received.append({"path": self.path, **json.loads(body)})
            self.send_response(web.status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with serving(http.server.HTTPServer(("127.0.0.1", 0), WebHandler)) as port:
        web.url = f"http://127.0.0.1:{port}/hooks/s3cret-token"
        yield web


@pytest.fixture
def mail() -> Iterator[Mail]:
    mail = Mail()

    class MailHandler(socketserver.StreamRequestHandler):
        """As much of RFC 5321 as a sender needs."""

        def handle(self) -> None:
            sender, receivers = "", []
            self.say("220 here")
            while line := self.rfile.readline().decode().strip():
                match line.split(":")[0].split(" ")[0].upper():
                    case "MAIL" if mail.refuse:
                        self.say("550 not from you")
                    case "MAIL":
                        sender = address(line)
                        self.say("250 ok")
                    case "RCPT":
                        receivers.append(address(line))
                        self.say("250 ok")
                    case "DATA" if not receivers:
                        self.say("503 to whom?")
                    case "DATA":
                        self.say("354 go on")
                        body = b"".join(iter(self.rfile.readline, b".\r\n"))
                        mail.received.append((sender, receivers, message_from_bytes(body, policy=policy.default)))
                        self.say("250 taken")
                    case "QUIT":
                        self.say("221 bye")
                        return
                    case _:
                        self.say("250 ok")

        def say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), MailHandler)) as port:
        mail.port = port
        yield mail


def address(line: str) -> str:
    return line[line.index("<") + 1 : line.index(">")]
