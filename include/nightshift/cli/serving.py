"""The commands about the API: serve models, and compare its answers with a night."""

from __future__ import annotations

from datetime import datetime
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
        typer.Option(help="Serve a version from an archive of `nightshift export`, without registry and tables."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8081,
) -> None:
    """Serve the champions of models by an API, until Ctrl-C; see docs/serving.md."""
    from nightshift.definition.load import definition_folders
    from nightshift.serving.server import archived_models, registered_models
    from nightshift.serving.server import serve as serve_models

    settings = get_settings()
    if models and archive:
        raise TerminalError("models are served from the registry or from archives", where="nightshift serve")
    if archive:
        load = partial(archived_models, archive, settings)
    else:
        names = models or [folder.name for folder in definition_folders(settings.models_path)]
        load = partial(registered_models, list(dict.fromkeys(names)), settings)
    serve_models(load, settings.serving, host, port, write_line)


def parity(
    model: Model,
    night: Annotated[datetime, typer.Option(formats=DATE, help="A night that is published.")],
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
            night.date(),
            url,
            token,
            lambda sent, count: show(f"{PROGRESS}observations: {sent} of {count}"),
        )
    for line in parity_lines(compared):
        write_line(line)
    raise typer.Exit(0 if compared.is_equal else 1)
