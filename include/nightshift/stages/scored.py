"""Which nights are scored, and their published scores."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.prediction import CLASS
from nightshift.errors import TerminalError
from nightshift.lake.read import published_dates
from nightshift.lake.staging import published_inputs
from nightshift.lake.tables import CLASSES, scores_table
from nightshift.project import Project
from nightshift.registry.classes import LabelClasses


@dataclass(frozen=True)
class NightScores:
    """The published scores of a night.

    Attributes:
        rows: Every row of the table of scores, with the probability of each class of the version.
        version: The version that scored them; of several, the newest; None without rows.
        classes: Its classes; None if it predicts a condition or a number.
        mismatch: Why the scores cannot be measured by the label, in words: it was no class then, or is none now.
    """

    rows: pa.Table
    version: int | None
    classes: LabelClasses | None
    mismatch: str = ""


def read_scored(project: Project, night: date) -> NightScores:
    """The published scores of a night; no rows if it is not scored."""
    table, is_class = scores_table(project.definition), project.definition.prediction == CLASS
    rows = project.read(table, night, night)
    newest = pc.max(rows["model_version"]).as_py()
    if newest is None:
        return NightScores(rows, None, None)
    classes = project.classes_of(project.registry.version(newest)) if is_class else None
    # Of other labels no package is read: the night itself says whether it has classes.
    if is_class != (classes is not None or CLASSES in published_inputs(project.lake, table, night)):
        return NightScores(rows, newest, None, project.mismatch(project.registry.version(newest)))
    if classes is not None:
        rows = project.read(scores_table(project.definition, classes.names), night, night)
    return NightScores(rows, newest, classes)


def require_scored(project: Project, night: date) -> None:
    """Requires that a night has published scores.

    Raises:
        TerminalError: If it has none; with the nights that have some.
    """
    spec, model = scores_table(project.definition), project.definition.name
    if night not in published_dates(project.lake, spec, (night, night)):
        scored = published_dates(project.lake, spec)  # all of them, which takes longer
        raise TerminalError(
            f"{night} has no published scores to monitor",
            where=spec.name,
            received=str(night),
            allowed=f"a night that is scored, {min(scored)} to {max(scored)}" if scored else "none is scored yet",
            fix=f"score it: trigger the DAG {model}.score with the partition key {night}; its monitor follows",
        )
