"""The command that prints the JSON schemas of `model.yaml` and of a shared source, and the documentation."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class DefinitionFile(StrEnum):
    """A kind of file that users write."""

    model = "model"
    source = "source"


def schema(
    file: Annotated[
        DefinitionFile, typer.Argument(help="model.yaml, or the file of a source that models share.")
    ] = DefinitionFile.model,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the documentation of both, docs/definition.md, instead.")
    ] = False,
    conversions: Annotated[
        bool,
        typer.Option("--conversions", help="Print the documentation of conversions, docs/conversions.md, instead."),
    ] = False,
    settings: Annotated[
        bool, typer.Option("--settings", help="Print the documentation of settings, docs/settings.md, instead.")
    ] = False,
) -> None:
    """Print the JSON schema of model.yaml or of a shared source, for editors; see docs/definition.md."""
    from nightshift.definition.json_schema import definition_schema, schema_text, source_schema
    from nightshift.definition.page import definition_page
    from nightshift.lake.conversions_page import conversions_page
    from nightshift.settings_page import settings_page

    schemas = {DefinitionFile.model: definition_schema, DefinitionFile.source: source_schema}
    if settings:
        typer.echo(settings_page(), nl=False)
    elif conversions:
        typer.echo(conversions_page(), nl=False)
    else:
        typer.echo(definition_page() if markdown else schema_text(schemas[file]()), nl=False)
