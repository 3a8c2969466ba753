"""A version that waits for approval is promoted or declined, as a person answered."""

from __future__ import annotations

from nightshift.project import Project
from nightshift.registry.challengers import Answer
from nightshift.registry.events import RegistryEvent
from nightshift.stages.train import StoredModel


def conclude(project: Project, stored: StoredModel, answer: Answer, run_id: str) -> RegistryEvent:
    """Promotes or declines the challenger that a training stored, once.

    Returns:
        The event that says what was done.
    """
    return project.challengers.apply_answer(stored.run_id, answer, run_id)
