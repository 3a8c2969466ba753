"""The command that exports versions."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from nightshift.cli.output import DATE, Model, write_line
from nightshift.export.formats import ExportFormat


def export(
    model: Model,
    to: Annotated[str, typer.Option(help="The folder to write to, a path or a URI.")],
    form: Annotated[ExportFormat, typer.Option("--format", help="What to write.")] = ExportFormat.onnx,
    version: Annotated[int | None, typer.Option(help="The version; default: the champion.")] = None,
    night: Annotated[
        date | None, typer.Option(**DATE, help="The night to compare ONNX over; default: the newest.")
    ] = None,
) -> None:
    """Write a version as ONNX, for Triton, or as an archive that `nightshift serve --archive` serves.

    ONNX, also Triton's, is compared with the version over a night before it is written, and needs the dependency group
    `export` of pyproject.toml.
    """
    from nightshift.export.versions import export_version
    from nightshift.project import Project

    exported = export_version(Project(model), form, to, version, night)
    if compared := exported.comparison:
        line = f"{compared.rows} rows of {compared.night}: the largest difference of a score is"
        write_line(f"{line} {compared.difference:.2g}")
    for file in exported.files:
        write_line(f"version {exported.version} is written to {file}")
    write_line(f"its {'archive' if form is ExportFormat.archive else 'package'} has the digest {exported.digest}")
