"""Which nights are scored, and their published scores."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.prediction import CLASS
from nightshift.errors import TerminalError
from nightshift.lake.key_shares import KeyShare
from nightshift.lake.read import allowed_dates, published_dates
from nightshift.lake.staging import published_inputs
from nightshift.lake.tables import CLASSES, scores_table
from nightshift.project import Project
from nightshift.registry.classes import LabelClasses


@dataclass(frozen=True)
class NightScores:
    """The published scores of a night.

    Attributes:
        project: The model.
        night: The night.
        count: The number of its rows.
        version: The version that scored them; of several, the newest; None without rows.
        classes: Its classes; None if it predicts a condition or a number.
        mismatch: Why the scores cannot be measured by the label, in words: it was no class then, or is none now.
    """

    project: Project
    night: date
    count: int
    version: int | None
    classes: LabelClasses | None = None
    mismatch: str = ""

    def read(self, share: KeyShare | None = None, *, with_key: bool = True) -> pa.Table:
        """The scores of the night's observations.

        Args:
            share: The rows to read, by columns of their key; all if None.
            with_key: Whether they are read with their key.

        Returns:
            `score_date`, the key, and the columns of a score: of classes also the probability of each.
        """
        definition = self.project.definition
        spec = scores_table(definition, self.classes.names if self.classes else ())
        key = spec.key if with_key else ()
        columns = (*key, *definition.scored_columns, *(self.classes.columns if self.classes else ()))
        return self.project.read(spec, self.night, self.night, columns=tuple(dict.fromkeys(columns)), share=share)


def read_scored(project: Project, night: date) -> NightScores:
    """Which version scored a night, and how many rows; their scores are read from the result."""
    table, is_class = scores_table(project.definition), project.definition.prediction == CLASS
    versions = project.read(table, night, night, columns=("model_version",))["model_version"]
    newest = pc.max(versions).as_py()
    if newest is None:
        return NightScores(project, night, 0, None)
    classes = project.classes_of(project.registry.version(newest)) if is_class else None
    # Of other labels no package is read: the night itself says whether it has classes.
    if is_class != (classes is not None or CLASSES in published_inputs(project.lake, table, night)):
        mismatch = project.mismatch(project.registry.version(newest))
        return NightScores(project, night, len(versions), newest, None, mismatch)
    return NightScores(project, night, len(versions), newest, classes)


def require_scored(project: Project, night: date) -> None:
    """Requires that a night has published scores.

    Raises:
        TerminalError: If it has none; with the nights that have some.
    """
    spec, model = scores_table(project.definition), project.definition.name
    if night not in published_dates(project.lake, spec, (night, night)):
        raise TerminalError(
            f"{night} has no published scores to monitor",
            where=spec.name,
            received=str(night),
            allowed=allowed_dates(project.lake, spec),
            fix=f"score it: trigger the DAG {model}.score with the partition key {night}; its monitor follows",
        )
