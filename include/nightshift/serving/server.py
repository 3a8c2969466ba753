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
from nightshift.serving.archived_model import ArchivedModel
from nightshift.serving.served_model import RegisteredModel, ServedModel
from nightshift.settings import ServingSettings, Settings


def registered_models(names: Sequence[str], settings: Settings) -> list[ServedModel]:
    """Models whose champions are served.

    Args:
        names: The names of the models.
        settings: The installation.

    Raises:
        DefinitionError: If a model's definition cannot be used.
        TerminalError: If the settings demand a digest, which only archives are verified by.
    """
    if settings.serving.digest:
        raise TerminalError(
            "a digest is demanded, and the models are served from the registry, which verifies its own",
            where="environment variable NIGHTSHIFT_SERVING__DIGEST",
            received=settings.serving.digest,
            fix="unset it, or name the archive by --archive",
        )
    keep = settings.serving.keep
    return [RegisteredModel(Project(name, settings, settings.checked_path), keep=keep) for name in names]


def archived_models(locations: Sequence[str], settings: Settings) -> list[ServedModel]:
    """Models that are served from archives.

    Args:
        locations: The archives, or folders that they were unpacked to.
        settings: Which digest is demanded.

    Raises:
        TerminalError: If one cannot be read or loaded, two are of one model, or rows are to be kept.
    """
    if settings.serving.keep:
        fix = "unset it, or serve the model from the registry"
        where = "environment variable NIGHTSHIFT_SERVING__KEEP"
        raise TerminalError("rows that an archive scores have no table to be kept in", where=where, fix=fix)
    digest = settings.serving.digest
    models: list[ServedModel] = [ArchivedModel(location, digest, settings.tree_sums) for location in locations]
    names = [model.name for model in models]
    if len(set(names)) < len(names):
        received = ", ".join(f"{model.name} in {location}" for model, location in zip(models, locations, strict=True))
        fix = "name one archive of each model"
        raise TerminalError("two archives are of one model", where="--archive", received=received, fix=fix)
    return models


def serve(
    load: Callable[[], Sequence[ServedModel]],
    settings: ServingSettings,
    host: str,
    port: int,
    write: Callable[[str], None],
) -> None:
    """Serves models until SIGTERM or Ctrl-C; requests that are under way are answered.

    Args:
        load: Gives the models; called once it is known that not everybody may ask.
        settings: Who may ask, and how much.
        host: The address to listen on.
        port: The port; 0: any that is free.
        write: Takes a line about what happens.

    Raises:
        TerminalError: If the address is taken, or everybody could ask.
    """
    require_access_rule(settings, host)
    logging.getLogger("nightshift").setLevel(logging.INFO)
    models = load()
    with _listen(host, port) as listener:
        address = listener.getsockname()
        write(f"http://{address[0]}:{address[1]} serves {', '.join(model.name for model in models)}; Ctrl-C stops it")
        config = uvicorn.Config(
            make_api(models, settings),
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=settings.max_connections,
            timeout_graceful_shutdown=math.ceil(settings.timeout),
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
