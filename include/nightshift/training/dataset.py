"""The training set: features and final labels at pinned snapshots, split by time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.calendar import newest_labelled
from nightshift.definition.model import ModelDefinition
from nightshift.errors import TerminalError
from nightshift.lake.catalog import Lake
from nightshift.lake.labels import join_labels, read_labels
from nightshift.lake.read import read_dates, snapshot_of
from nightshift.lake.tables import features_table, raw_table


@dataclass(frozen=True)
class Split:
    """The dates of a training: learned from `first` to `holdout - 1 day`, judged from `holdout` to `last`."""

    first: date
    holdout: date
    last: date


def split_dates(definition: ModelDefinition, as_of: date) -> Split:
    """The newest labelled days are the holdout, the period before them is learned from."""
    last = newest_labelled(definition, as_of)
    holdout = last - definition.training.holdout + timedelta(days=1)
    return Split(holdout - definition.training.period, holdout, last)


def pin_snapshots(lake: Lake, definition: ModelDefinition) -> dict[str, int]:
    """The snapshots a training reads, so that it can be repeated on the same rows."""
    names = [features_table(definition).name, raw_table(definition, definition.label.source).name]
    return {name: snapshot_of(lake, name) for name in names}


def read_labelled(
    lake: Lake, definition: ModelDefinition, first: date, last: date, snapshots: dict[str, int]
) -> pa.Table:
    """Every labelled observation from `first` to `last`: its key, its features and `label`.

    Raises:
        TerminalError: If there is none, or all have the same label.
    """
    spec = features_table(definition)
    rows = read_dates(lake, spec, first, last, snapshot=snapshots[spec.name])
    source = raw_table(definition, definition.label.source).name
    labels = read_labels(lake, definition, first, last, snapshots[source])
    labelled = join_labels(rows, labels, definition.observations.key)
    classes = sorted(pc.unique(labelled["label"]).to_pylist())
    if not set(classes) <= {0.0, 1.0}:
        raise TerminalError(
            "a label is neither true nor false",
            where=f"{definition.folder / 'model.yaml'}: label.expression",
            received=next(value for value in classes if value not in {0.0, 1.0}),
            allowed="true, false, 1, 0, or null for no outcome",
            fix="write a condition",
        )
    if len(classes) < 2:
        raise TerminalError(
            "a classifier needs observations of both classes",
            where=f"{spec.name} from {first} to {last}",
            received=f"{labelled.num_rows} labelled rows, labels {classes}",
            fix="build more history, or train as of a later date",
        )
    return labelled
