"""The commands about the API: serve models, and compare its answers with a night."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Annotated

import typer

from nightshift.cli.output import DATE, Model, progress, write_line
from nightshift.compute.job import PROGRESS
from nightshift.errors import TerminalError
from nightshift.settings import get_settings


def serve(
    models: Annotated[list[str] | None, typer.Argument(help="The models; default: every model there is.")] = None,
    archive: Annotated[
        list[str] | None,
        typer.Option(
            help="In the place of models: an archive of `nightshift export --format archive`, by its path or URI, or "
            "the folder that it was unpacked to. May be given several times, for several models."
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8081,
) -> None:
    """Serve the champions of models by an API, until Ctrl-C; see docs/serving.md.

    An archive is served without registry and tables. Settings that begin with NIGHTSHIFT_SERVING__ say who may ask,
    limit requests, keep scored rows, and demand the digest of an archive; docs/settings.md lists them.
    """
    from nightshift.definition.load import definition_folders
    from nightshift.serving.server import archived_models, registered_models
    from nightshift.serving.server import serve as serve_models

    settings = get_settings()
    if models and archive:
        raise TerminalError(
            "models are served from the registry or from archives, not from both",
            where="nightshift serve",
            received=f"{', '.join(models)} and --archive {' --archive '.join(archive)}",
            fix="leave out the names or --archive; another process can serve the others, on another --port",
        )
    if archive:
        load = partial(archived_models, archive, settings)
    else:
        names = models or [folder.name for folder in definition_folders(settings.models_path)]
        load = partial(registered_models, list(dict.fromkeys(names)), settings)
    serve_models(load, settings.serving, host, port, write_line)


def parity(
    model: Model,
    night: Annotated[date, typer.Option(**DATE, help="A night that is published.")],
    url: Annotated[str, typer.Option(help="The address of the API.")] = "http://127.0.0.1:8081",
    token: Annotated[
        str | None, typer.Option(envvar="NIGHTSHIFT_TOKEN", help="The token to ask with, better by its variable.")
    ] = None,
) -> None:
    """Send a published night through the running API and compare every value; exit code 1 if one differs."""
    from nightshift.project import Project
    from nightshift.serving.parity import compare_with_night, parity_lines

    with progress() as show:
        compared = compare_with_night(
            Project(model),
            night,
            url,
            token,
            lambda sent, count: show(f"{PROGRESS}observations: {sent} of {count}"),
        )
    for line in parity_lines(compared):
        write_line(line)
    raise typer.Exit(0 if compared.is_equal else 1)
