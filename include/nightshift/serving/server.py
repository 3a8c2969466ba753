"""The process that serves the API."""

from __future__ import annotations

import logging
import math
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress

import uvicorn

from nightshift.errors import TerminalError
from nightshift.project import Project
from nightshift.serving.access import require_access_rule
from nightshift.serving.api import make_api
from nightshift.serving.served_model import ServedModel
from nightshift.settings import Settings


def serve(names: Sequence[str], settings: Settings, host: str, port: int, write: Callable[[str], None]) -> None:
    """Serves models until SIGTERM or Ctrl-C; requests that are under way are answered.

    Args:
        names: The names of the models.
        settings: The installation.
        host: The address to listen on.
        port: The port; 0: any that is free.
        write: Takes a line about what happens.

    Raises:
        DefinitionError: If a model's definition cannot be used.
        TerminalError: If the address is taken, or everybody could ask.
    """
    require_access_rule(settings.serving, host)
    logging.getLogger("nightshift").setLevel(logging.INFO)
    models = [ServedModel(Project(name, settings, settings.checked_path), keep=settings.serving.keep) for name in names]
    with _listen(host, port) as listener:
        address = listener.getsockname()
        write(f"http://{address[0]}:{address[1]} serves {', '.join(names)}; Ctrl-C stops it")
        config = uvicorn.Config(
            make_api(models, settings.serving),
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=settings.serving.max_connections,
            timeout_graceful_shutdown=math.ceil(settings.serving.timeout),
        )
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run([listener])


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise TerminalError(
            f"the API cannot listen: {error.strerror}",
            where=f"{host}:{port}",
            fix="choose another --port, or stop what listens there",
        ) from None
