"""The kinds of alerts: a stable identifier each, with its section of the runbook and its standing texts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

RUNBOOK = "docs/runbook.md"


class AlertKind(StrEnum):
    """What happened. The values are stable: they are stored with alerts and sent to channels."""

    NIGHT_NOT_SCORED = "night_not_scored"
    NIGHT_FILES_LATE = "night_files_late"
    NIGHT_WARNING = "night_warning"
    CHALLENGER_FAILED = "challenger_failed"
    NIGHT_NOT_MONITORED = "night_not_monitored"
    TRAINING_FAILED = "training_failed"
    APPROVAL_PENDING = "approval_pending"
    MAINTENANCE_FAILED = "maintenance_failed"
    RUN_FAILED = "run_failed"

    @property
    def runbook(self) -> str:
        """The address of its section of the runbook."""
        anchor = "".join(letter for letter in TEXTS[self].heading.lower() if letter.isalnum() or letter in " -")
        return f"{RUNBOOK}#{anchor.replace(' ', '-')}"


@dataclass(frozen=True)
class AlertTexts:
    """The standing texts of a kind.

    Attributes:
        heading: The heading of its section of the runbook.
        meanwhile: What analysts see until the cause is fixed; `{night}` is the night.
        next_step: What to do; `{…}` are facts of the alert.
    """

    heading: str
    meanwhile: str
    next_step: str


TEXTS = {
    AlertKind.NIGHT_NOT_SCORED: AlertTexts(
        "A night was not scored",
        "the last published night; no row of {night} unless it was scored before",
        "fix the cause, then clear this run: it reads the landed files again",
    ),
    AlertKind.NIGHT_FILES_LATE: AlertTexts(
        "A night's files are late",
        "the last published night; no row of {night} unless it was scored before",
        "ask for the files; the night continues by itself when they land, and fails at {until}",
    ),
    AlertKind.NIGHT_WARNING: AlertTexts(
        "A night was published with a warning",
        "the night as usual, without the rows in quarantine, if there are any",
        "see `nightshift quarantine list {model}`; fix the data or the rule",
    ),
    AlertKind.CHALLENGER_FAILED: AlertTexts(
        "A challenger failed",
        "the night as usual: a challenger's scores are not published",
        "see `nightshift versions {model}`; fix the cause, or `nightshift retire {model}`",
    ),
    AlertKind.NIGHT_NOT_MONITORED: AlertTexts(
        "A night was not monitored",
        "all scores as usual; drift and accuracy of {night} are unknown",
        "fix the cause, then clear this run",
    ),
    AlertKind.TRAINING_FAILED: AlertTexts(
        "A training failed",
        "all scores as usual, from the current champion",
        "fix the cause, then clear this run",
    ),
    AlertKind.APPROVAL_PENDING: AlertTexts(
        "A version waits for approval",
        "all scores as usual, from the current champion",
        "read the report, then answer in the task's tab *Required Action*; without an answer by {until} the answer is: "
        "{default}",
    ),
    AlertKind.MAINTENANCE_FAILED: AlertTexts(
        "Maintenance failed",
        "everything as usual",
        "fix the cause, then clear this run; a missed maintenance does no harm",
    ),
    AlertKind.RUN_FAILED: AlertTexts("A run of another DAG failed", "everything as usual", "read the log"),
}

# The kind of a failed run, by the verb of its DAG.
FAILED_RUNS = {
    "score": AlertKind.NIGHT_NOT_SCORED,
    "monitor": AlertKind.NIGHT_NOT_MONITORED,
    "train": AlertKind.TRAINING_FAILED,
    "maintenance": AlertKind.MAINTENANCE_FAILED,
}
