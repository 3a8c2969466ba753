"""The checks of a version before it is rolled back to."""

from __future__ import annotations

from collections.abc import Sequence

from nightshift.definition.model import ModelDefinition
from nightshift.definition.prediction import mismatch
from nightshift.errors import TerminalError
from nightshift.registry.absent import is_registered
from nightshift.registry.events import RegistryEvent, champion_changes, current_champion
from nightshift.registry.store import Registry, Version
from nightshift.registry.stored_definition import definition_of_version, require_computable


def require_rollback_version(
    registry: Registry, definition: ModelDefinition, events: Sequence[RegistryEvent], number: int | None, force: bool
) -> Version:
    """A version that can score the next night: its artifact is verified and loaded.

    Args:
        registry: The model's versions.
        definition: The model's definition.
        events: The model's events.
        number: The version; None if there is no previous champion.
        force: Accept a version that has not passed the gate, or whose features cannot be computed now.

    Raises:
        TerminalError: If the version cannot score, or may not be the champion.
    """
    if number is None:
        versions, champions = registry.versions(), [event for event in champion_changes(events) if event.to_version]
        deleted = not all(is_registered(event, versions) for event in champions)
        problem = "no previous champion exists in MLflow any more" if deleted else "there is no previous champion"
        fix = f"name a version with --to, or train one: trigger the DAG {definition.name}.train"
        raise TerminalError(problem, where=definition.name, fix=fix)
    version, where = registry.version(number), f"{definition.name}, version {number}"
    if number == current_champion(events):
        raise TerminalError("it is already the champion", where=where, fix="see `nightshift versions`")
    _check_digest(version, events, where)
    package = registry.package(version.run_id, version.digest)
    if package.prediction != definition.prediction:
        fix = "name another version, or change `label.type` back"
        problem = mismatch("it", package.prediction, definition.prediction)
        raise TerminalError(problem, where=where, fix=fix)
    if force:
        return version
    with definition_of_version(registry, version) as learned:
        if learned.feature_digests != definition.feature_digests:  # nights are then scored by its own definition
            require_computable(version, learned, package.encoder.types, definition)
    if version.gate != "passed":
        verdict = version.gate or "it was never judged"
        fix = "name another version, or use --force"
        raise TerminalError("it never passed the gate", where=where, received=verdict, allowed="passed", fix=fix)
    return version


def _check_digest(version: Version, events: Sequence[RegistryEvent], where: str) -> None:
    """Requires a digest, and the one of the event: somebody who can change an artifact may be able to change a tag."""
    if not version.digest:
        raise TerminalError("it has no digest to verify its artifact with", where=where, fix="name another version")
    registered = [event for event in events if event.event == "registered" and event.to_version == version.number]
    allowed = [event.parsed_evidence["digest"] for event in registered if event.mlflow_run == version.run_id]
    if allowed and version.digest not in allowed:
        raise TerminalError(
            "its digest in MLflow is not the one it was registered with",
            where=where,
            received=version.digest,
            allowed=allowed,
            fix="name another version",
        )
