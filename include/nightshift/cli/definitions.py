"""The command about model definitions: check them."""

from __future__ import annotations

from typing import Annotated

import typer

from nightshift.cli.output import console, error_console
from nightshift.definition.load import check_shared_sources, definition_folders, find_definition
from nightshift.errors import DefinitionError, NightshiftError
from nightshift.settings import get_settings


def validate(
    model: Annotated[str | None, typer.Argument(help="Name of one model; every model if left out.")] = None,
) -> None:
    """Check model definitions; every problem is one line with its file and line."""
    from nightshift.quality.compile import expectation_problems

    settings = get_settings()
    names = [model] if model else [folder.name for folder in definition_folders(settings.models_path)]
    errors: list[NightshiftError] = []
    definitions = []
    for name in names:
        try:
            definitions.append(find_definition(settings.models_path, name))
        except DefinitionError as error:
            errors += error.problems
    errors += check_shared_sources(definitions)
    for definition in definitions:
        errors += expectation_problems(definition)
    for problem in errors:
        error_console.print(str(problem), style="red", highlight=False, soft_wrap=True)
    for definition in definitions:
        count = len(definition.feature_types)
        console.print(f"{definition.name}: {len(definition.sources)} sources, {count} features", highlight=False)
    if errors:
        raise typer.Exit(2)
