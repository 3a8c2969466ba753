"""Housekeeping for every model's tables. The models' own DAGs come from their definitions: docs/architecture.md."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronTriggerTimetable

from nightshift_airflow import tasks

with DAG(
    "nightshift.maintenance",
    description="Expires snapshots, removes files that no snapshot needs, and what killed runs left.",
    doc_md=tasks.maintenance.function.__doc__,
    schedule=CronTriggerTimetable("30 5 * * *", timezone="UTC"),
    start_date=datetime(2013, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags={"nightshift", "maintenance"},
    default_args={"owner": "nightshift", "retries": 2, "retry_delay": timedelta(minutes=1)},
):
    tasks.maintenance()
