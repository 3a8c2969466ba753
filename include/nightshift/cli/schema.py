"""The command that prints the JSON schema and the documentation of `model.yaml`."""

from __future__ import annotations

from typing import Annotated

import typer


def schema(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the documentation, docs/definition.md, instead.")
    ] = False,
) -> None:
    """Print the JSON schema of model.yaml, for editors; see docs/definition.md."""
    from nightshift.definition.json_schema import schema_text
    from nightshift.definition.page import definition_page

    typer.echo(definition_page() if markdown else schema_text(), nl=False)
