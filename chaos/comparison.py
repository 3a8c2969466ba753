"""Compares an installation whose tasks were killed with an undisturbed one: tables, registry, what is left behind."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from chaos.steps import MODEL
from nightshift.lake.catalog import Lake
from nightshift.lake.files import list_files
from nightshift.project import Project
from nightshift.registry.events import champion_changes
from nightshift.settings import Settings
from nightshift.stages.train import parse_snapshot_tag

# What is drawn anew or is an instant: everything else of a row is compared.
NEW_EACH_TIME = ("features_snapshot", "event_id", "recorded_at", "mlflow_run")
# Names that are drawn anew: of attempts, runs, snapshots and files.
DRAWN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{12,}|\d{15,}")
# Not compared by their number. Of tables: a task that ran again has published again, and earlier snapshots are readable
# for a week. Of MLflow: the run of a killed training stays, as a record.
TABLES, REGISTRY, DATABASES = "warehouse/", "mlflow/artifacts/", (".db", ".db-shm", ".db-wal")


def differences(undisturbed: Settings, disturbed: Settings) -> list[str]:
    """What differs between two installations, a line each; none if all is well.

    Args:
        undisturbed: The installation whose tasks ran once.
        disturbed: The installation whose tasks were killed, after maintenance.
    """
    return [
        *_different_tables(Lake(undisturbed), Lake(disturbed)),
        *_disagreements(Project(MODEL, disturbed)),
        *_leftover_files(undisturbed.var_path, disturbed.var_path),
        *_unreachable_files(Lake(disturbed)),
        *_unordered_tables(Lake(disturbed)),
        *_leftover_runs(Project(MODEL, undisturbed), Project(MODEL, disturbed)),
    ]


def _different_tables(undisturbed: Lake, disturbed: Lake) -> Iterator[str]:
    names = undisturbed.table_names()
    if names != disturbed.table_names():
        yield f"tables: {disturbed.table_names()} instead of {names}"
    for name in names:
        expected, actual = _rows(undisturbed, name), _rows(disturbed, name)
        if lost := expected - actual:
            yield f"{name}: {lost.total()} rows are missing or differ, such as {next(iter(lost))}"
        if more := actual - expected:
            yield f"{name}: {more.total()} rows are too many or differ, such as {next(iter(more))}"


def _rows(lake: Lake, name: str) -> Counter[str]:
    rows: pa.Table = lake.table(name).scan().to_arrow()
    rows = rows.drop_columns([column for column in NEW_EACH_TIME if column in rows.column_names])
    return Counter(DRAWN.sub("…", str(row)) for row in rows.to_pylist())


def _disagreements(project: Project) -> Iterator[str]:
    """Where events and MLflow's aliases disagree, or changes do not follow one another."""
    events, versions = project.champions.events(), project.registry.versions()
    champion, changes = project.registry.champion(), champion_changes(events)
    if champion is None or champion.number != changes[-1].to_version:
        yield f"the champion is {champion and champion.number}, by the events {changes[-1].to_version}"
    if [change.from_version for change in changes] != [None, *(change.to_version for change in changes[:-1])]:
        yield f"changes of the champion do not follow one another: {changes}"
    registered = {event.to_version: event.mlflow_run for event in events if event.event == "registered"}
    if registered != {number: version.run_id for number, version in versions.items()}:
        yield f"registered are {registered} by the events, and {versions} in MLflow"
    if project.registry.confirmed_event() != changes[-1].event_id:
        yield "the last change is not marked as done"
    snapshots = {snapshot.snapshot_id for snapshot in project.lake.table(f"features.{MODEL}").snapshots()}
    scores = project.lake.table(f"scores.{MODEL}").scan(selected_fields=("features_snapshot",)).to_arrow()
    if unknown := set(scores["features_snapshot"].to_pylist()) - snapshots:
        yield f"scores name snapshots that features.{MODEL} does not have: {unknown}"


def _leftover_files(undisturbed: Path, disturbed: Path) -> Iterator[str]:
    expected, actual = _files(undisturbed), _files(disturbed)
    for name, count in sorted((actual - expected).items()):
        yield f"{count} left behind: {name}"
    for name, count in sorted((expected - actual).items()):
        yield f"{count} missing: {name}"


def _files(var: Path) -> Counter[str]:
    """Files and empty folders below a folder, without what their names have that is drawn anew."""
    paths = (path for path in var.rglob("*") if path.is_file() or not any(path.iterdir()))
    names = (str(path.relative_to(var)) for path in paths if path.suffix not in DATABASES)
    return Counter(DRAWN.sub("…", name) for name in names if not name.startswith((TABLES, REGISTRY)))


def _unreachable_files(lake: Lake) -> Iterator[str]:
    """The data files that no snapshot reaches, and what else is in folders without one that does."""
    tables = map(lake.table, lake.table_names())
    reachable = {file for table in tables for file in table.inspect.all_data_files()["file_path"].to_pylist()}
    folders = {file.rpartition("/")[0] for file in reachable}
    for file in list_files(f"{lake.warehouse}/staged"):
        if file not in reachable and (file.endswith(".parquet") or file.rpartition("/")[0] not in folders):
            yield f"left behind: {file}"


def _unordered_tables(lake: Lake) -> Iterator[str]:
    """The tables whose metadata go back in time, which Iceberg's readers on Java and Rust refuse."""
    for name in lake.table_names():
        metadata = lake.table(name).metadata
        for log in (metadata.snapshot_log, metadata.metadata_log):
            instants = [*(entry.timestamp_ms for entry in log), metadata.last_updated_ms]
            if instants != sorted(instants):
                yield f"{name}: its metadata go back in time: {instants}"


def _leftover_runs(undisturbed: Project, disturbed: Project) -> Iterator[str]:
    for project in (undisturbed, disturbed):
        client = project.registry.client
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        for run in client.search_runs(experiments, "attributes.status = 'RUNNING'"):
            yield f"MLflow's run {run.info.run_id} of {project.settings.var_path} is said to be running"
    client = disturbed.registry.client
    tags = {tag for name in disturbed.lake.table_names() for tag in disturbed.lake.table(name).refs()}
    for run_id in filter(None, map(parse_snapshot_tag, tags)):
        if (status := client.get_run(run_id).info.status) != "FINISHED":
            yield f"tables keep snapshots for MLflow's run {run_id}, which is {status}"
