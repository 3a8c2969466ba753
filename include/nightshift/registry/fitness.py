"""Whether a version may be gone back to: found out before anything is changed."""

from __future__ import annotations

import json
from collections.abc import Sequence

from nightshift.definition.model import ModelDefinition
from nightshift.errors import TerminalError
from nightshift.registry.events import RegistryEvent, last_champion
from nightshift.registry.store import Registry, Version


def fit_version(
    registry: Registry, definition: ModelDefinition, events: Sequence[RegistryEvent], number: int | None, force: bool
) -> Version:
    """A version that can score the next night: its artifact is verified and loaded.

    Args:
        registry: The model's versions.
        definition: The model's definition.
        events: What happened to them.
        number: The version; None if there is none to go back to.
        force: Let pass that it has not passed a gate, and that it needs a feature that is not there any more.

    Raises:
        TerminalError: If it cannot, or may not.
    """
    if number is None:
        fix = "name a version with --to"
        raise TerminalError("no champion before the present one is known", where=definition.name, fix=fix)
    version, where = registry.version(number), f"{definition.name}, version {number}"
    if number == last_champion(events):
        raise TerminalError("it is the champion already", where=where, fix="see `nightshift versions`")
    _check_digest(version, events, where)
    package = registry.package(version.run_id, version.digest)
    if package.prediction != definition.prediction:
        fix = "name another one, or change `label.type` back"
        problem = f"it predicts a {package.prediction.score}, but the label is a {definition.prediction.label}"
        raise TerminalError(problem, where=where, fix=fix)
    if force:
        return version
    if gone := [name for name in package.encoder.types if name not in definition.feature_types]:
        raise TerminalError(
            f"it learned from the feature '{gone[0]}', which is not there any more",
            where=where,
            fix="declare it again; with --force nights fail until it is",
        )
    if version.gate != "passed":
        told = version.gate or "it was never judged"
        fix = "name another one, or --force"
        raise TerminalError("it never passed the gate", where=where, received=told, allowed="passed", fix=fix)
    return version


def _check_digest(version: Version, events: Sequence[RegistryEvent], where: str) -> None:
    """A digest there must be, the one of the event: who can change an artifact may be able to change a tag."""
    if not version.digest:
        raise TerminalError("nothing says what its artifact must be: it has no digest", where=where, fix="name another")
    registered = [one for one in events if one.event == "registered" and one.to_version == version.number]
    allowed = [json.loads(one.evidence)["digest"] for one in registered if one.mlflow_run == version.run_id]
    if allowed and version.digest not in allowed:
        raise TerminalError(
            "its digest in MLflow is not the one it was registered with",
            where=where,
            received=version.digest,
            allowed=allowed,
            fix="name another one",
        )
