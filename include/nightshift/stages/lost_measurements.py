"""Monitored values whose files are damaged: they count as not published, so that they are measured again."""

from __future__ import annotations

from datetime import date

from nightshift.definition.calendar import final_from
from nightshift.lake.commit import Replacement
from nightshift.lake.damage import file_problem
from nightshift.lake.publish import retry_on_conflict
from nightshift.lake.read import partition_filter, partition_values
from nightshift.lake.tables import monitoring_table
from nightshift.project import Project
from nightshift.stages.outcomes import measure_outcomes

OUTCOMES = ("outcome", "value")


def drop_lost(project: Project, first: date, last: date) -> list[tuple[str, date]]:
    """Removes files with monitored values from the table that can no longer be read.

    Args:
        project: The model.
        first: The first date of the values.
        last: The last.

    Returns:
        The monitors whose values are lost, each with the date.
    """
    spec = monitoring_table(project.definition)
    if not project.settings.has_catalog or not project.lake.table_exists(spec.name):
        return []
    with project.lake.lock(spec.name):
        return retry_on_conflict()(_drop, project, first, last)


def _drop(project: Project, first: date, last: date) -> list[tuple[str, date]]:
    spec = monitoring_table(project.definition)
    table, predicate = project.lake.table(spec.name), partition_filter(spec, first, last)
    files = [task.file for task in table.scan(predicate).plan_files()]
    damaged = [file for file in files if file_problem(file.file_path, file.file_size_in_bytes)]
    if damaged:
        replacement = Replacement(table, {})
        replacement.delete_by_predicate(predicate)  # concurrent commits are validated against it
        for file in damaged:
            replacement.delete_data_file(file)
        replacement.publish()
    lost = (partition_values(spec, file) for file in damaged)
    return sorted((str(monitor), day) for monitor, day in lost)


def measure_lost_outcomes(project: Project, lost: list[tuple[str, date]], run_id: str) -> None:
    """Measures the outcomes of nights again whose values were lost, as the first night that knew their labels did."""
    for day in sorted({day for monitor, day in lost if monitor in OUTCOMES}):
        measure_outcomes(project, final_from(project.definition, day), run_id)
