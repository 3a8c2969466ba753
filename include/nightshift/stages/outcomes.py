"""How well nights were scored, once their labels are final, and what their scores were worth."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.calendar import date_range, label_dates, newest_available, newest_labelled, previous_night
from nightshift.definition.recipe import label_digest
from nightshift.lake.labels import join_labels, read_labels
from nightshift.lake.read import Partition, fingerprint, landed_partitions, published_partitions
from nightshift.lake.tables import TableSpec, label_type, raw_table, scores_table, shadow_table
from nightshift.monitoring.expected_performance import ExpectedPerformance
from nightshift.monitoring.outcomes import INPUTS, settle_labels, unmatched_labels
from nightshift.monitoring.outcomes import measure_outcomes as outcome_of_night
from nightshift.monitoring.value import CHAMPION, measure_value, value_columns
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


def _measure(project: Project, day: date, rows_fingerprint: str, run_id: str) -> None:
    definition = project.definition
    key = definition.observations.key
    scored = read_scored(project, day)
    all_labels, doubtful = settle_labels(_labels(project, scored.rows), key)
    joined = join_labels(scored.rows, all_labels.select(["score_date", *key, "label"]), key)
    counted = [table.slice(0, 0) if scored.mismatch else table for table in (joined, all_labels)]
    labelled, labels = (settle_classes(table, scored.classes) for table in counted)
    outside = counted[0].num_rows - labelled.num_rows
    measurements = outcome_of_night(
        labelled,
        scored.rows.num_rows,
        scored.version,
        project.metrics,
        expected_performance(project, scored.version),
        prediction=definition.prediction,
        classes=scored.classes,
        note=_note(doubtful, outside, scored.mismatch),
    )
    unmatched = all_labels.num_rows - joined.num_rows
    measurements.append(unmatched_labels("labels", definition, unmatched, all_labels.num_rows))
    if definition.monitoring.value is not None:
        _measure_value(project, day, scored, labels, run_id)
    # Last: the fingerprint says that everything else was recorded.
    measurements.append(Measurement("night", INPUTS, detail=rows_fingerprint, model_version=scored.version))
    project.record("outcome", day, measurements, run_id)


def _note(doubtful: int, outside: int, mismatch: str) -> str:
    """What is to be said of labels that do not count."""
    notes = [mismatch] if mismatch else []
    notes += [f"{doubtful} observations have two different labels and count as having none"] if doubtful else []
    notes += [f"{outside} outcomes are of no class of the version and count nowhere"] if outside else []
    return "; ".join(notes)


def _measure_value(project: Project, day: date, night: NightScores, labels: pa.Table, run_id: str) -> None:
    definition = project.definition
    scored = {CHAMPION: (night.rows, night.version)}
    shadow = project.read(shadow_table(definition), day, day)
    for number in sorted(pc.unique(shadow["model_version"]).to_pylist()):
        scored[f"challenger {number}"] = shadow.filter(pc.equal(shadow["model_version"], number)), number
    project.record("value", day, measure_value(definition, scored, labels, _observed(project, night.rows, day)), run_id)


def _observed(project: Project, rows: pa.Table, day: date) -> pa.Table:
    """The landed rows of a night's observations; keys alone where these have no row of their own."""
    definition = project.definition
    source = definition.sources[definition.observations.source]
    if definition.observations.within is not None:
        return rows.select(["score_date", *definition.observations.key]).rename_columns({"score_date": "source_date"})
    spec = raw_table(definition, definition.observations.source)
    if source.cadence == "daily":
        return project.read(spec, day, day)
    versions = published_partitions(project.lake, spec)
    version = newest_available(definition, definition.observations.source, day, versions) or day
    observed = project.read(spec, version, version)
    dated = pa.repeat(pa.scalar(day, pa.date32()), observed.num_rows)
    return observed.set_column(observed.column_names.index("source_date"), "source_date", dated)


def _labels(project: Project, rows: pa.Table) -> pa.Table:
    """The labels of a night's scored rows with the columns that the value needs; none before any have arrived."""
    definition = project.definition
    observed, columns = rows.select(["score_date", *definition.observations.key]), value_columns(definition)
    if project.lake.table_exists(_label_table(project).name):
        return read_labels(project.lake, definition, observed, extra_columns=columns)
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
