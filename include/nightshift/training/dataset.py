"""The training set: features and final labels at pinned snapshots, split by time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.calendar import newest_labelled
from nightshift.definition.model import ModelDefinition
from nightshift.errors import TerminalError
from nightshift.lake.catalog import Lake
from nightshift.lake.labels import join_labels, read_labels
from nightshift.lake.parquet import read_files
from nightshift.lake.read import published_partitions, snapshot_of
from nightshift.lake.tables import TableSpec, features_table, raw_table

AT_ONCE = 1_000_000  # rows that are joined with their labels


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
    lake: Lake,
    definition: ModelDefinition,
    first: date,
    last: date,
    snapshots: Mapping[str, int],
    most: int | None = None,
) -> pa.Table:
    """Every labelled observation from `first` to `last`: its key, its features and `label`.

    Dates are read one after another, so that only what is kept is held in memory.

    Args:
        lake: The lake.
        definition: The model definition.
        first: The first date.
        last: The last date.
        snapshots: The snapshot of each table.
        most: Of more observations than this, a sample by the hash of their key: the same ones whenever it is read.

    Raises:
        TerminalError: If there is none, all have the same label, or a label is not what the definition says it is.
    """
    spec = features_table(definition)
    source = raw_table(definition, definition.label.source).name
    dates = published_partitions(lake, spec, snapshots[spec.name], within=(first, last))
    share = 1.0 if most is None else min(1.0, most / max(sum(one.rows for one in dates.values()), 1))
    parts = []
    for begin, end in _spans({day: one.rows for day, one in dates.items()}, AT_ONCE):
        files = [file for day, one in dates.items() if begin <= day <= end for file in one.files]
        rows = read_files(files, spec)
        if share < 1:
            rows = rows.filter(pa.array(_hashes(rows, spec.key) < np.uint64(share * 2**64 - 1)))
        labels = read_labels(lake, definition, begin, end, snapshots[source])
        parts.append(join_labels(rows, labels, definition.observations.key))
    labelled = pa.concat_tables(parts) if parts else _nothing(spec)
    _check(definition, labelled, f"{spec.name} from {first} to {last}")
    return labelled


def check_enough(definition: ModelDefinition, rows: int) -> None:
    """Refuses to learn from fewer labelled rows than the definition asks for.

    Raises:
        TerminalError: If there are.
    """
    least = definition.training.min_rows
    if rows < least:
        raise TerminalError(
            "too few labelled rows to learn from",
            where=f"{definition.folder / 'model.yaml'}: training.min_rows",
            received=rows,
            allowed=f"at least {least}",
            fix="build more history, train as of a later date, or ask for fewer",
        )


def _spans(counts: Mapping[date, int], most: int) -> Iterator[tuple[date, date]]:
    """Neighbouring dates with about so many rows together."""
    begin: date | None = None
    end, held = date.min, 0
    for day, rows in sorted(counts.items()):
        if begin is not None and held + rows > most:
            yield begin, end
            begin, held = None, 0
        begin, end, held = begin or day, day, held + rows
    if begin is not None:
        yield begin, end


def _hashes(rows: pa.Table, key: tuple[str, ...]) -> npt.NDArray[np.uint64]:
    """A hash of each row's key that is the same on every machine and in every version: SipHash with a fixed key."""
    from pandas.util import hash_pandas_object

    return np.asarray(hash_pandas_object(rows.select(list(key)).to_pandas(), index=False), dtype=np.uint64)


def _nothing(spec: TableSpec) -> pa.Table:
    return spec.schema.append(pa.field("label", pa.float64())).empty_table()


def _check(definition: ModelDefinition, labelled: pa.Table, where: str) -> None:
    """Refuses labels that an estimator cannot learn from."""
    (_check_numbers if definition.regression else _check_conditions)(definition, labelled, where)


def _check_numbers(definition: ModelDefinition, labelled: pa.Table, where: str) -> None:
    labels = labelled["label"].to_numpy()
    if len(wrong := labels[~np.isfinite(labels)]):
        raise TerminalError(
            f"{len(wrong)} of {len(labels)} labels are no finite numbers, {where}",
            where=f"{definition.folder / 'model.yaml'}: label.expression",
            received=float(wrong[0]),
            allowed="finite numbers, or null for no outcome",
            fix="write an expression that is null where there is no number, such as nullif or a case",
        )
    if len(np.unique(labels)) < 2:
        raise TerminalError(
            "a regressor needs observations of different labels",
            where=where,
            received=f"{len(labels)} labelled rows, labels {np.unique(labels).tolist()}",
            fix="build more history, or train as of a later date",
        )


def _check_conditions(definition: ModelDefinition, labelled: pa.Table, where: str) -> None:
    classes = sorted(pc.unique(labelled["label"]).to_pylist())
    if not set(classes) <= {0.0, 1.0}:
        raise TerminalError(
            "a label is neither true nor false",
            where=f"{definition.folder / 'model.yaml'}: label.expression",
            received=next(value for value in classes if value not in {0.0, 1.0}),
            allowed="true, false, 1, 0, or null for no outcome",
            fix="write a condition, or `type: number` if it is a number that is predicted",
        )
    if len(classes) < 2:
        raise TerminalError(
            "a classifier needs observations of both classes",
            where=where,
            received=f"{labelled.num_rows} labelled rows, labels {classes}",
            fix="build more history, or train as of a later date",
        )
