"""The commands about models: check their definitions, and delete what a model left."""

from __future__ import annotations

from typing import Annotated

import typer

from nightshift.cli.output import confirm, progress, write_line, write_note
from nightshift.definition.declarations import declared_sources
from nightshift.definition.load import FILE, check_shared_source, definition_folders, find_definition
from nightshift.definition.model import ModelDefinition
from nightshift.definition.shared_sources import source_files
from nightshift.errors import DefinitionError, NightshiftError, TerminalError, first_line
from nightshift.settings import Settings, get_settings


def validate(
    model: Annotated[str | None, typer.Argument(help="Name of one model; every model if left out.")] = None,
) -> None:
    """Check model definitions; every problem is one line with its file and line."""
    from nightshift.definition.load import located
    from nightshift.profiling.landed_problems import landed_problems
    from nightshift.quality.compile import expectation_problems
    from nightshift.training.estimator import estimator_problems

    settings = get_settings()
    names = [model] if model else [folder.name for folder in definition_folders(settings.models_path)]
    errors: list[NightshiftError] = []
    definitions = []
    for name in names:
        try:
            definitions.append(find_definition(settings.models_path, name, settings.sources_path))
        except DefinitionError as error:
            errors += error.problems
    for definition in definitions:
        errors += expectation_problems(definition)
        errors += estimator_problems(definition)
        errors += located(definition, landed_problems(definition, settings.landing_uri))
    if model is None:
        errors += _check_unused_sources(settings)
    # Each once: a problem of a shared source is one of every model that uses it.
    for line in dict.fromkeys(map(str, errors)):
        write_note(line, "red")
    for definition in definitions:
        count = len(definition.feature_types)
        sources = f"{len(definition.sources)} source{'s' if len(definition.sources) > 1 else ''}"
        write_line(f"{definition.name}: {sources}, {count} features")
        lines = _outdated(definition.name, settings) if settings.has_catalog else []
        for line in [*_not_served(definition), *lines]:
            write_line(f"{definition.name}: {line}")
    if errors:
        raise typer.Exit(2)


def _not_served(definition: ModelDefinition) -> list[str]:
    """What keeps `nightshift serve` from computing the features of observations that callers send."""
    from nightshift.serving.observation_sql import ObservationSql
    from nightshift.serving.row_engine import RowEngine

    try:
        ObservationSql.of(definition, RowEngine())
    except TerminalError as error:
        return [f"observations are not served, rows of features are: {error.received}"]
    return []


def delete(
    model: Annotated[str, typer.Argument(help="Name of a model whose definition is gone.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete what a model left: tables, versions, events, alerts, pages and the records of its DAGs.

    Its definition must be removed first, or its DAGs would come back. Landed files and tables that other models use
    stay. Interrupted, it is run again.
    """
    from nightshift.replay.dag_records import dag_records, delete_dag_records
    from nightshift.stages.delete import ModelDeletion

    settings = get_settings()
    deletion = ModelDeletion(settings, model)
    remains = deletion.find()
    for line in remains.sentences():
        write_line(line)
    if dags := dag_records(settings, model):
        write_line(f"Airflow: the records of {', '.join(dags)}")
    if remains.empty and not dags:
        raise TerminalError(
            "nothing of the model is left",
            where=str(settings.var_path),
            received=model,
            fix="nightshift tables --orphans lists the tables that no definition uses",
        )
    if not yes:
        confirm(f"Delete {model}?", "nothing is deleted", model)
    with progress() as show:
        if dags:
            show("deleting the records of its DAGs")
            delete_dag_records(settings, model)
        show("deleting tables, versions and pages")
        deletion.delete(remains)
    write_line(f"{model} is deleted")


def _outdated(model: str, settings: Settings) -> list[str]:
    """The published nights and the versions in use that stand on another definition than the current one."""
    from nightshift.project import Project
    from nightshift.stages.rebuild import describe_outdated

    try:
        return describe_outdated(Project(model, settings))
    except Exception as error:  # a definition is valid or not, whether or not the installation can be reached
        return [f"its nights and versions could not be read: {first_line(error)}"]


def _check_unused_sources(settings: Settings) -> list[NightshiftError]:
    """Names the shared sources that no model uses; their problems, which no model reports."""
    files = [folder / FILE for folder in definition_folders(settings.models_path)]
    used = {name for file in files for name, is_shared in declared_sources(file).items() if is_shared}
    errors: list[NightshiftError] = []
    for name, file in source_files(settings.sources_path).items():
        if name in used:
            continue
        write_line(f"{file}: no model uses this source")
        try:
            check_shared_source(file)
        except DefinitionError as error:
            errors += error.problems
    return errors
