"""The page of a night, which the tab *Report* of its run shows."""

from __future__ import annotations

from contextlib import suppress
from datetime import date

from nightshift.definition.calendar import previous_night
from nightshift.errors import NightshiftError
from nightshift.lake.files import write_bytes
from nightshift.monitoring.histograms import Histogram, histograms
from nightshift.monitoring.night_page import HISTORY, movers, render_night
from nightshift.project import Project
from nightshift.quality.docs import report_uri
from nightshift.stages.drift import profile_of
from nightshift.stages.rebuild import definitions_by_night

HISTOGRAMS = 6  # features that moved most, whose histograms are drawn


def write_report(project: Project, night: date, run_id: str) -> str:
    """Writes the page of a night beside those of its audits.

    Returns:
        Its URI.
    """
    value = project.definition.monitoring.value
    schedule = project.definition.schedule
    rows = project.monitored(previous_night(schedule, night, HISTORY), night)
    tonight = (row for row in rows if row["score_date"] == night)
    moved = [row["subject"] for row in movers(tonight)][:HISTOGRAMS]
    drawn: list[Histogram] = []
    with suppress(NightshiftError):  # the page is of recorded values; it is worth having without histograms
        drawn = histograms(moved, *profile_of(project, night)) if moved else []
    features = definitions_by_night(project, night, night).get(night, "unknown")
    page = render_night(project.definition.name, night, rows, value.unit if value else "", drawn, features, schedule)
    uri = report_uri(project.settings.quality_docs_uri, project.definition.name, run_id)
    write_bytes(uri, page.encode())
    return uri
