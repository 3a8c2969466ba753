"""A version that passed its gate becomes the champion or its challenger, as the definition's policy says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nightshift.errors import TerminalError
from nightshift.project import Project
from nightshift.registry.store import GATE, Version
from nightshift.stages.train import StoredModel


@dataclass(frozen=True)
class Registration:
    """A version that was registered, and the role that it was given."""

    version: Version
    role: Literal["champion", "challenger"]


def register(project: Project, stored: StoredModel, note: str, run_id: str) -> Registration:
    """Registers a model that passed the gate, once: as the champion or as its challenger.

    Without a champion that predicts the label a shadow has nothing to be compared with, and nights have no scores: the
    first version is promoted at once. A person is asked even then.

    Args:
        project: The model.
        stored: What the training stored.
        note: Why, kept with the event.
        run_id: The run that asks.

    Raises:
        TerminalError: If the model did not pass the gate.
    """
    policy = project.definition.promotion
    if policy.auto or (policy.shadow and not _has_opponent(project)):
        return Registration(promote(project, stored, note, run_id), "champion")
    _check_passed(project, stored)
    return Registration(project.challengers.register_challenger(stored.run_id, note, run_id), "challenger")


def _has_opponent(project: Project) -> bool:
    champion = project.registry.champion()
    return champion is not None and not project.mismatch(champion)


def promote(project: Project, stored: StoredModel, note: str, run_id: str = "by hand") -> Version:
    """Registers a model that passed the gate and makes it the champion, once.

    Raises:
        TerminalError: If the model did not pass the gate.
    """
    _check_passed(project, stored)
    return project.champions.promote(stored.run_id, note, run_id)


def _check_passed(project: Project, stored: StoredModel) -> None:
    if project.registry.run_tags(stored.run_id).get(GATE) != "passed":
        raise TerminalError("only a model that passed the gate can be promoted", where=stored.run_id)
