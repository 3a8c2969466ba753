"""The error of a model without champion: the events tell whether there never was one, or where it went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from nightshift.errors import NightshiftError, NotYetAvailable, TerminalError
from nightshift.registry.events import RegistryEvent, champion_changes, previous_champion
from nightshift.registry.store import CHAMPION, Version


def is_registered(event: RegistryEvent, versions: Mapping[int, Version]) -> bool:
    """Whether the version of an event still exists in MLflow, trained by the run that the event names."""
    version = versions.get(event.to_version or 0)
    return version is not None and version.run_id == event.mlflow_run


def remaining_champion(events: Sequence[RegistryEvent], versions: Mapping[int, Version]) -> int | None:
    """The version to roll back to: the champion before the current one, of those that still exist in MLflow."""
    remaining = [event for event in events if event.to_version is None or is_registered(event, versions)]
    return previous_champion(remaining)


def no_champion(model: str, events: Sequence[RegistryEvent], versions: Mapping[int, Version]) -> NightshiftError:
    """The error of a model whose alias `champion` points to no version.

    Args:
        model: The model.
        events: Its events.
        versions: Its versions in MLflow.

    Returns:
        `NotYetAvailable` if no version was ever the champion, else a `TerminalError` with the way back.
    """
    train = f"trigger the DAG {model}.train and look at its gate"
    champions = [event for event in champion_changes(events) if event.to_version is not None]
    if not champions:
        return NotYetAvailable("no champion: no version has passed the gate yet", where=model, fix=train)
    last, newest = champions[-1], champion_changes(events)[-1]
    if newest.event == "champion_retired":
        problem = f"no champion: version {newest.from_version} was retired by {newest.actor}"
        return TerminalError(
            problem, where=model, fix=f"{train}, or go back to a version: nightshift rollback {model} --to"
        )
    version = f"version {last.to_version}, the champion from {last.effective} on by the events,"
    if is_registered(last, versions):
        problem = f"no champion: {version} has lost MLflow's alias `{CHAMPION}`"
        return TerminalError(
            problem, where=model, fix=f"restore it: nightshift rollback {model} --to {last.to_version}"
        )
    gone = replace(last, event="changed_elsewhere", to_version=None)
    remaining = remaining_champion([*champions[:-1], gone], versions)
    fix = f"go back to version {remaining}: nightshift rollback {model}" if remaining else train
    return TerminalError(f"no champion: {version} was deleted in MLflow", where=model, fix=fix)
