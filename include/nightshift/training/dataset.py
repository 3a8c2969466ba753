"""The training set: features and final labels at pinned snapshots, split by time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.calendar import newest_labelled, newest_night, next_night, only_nights, previous_night
from nightshift.definition.model import ModelDefinition
from nightshift.errors import TerminalError
from nightshift.lake.catalog import Lake
from nightshift.lake.key_shares import shares_of
from nightshift.lake.labels import join_labels, read_labels
from nightshift.lake.parquet import FilePart, read_batches, read_files
from nightshift.lake.read import published_dates, published_partitions, snapshot_of
from nightshift.lake.tables import TableSpec, features_table, label_type, raw_table
from nightshift.training.methods import METHODS

AT_ONCE = 1_000_000  # rows that are joined with their labels at once


@dataclass(frozen=True)
class Split:
    """The dates of a training: fitted on `first` to `fitted`, judged on `holdout` to `last`.

    Between them are the dates whose outcomes are of the holdout's time.
    """

    first: date
    fitted: date
    holdout: date
    last: date


def split_dates(definition: ModelDefinition, as_of: date) -> Split:
    """The newest labelled days are the holdout; the period before them is the training period.

    Each begins and ends with a night: only nights have rows. Outcomes that came after the newest night are not
    published yet.
    """
    schedule = definition.schedule
    last = newest_labelled(definition, newest_night(schedule, as_of))
    holdout = next_night(schedule, last - definition.training.holdout)
    fitted = previous_night(schedule, holdout - definition.label.overlap)
    return Split(next_night(schedule, fitted - definition.training.period), fitted, holdout, last)


def pin_snapshots(lake: Lake, definition: ModelDefinition) -> dict[str, int]:
    """The snapshots a training reads, so that it can be repeated on the same rows."""
    names = [features_table(definition).name, raw_table(definition, definition.label.source).name]
    if definition.has_threshold and definition.observations.within is None:  # its value is that of landed rows
        names.append(raw_table(definition, definition.observations.source).name)
    return {name: snapshot_of(lake, name) for name in dict.fromkeys(names)}


@dataclass(frozen=True)
class LabelCounts:
    """How observations and labels of some dates match; of all observations, also where a sample of them is read.

    Attributes:
        first: The first date with an observation that has a label; None without any.
        labelled: The number of observations with a label.
        unlabelled: The number of observations without a label.
        unmatched: The number of labels without an observation.
    """

    first: date | None = None
    labelled: int = 0
    unlabelled: int = 0
    unmatched: int = 0

    def __add__(self, later: LabelCounts) -> LabelCounts:
        return LabelCounts(
            min(filter(None, (self.first, later.first)), default=None),
            self.labelled + later.labelled,
            self.unlabelled + later.unlabelled,
            self.unmatched + later.unmatched,
        )

    def sentence(self) -> str:
        """What the join left out, for people; empty if nothing."""
        parts = [f"{self.unlabelled:,} observations have no label"] if self.unlabelled else []
        parts += [f"{self.unmatched:,} labels have no observation"] if self.unmatched else []
        return ", ".join(parts)


@dataclass(frozen=True)
class ObservedRows:
    """The observations of some dates, with the labels that they have.

    Attributes:
        rows: Key, features and `label`, which is null of an observation without one. Dates of which no observation has
            a label have no rows.
        counts: How observations and labels match.
    """

    rows: pa.Table
    counts: LabelCounts

    @cached_property
    def labelled(self) -> pa.Table:
        """The rows that have a label."""
        return self.rows if not self.rows["label"].null_count else self.rows.filter(pc.is_valid(self.rows["label"]))


def read_labelled(
    lake: Lake,
    definition: ModelDefinition,
    first: date,
    last: date,
    snapshots: Mapping[str, int],
    max_rows: int | None = None,
) -> pa.Table:
    """Every labelled observation from `first` to `last`: see `read_observed`."""
    return read_observed(lake, definition, first, last, snapshots, max_rows).labelled


def read_observed(
    lake: Lake,
    definition: ModelDefinition,
    first: date,
    last: date,
    snapshots: Mapping[str, int],
    max_rows: int | None = None,
) -> ObservedRows:
    """The observations of the dates from `first` to `last` that have labels, in the order of their key.

    Dates are read in spans of about a million rows, and a date with more of them in shares of its keys, so that only
    the sampled rows stay in memory.

    Args:
        lake: The lake.
        definition: The model definition.
        first: The first date.
        last: The last date.
        snapshots: The snapshot of each table.
        max_rows: If there are more observations, a sample of about this many by the hash of their key is read: the same
            ones on every reading.

    Raises:
        TerminalError: If no observation has a label, all labels are the same, or one is not of the declared type.
    """
    spec = features_table(definition)
    source = raw_table(definition, definition.label.source).name
    partitions = published_partitions(lake, spec, snapshots[spec.name], within=(first, last))
    partitions = {night: partitions[night] for night in only_nights(definition.schedule, partitions)}
    share = 1.0 if max_rows is None else min(1.0, max_rows / max(sum(part.rows for part in partitions.values()), 1))
    key, tables, counts, labelled_dates = definition.observations.key, list[pa.Table](), LabelCounts(), set[date]()
    for begin, end in _spans({day: part.rows for day, part in partitions.items()}, AT_ONCE):
        span = {day: part for day, part in partitions.items() if begin <= day <= end}
        files = [file for part in span.values() for file in part.files]
        sample = read_files(files, spec) if share == 1 else _read_sample(files, spec, share)
        parts = []
        for keys in shares_of(sum(part.rows for part in span.values()), definition.label_key):
            rows = sample if keys is None else keys.of(sample)
            observed_keys = rows if share == 1 else read_files(files, spec, ["score_date", *key], keys)
            observed_keys = observed_keys.select(["score_date", *key])
            labels = read_labels(lake, definition, observed_keys, snapshots[source], share=keys, dates=(begin, end))
            matched = join_labels(observed_keys, labels, key)
            parts.append(join_labels(rows, labels, key, "left outer"))
            counts += _count(observed_keys, labels, matched, partitions)
            labelled_dates |= set(pc.unique(matched["score_date"].filter(pc.is_valid(matched["label"]))).to_pylist())
        joined = parts[0] if len(parts) == 1 else _sorted(pa.concat_tables(parts), key)
        tables.append(_of_dates(joined, labelled_dates))
    observed = ObservedRows(pa.concat_tables(tables) if tables else _no_rows(spec, definition), counts)
    labelled = observed.labelled
    _check_any(lake, definition, labelled, counts, (first, last))
    METHODS[definition.prediction].check_labels(definition, labelled, f"{spec.name} from {first} to {last}")
    return observed


def _read_sample(files: Sequence[str], spec: TableSpec, share: float) -> pa.Table:
    """The rows whose key has one of the first hashes, of files that are not in memory as a whole."""
    batches = read_batches(map(FilePart, files), spec.schema)
    sampled = (_sampled(pa.Table.from_batches([batch]), spec.key, share) for batch in batches)
    return pa.concat_tables([spec.schema.empty_table(), *sampled])


def _sampled(rows: pa.Table, key: tuple[str, ...], share: float) -> pa.Table:
    return rows.filter(pa.array(_hashes(rows, key) < np.uint64(share * 2**64 - 1)))


def _sorted(rows: pa.Table, key: tuple[str, ...]) -> pa.Table:
    return rows.sort_by([(column, "ascending") for column in ("score_date", *key)])


def _of_dates(rows: pa.Table, dates: Collection[date]) -> pa.Table:
    """The rows of some dates."""
    if not rows["label"].null_count:  # all are labelled
        return rows
    return rows.filter(pc.is_in(rows["score_date"], pa.array(sorted(dates), pa.date32())))


def _check_any(
    lake: Lake, definition: ModelDefinition, labelled: pa.Table, counts: LabelCounts, dates: tuple[date, date]
) -> None:
    """Refuses dates without a label, such as those whose windows are longer than what is published of the source.

    A sample may have none though some observations are labelled.
    """
    if labelled.num_rows or counts.labelled:
        return
    table, window = raw_table(definition, definition.label.source), definition.label.window
    files = published_dates(lake, table)
    span = f"from {min(files)} to {max(files)}" if files else "none"
    allowed = f"observations with a row of their date and key in {table.name}"
    if window is not None:
        allowed = (
            f"observations whose window, up to {window.to.days} days after them, has all its files in {table.name}"
        )
    raise TerminalError(
        "no observation has a label",
        where=f"{features_table(definition).name} from {dates[0]} to {dates[1]}",
        received=f"{counts.unlabelled:,} observations; files of {definition.label.source}: {span}",
        allowed=allowed,
        fix="build more history, or train as of a later date",
    )


def _count(rows: pa.Table, labels: pa.Table, joined: pa.Table, dates: Iterable[date]) -> LabelCounts:
    """What a join of some dates left out; labels of dates without observations are none of a training's."""
    present = labels.filter(pc.is_in(labels["score_date"], pa.array(list(dates), pa.date32())))
    labelled = joined["score_date"].filter(pc.is_valid(joined["label"]))
    return LabelCounts(
        pc.min(labelled).as_py(), len(labelled), rows.num_rows - len(labelled), present.num_rows - len(labelled)
    )


def check_enough(definition: ModelDefinition, rows: int) -> None:
    """Refuses a training on fewer labelled rows than the definition requires.

    Raises:
        TerminalError: If there are fewer.
    """
    least = definition.training.min_rows
    if rows < least:
        raise TerminalError(
            "too few labelled rows to train on",
            where=f"{definition.folder / 'model.yaml'}: training.min_rows",
            received=rows,
            allowed=f"at least {least}",
            fix="build more history, train as of a later date, or lower it",
        )


def check_purged(definition: ModelDefinition, rows: pa.Table, holdout: pa.Table) -> None:
    """Refuses training rows whose outcomes are of the holdout's time: the model would know a part of what judges it.

    Args:
        definition: The model definition.
        rows: The rows to learn from.
        holdout: The rows that judge.

    Raises:
        TerminalError: If there are any.
    """
    learned, judged = pc.max(rows["score_date"]).as_py(), pc.min(holdout["score_date"]).as_py()
    if learned + definition.label.overlap >= judged:
        raise TerminalError(
            "training labels reach into the holdout",
            where=features_table(definition).name,
            received=f"training rows up to {learned}, whose outcomes are of up to {learned + definition.label.overlap}",
            allowed=f"outcomes of before {judged}, where the holdout begins",
            fix=f"learn from rows up to {judged - definition.label.overlap - timedelta(days=1)}",
        )


def _spans(counts: Mapping[date, int], max_rows: int) -> Iterator[tuple[date, date]]:
    """Spans of neighbouring dates that have at most `max_rows` rows together, or are one date."""
    begin: date | None = None
    end, total = date.min, 0
    for day, rows in sorted(counts.items()):
        if begin is not None and total + rows > max_rows:
            yield begin, end
            begin, total = None, 0
        begin, end, total = begin or day, day, total + rows
    if begin is not None:
        yield begin, end


def _hashes(rows: pa.Table, key: tuple[str, ...]) -> npt.NDArray[np.uint64]:
    """A hash of each row's key that is the same on every machine and in every version: SipHash with a fixed key."""
    from pandas.util import hash_pandas_object

    return np.asarray(hash_pandas_object(rows.select(list(key)).to_pandas(), index=False), dtype=np.uint64)


def _no_rows(spec: TableSpec, definition: ModelDefinition) -> pa.Table:
    return spec.schema.append(pa.field("label", label_type(definition))).empty_table()
