"""How well nights were scored, once their labels are final, and what their scores were worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import reduce
from operator import add

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.calendar import date_range, label_dates, newest_available, newest_labelled, previous_night
from nightshift.definition.recipe import label_digest
from nightshift.lake.key_shares import KeyShare, shares_of
from nightshift.lake.labels import join_labels, read_labels
from nightshift.lake.read import Partition, fingerprint, landed_partitions, published_partitions
from nightshift.lake.tables import TableSpec, label_type, raw_table, scores_table, shadow_table
from nightshift.monitoring.expected_performance import ExpectedPerformance
from nightshift.monitoring.outcomes import INPUTS, settle_labels, unmatched_labels
from nightshift.monitoring.outcomes import measure_outcomes as outcome_of_night
from nightshift.monitoring.value import CHAMPION, ValueTotal, sum_values, value_columns, value_measurements
from nightshift.project import Project
from nightshift.registry.classes import settle_classes
from nightshift.stages.scored import NightScores, read_scored
from nightshift.types import Measurement

LOOKBACK = 60  # how many nights late labels are waited for
NO_PARTITION = Partition((), 0)
WITHOUT_ROWS = "without rows"  # the version of a published file that has none


def measure_outcomes(project: Project, night: date, run_id: str) -> tuple[date, ...]:
    """Measures every scored night whose labels are final by a night's cutoff, once for the same rows.

    So a night is measured that was missed, and measured again if its labels arrived late or were corrected, if it was
    scored again, or if the label or the value is declared otherwise since: no two nights are measured by two labels.
    Labels that should be there and are not are known to be missing.

    Returns:
        The nights that were measured.
    """
    newest = newest_labelled(project.definition, night)
    within = previous_night(project.definition.schedule, newest, LOOKBACK), newest
    scored = published_partitions(project.lake, scores_table(project.definition), within=within)
    dates = label_dates(project.definition, within[0])[0], label_dates(project.definition, newest)[1]
    outcomes = landed_partitions(project.lake, _label_table(project), within=dates)
    versions = {file: part.version if part.files else WITHOUT_ROWS for file, part in outcomes.items()}
    fingerprints, declared = _measured_fingerprints(project, *within), _declaration(project)
    measured = []
    for day, partition in scored.items():
        files = date_range(*label_dates(project.definition, day))
        file_versions = (versions.get(file, NO_PARTITION.version) for file in files)
        rows_fingerprint = fingerprint(declared, partition.version, *file_versions)
        if fingerprints.get(day) != rows_fingerprint:
            _measure(project, day, rows_fingerprint, run_id)
            measured.append(day)
    return tuple(measured)


def expected_performance(project: Project, version: int | None) -> ExpectedPerformance | None:
    """The performance that a version's holdout gives reason to expect; None of one trained before that was stored."""
    stored = project.registry.expectation(version) if version is not None else None
    return ExpectedPerformance.from_json(stored) if stored else None


def observed_rows(
    project: Project, rows: pa.Table, day: date, share: KeyShare | None = None, snapshots: Mapping[str, int] = {}
) -> pa.Table:
    """The landed rows of a night's observations, or of a share; keys alone where these have no row of their own.

    Args:
        project: The model.
        rows: The observations, with `score_date` and their key.
        day: The night.
        share: The share that they are of.
        snapshots: The snapshot of each table to read; the newest of others.
    """
    definition = project.definition
    source = definition.sources[definition.observations.source]
    if definition.observations.within is not None:
        return rows.select(["score_date", *definition.observations.key]).rename_columns({"score_date": "source_date"})
    spec = raw_table(definition, definition.observations.source)
    snapshot = snapshots.get(spec.name)
    if source.cadence == "daily":
        return project.read(spec, day, day, snapshot=snapshot, share=share)
    versions = published_partitions(project.lake, spec, snapshot)
    version = newest_available(definition, definition.observations.source, day, versions) or day
    observed = project.read(spec, version, version, snapshot=snapshot, share=share)
    dated = pa.repeat(pa.scalar(day, pa.date32()), observed.num_rows)
    return observed.set_column(observed.column_names.index("source_date"), "source_date", dated)


@dataclass(frozen=True)
class _Match:
    """How the scores and the labels of a night match.

    Attributes:
        labelled: The labels that count, with the columns of a score.
        labels: How many observations have a label, and labels no observation.
        matched: How many of them have a score.
        doubtful: How many observations have different labels.
        values: The value of each policy's decisions; empty if no value is declared.
    """

    labelled: pa.Table
    labels: int
    matched: int
    doubtful: int
    values: Mapping[str, ValueTotal]

    def __add__(self, other: _Match) -> _Match:
        return _Match(
            pa.concat_tables([self.labelled, other.labelled]),
            self.labels + other.labels,
            self.matched + other.matched,
            self.doubtful + other.doubtful,
            {policy: total + other.values[policy] for policy, total in self.values.items()},
        )


def _measure(project: Project, day: date, rows_fingerprint: str, run_id: str) -> None:
    definition, scored = project.definition, read_scored(project, day)
    challengers = _challengers(project, day)
    # A share of a large night after the other: only the labels and the scores of all of it are in memory at once.
    match = reduce(add, (_match(scored, challengers, s) for s in shares_of(scored.count, definition.label_key)))
    match = replace(match, labelled=match.labelled.combine_chunks())
    pa.default_memory_pool().release_unused()  # what the shares took
    outside = 0 if scored.mismatch else match.matched - match.labelled.num_rows
    measurements = outcome_of_night(
        match.labelled,
        scored.count,
        scored.version,
        project.metrics,
        expected_performance(project, scored.version),
        prediction=definition.prediction,
        classes=scored.classes,
        note=_note(match.doubtful, outside, scored.mismatch),
    )
    measurements.append(unmatched_labels("labels", definition, match.labels - match.matched, match.labels))
    if match.values:
        versions = {CHAMPION: scored.version} | {f"challenger {number}": number for number in challengers}
        project.record("value", day, value_measurements(match.values, versions), run_id)
    # Last: the fingerprint says that everything else was recorded.
    measurements.append(Measurement("night", INPUTS, detail=rows_fingerprint, model_version=scored.version))
    project.record("outcome", day, measurements, run_id)


def _match(scored: NightScores, challengers: Sequence[int], share: KeyShare | None) -> _Match:
    """Matches the scores of a night with its labels, or a share of both."""
    project, key = scored.project, scored.project.definition.observations.key
    rows = scored.read(share)
    all_labels, doubtful = settle_labels(_labels(project, scored.night, rows, share), key)
    joined = join_labels(rows, all_labels.select(["score_date", *key, "label"]), key)
    counted = [table.slice(0, 0) if scored.mismatch else table for table in (joined, all_labels)]
    labelled, labels = (settle_classes(table, scored.classes) for table in counted)
    values: Mapping[str, ValueTotal] = {}
    if project.definition.monitoring.value is not None:
        policies = {CHAMPION: rows} | {
            f"challenger {number}": _shadow_scores(project, scored.night, number, share) for number in challengers
        }
        values = sum_values(project.definition, policies, labels, observed_rows(project, rows, scored.night, share))
    return _Match(labelled.drop_columns(["score_date", *key]), all_labels.num_rows, joined.num_rows, doubtful, values)


def _note(doubtful: int, outside: int, mismatch: str) -> str:
    """What is to be said of labels that do not count."""
    notes = [mismatch] if mismatch else []
    notes += [f"{doubtful} observations have two different labels and count as having none"] if doubtful else []
    notes += [f"{outside} outcomes are of no class of the version and count nowhere"] if outside else []
    return "; ".join(notes)


def _challengers(project: Project, day: date) -> list[int]:
    """The challengers that scored a night, if the value of their decisions is measured."""
    if project.definition.monitoring.value is None:
        return []
    versions = project.read(shadow_table(project.definition), day, day, columns=("model_version",))["model_version"]
    return sorted(pc.unique(versions).to_pylist())


def _shadow_scores(project: Project, day: date, number: int, share: KeyShare | None) -> pa.Table:
    spec, split = shadow_table(project.definition), {"model_version": number}
    return project.read(spec, day, day, split=split, share=share)


def _labels(project: Project, day: date, rows: pa.Table, share: KeyShare | None) -> pa.Table:
    """The labels of a night's scored rows with the columns that the value needs; none before any have arrived."""
    definition = project.definition
    observed, columns = rows.select(["score_date", *definition.observations.key]), value_columns(definition)
    if project.lake.table_exists(_label_table(project).name):
        return read_labels(project.lake, definition, observed, extra_columns=columns, share=share, dates=(day, day))
    fields = [rows.schema.field(name) for name in observed.column_names] + [pa.field("label", label_type(definition))]
    return pa.schema([*fields, *(_label_table(project).schema.field(name) for name in columns)]).empty_table()


def _measured_fingerprints(project: Project, first: date, last: date) -> dict[date, str]:
    """Of each night that was measured, the fingerprint of the rows that it was measured on."""
    rows = project.monitored(first, last, "outcome")
    return {row["score_date"]: row["detail"] for row in rows if row["statistic"] == INPUTS}


def _declaration(project: Project) -> str:
    """What a night is measured by: the label, and the value of its decisions."""
    value = project.definition.monitoring.value
    return fingerprint(label_digest(project.definition), value.model_dump_json() if value else "")


def _label_table(project: Project) -> TableSpec:
    return raw_table(project.definition, project.definition.label.source)
