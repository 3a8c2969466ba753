"""Proves that labels are of their windows alone and were final when they were learned, and computes them again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.calendar import date_range, final_from, is_available, label_dates, newest_partition
from nightshift.definition.model import ModelDefinition
from nightshift.features.compare import ROUNDING, Comparison, compare
from nightshift.lake.label_windows import outcomes_by_brute_force, outcomes_without_events, split_by_window
from nightshift.lake.labels import join_labels, read_labels, read_row_labels
from nightshift.lake.read import landed_partitions, published_dates, read_dates, snapshot_of
from nightshift.lake.tables import features_table, raw_table
from nightshift.lake.window_labels import read_events, window_labels
from nightshift.project import Project


@dataclass(frozen=True)
class LabelChecks:
    """What was checked of the labels of some nights.

    Attributes:
        nights: The nights whose labels are final, which were checked.
        without_later: Their labels, compared with those without all that is outside of their windows or was not final.
        without_events: The outcomes of windows whose events are removed, compared with the declared ones; None of a
            label without a window.
    """

    nights: tuple[date, ...]
    without_later: Comparison
    without_events: Comparison | None = None


def check_label_leaks(project: Project, nights: Sequence[date]) -> LabelChecks:
    """Compares the labels of published nights, bit by bit, with those of their windows' final rows alone.

    Labels are read as a training reads them, all nights at once and with everything that is published. Each night's
    are then computed without the events outside of its window, and without the files that had not arrived or could
    still land again when it first had labels; and, with everything but the events of the window, as no outcome at all.

    Args:
        project: The model.
        nights: Published nights.

    Raises:
        TerminalError: If the labels cannot be computed.
    """
    definition, lake = project.definition, project.lake
    labelled = labelled_nights(project, nights)
    windowed = definition.label.window is not None
    without_later, without_events = Comparison(0, ()), Comparison(0, ()) if windowed else None
    if not labelled:
        return LabelChecks((), without_later, without_events)
    label_table = raw_table(definition, definition.label.source)
    snapshot = snapshot_of(lake, label_table.name)
    observed = pa.concat_tables(_observed(project, night) for night in labelled)
    learned = _labels_of(definition, observed, read_labels(lake, definition, observed, snapshot))
    span = definition.label.overlap + timedelta(days=1)  # so much is read on both sides that no label may depend on
    for night in labelled:
        of_night = observed.filter(pc.equal(observed["score_date"], pa.scalar(night)))
        labels = learned.filter(pc.equal(learned["score_date"], pa.scalar(night)))
        if windowed:
            rows, files = read_events(lake, definition, night, night, snapshot, margin=span)
            inside, outside = split_by_window(definition, rows, night)
            final = _final_files(definition, files, final_from(definition, night))
            alone = window_labels(definition, of_night, inside, final)
            nothing = outcomes_without_events(definition, of_night)
            emptied = window_labels(definition, of_night, outside, files)
            assert without_events is not None
            without_events += _compare(definition, nothing, emptied)
        else:
            files = frozenset(landed_partitions(lake, label_table, snapshot, within=(night, night)))
            arrived = night in _final_files(definition, files, final_from(definition, night))
            alone = read_row_labels(lake, definition, night, night, snapshot)
            alone = _labels_of(definition, of_night, alone if arrived else alone.slice(0, 0))
        without_later += _compare(definition, labels, alone)
    return LabelChecks(tuple(labelled), without_later, without_events)


def check_label_skew(project: Project, night: date) -> Comparison | None:
    """Compares a night's labels with those that join each observation with the events of its window.

    Sums and means may differ by one part in a thousand million, since their order differs.

    Returns:
        None if the night is not labelled yet, or its label has no window: such a label is its own row's.
    """
    definition, lake = project.definition, project.lake
    if definition.label.window is None or not labelled_nights(project, [night]):
        return None
    snapshot = snapshot_of(lake, raw_table(definition, definition.label.source).name)
    observed = _observed(project, night)
    labels = read_labels(lake, definition, observed, snapshot)
    rows, files = read_events(lake, definition, night, night, snapshot)
    tolerance = {"label": ROUNDING} if definition.label.agg in {"sum", "mean"} else {}
    return _compare(definition, labels, outcomes_by_brute_force(definition, observed, rows, files), tolerance)


def labelled_nights(project: Project, nights: Sequence[date]) -> list[date]:
    """Those of some published nights whose labels are final by the newest published night, with all their files."""
    definition, lake = project.definition, project.lake
    published = published_dates(lake, features_table(definition))
    final = [night for night in nights if published.get(night) and final_from(definition, night) <= max(published)]
    label_table = raw_table(definition, definition.label.source)
    if not final:
        return []
    first, last = label_dates(definition, min(final))[0], label_dates(definition, max(final))[1]
    landed = set(landed_partitions(lake, label_table, within=(first, last)))
    return [night for night in final if set(date_range(*label_dates(definition, night))) <= landed]


def _observed(project: Project, night: date) -> pa.Table:
    """The observations of a published night: `score_date` and the key."""
    columns = ("score_date", *project.definition.observations.key)
    return read_dates(project.lake, features_table(project.definition), night, night, columns=columns)


def _labels_of(definition: ModelDefinition, observed: pa.Table, labels: pa.Table) -> pa.Table:
    """The labels of some observations; labels of others are left out."""
    key = definition.observations.key
    return join_labels(observed, labels.select(["score_date", *key, "label"]), key)


def _final_files(definition: ModelDefinition, files: Collection[date], night: date) -> frozenset[date]:
    """The files of the label source that had arrived by a night's cutoff and that neither it nor a later one replaces.

    A file of a label without a window may land again later, which corrects its labels.
    """
    schedule, source = definition.schedule, definition.sources[definition.label.source]
    arrived = {day for day in files if is_available(schedule, source, day, night)}
    if definition.label.window is not None and source.restates is not None:
        examined = newest_partition(schedule, source, night) - source.restates
        arrived = {day for day in arrived if day < examined}
    return frozenset(arrived)


def _compare(
    definition: ModelDefinition, first: pa.Table, second: pa.Table, tolerance: dict[str, float] | None = None
) -> Comparison:
    return compare(first, second, ("score_date", *definition.observations.key), tolerance)
