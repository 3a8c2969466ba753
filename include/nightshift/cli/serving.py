"""The command that serves models by an API."""

from __future__ import annotations

from typing import Annotated

import typer

from nightshift.cli.output import write_line
from nightshift.settings import get_settings


def serve(
    models: Annotated[list[str] | None, typer.Argument(help="The models; default: every model there is.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8081,
) -> None:
    """Serve the champions of models by an API, until Ctrl-C; see docs/serving.md."""
    from nightshift.definition.load import definition_folders
    from nightshift.serving.server import serve as serve_models

    settings = get_settings()
    names = list(dict.fromkeys(models or [folder.name for folder in definition_folders(settings.models_path)]))
    serve_models(names, settings, host, port, write_line)
