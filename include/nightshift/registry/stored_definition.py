"""The definition that is stored with a version, by which it was trained, and whether its features can be computed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from nightshift.definition.load import write_definition
from nightshift.definition.model import ModelDefinition
from nightshift.definition.recipe import columns_no_longer_landed, observation_words
from nightshift.errors import DefinitionError, TerminalError, first_line
from nightshift.registry.store import Registry, Version


def definition_of_version(registry: Registry, version: Version) -> AbstractContextManager[ModelDefinition]:
    """The definition that a version was trained by, in a folder that exists inside the context.

    Raises:
        TerminalError: If none is stored with it, or it can no longer be read.
    """
    return definition_of_run(registry, version.run_id, f"version {version.number}")


@contextmanager
def definition_of_run(registry: Registry, run_id: str, title: str) -> Iterator[ModelDefinition]:
    """The definition that the model of a run was trained by; see `definition_of_version`.

    Args:
        registry: The model's registry.
        run_id: The run.
        title: What the model is called in an error.
    """
    _, files = registry.lineage(run_id)
    with tempfile.TemporaryDirectory(prefix="nightshift-definition-") as folder:
        try:
            definition = write_definition(Path(folder) / registry.model, files)
        except DefinitionError as error:
            raise TerminalError(
                f"the definition that {title} was trained by can no longer be read",
                where=registry.model,
                received=first_line(error),
                fix=f"train a version by the current definition: {registry.model}.train",
            ) from None
        yield definition


def require_computable(
    version: Version, learned: ModelDefinition, used: Iterable[str], current: ModelDefinition
) -> None:
    """Requires that nights can be scored by a version: by its own definition, from the sources that land now.

    Args:
        version: The version.
        learned: The definition that it was trained by.
        used: The features that its model uses.
        current: The definition that data lands by.

    Raises:
        TerminalError: If data that they are computed from no longer lands, or lands by another declaration, or if the
            version scores other observations than the current definition's.
    """
    file, train = current.folder / "model.yaml", f"train a version by the current definition: {current.name}.train"
    if absent := columns_no_longer_landed(learned.recipes, used, current):
        raise TerminalError(
            f"version {version.number} learned features that can no longer be computed",
            where=f"{file}: sources",
            received=f"no {', '.join(absent)} as it was declared when the version was trained",
            fix=f"declare it again, or {train}",
        )
    then, now = observation_words(learned), observation_words(current)
    if then != now:
        raise TerminalError(
            f"version {version.number} scores other observations",
            where=f"{file}: observations",
            received=now,
            allowed=then,
            fix=train,
        )
