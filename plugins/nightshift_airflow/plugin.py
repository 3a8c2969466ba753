"""What Airflow loads: the listener that turns failed runs into alerts, and the tab "Report" beside a run."""

from __future__ import annotations

from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin
from airflow.sdk.log import mask_secret

from nightshift.settings import get_settings
from nightshift_airflow import listener
from nightshift_airflow.preload import preload
from nightshift_airflow.timetable import NightTimetable, TrainingTimetable

for secret in get_settings().secrets:  # whatever a library writes to a task's log
    mask_secret(secret)
if get_settings().preload:
    preload()


async def report_pages(scope: Any, receive: Any, send: Any) -> None:
    """The app behind the tab, imported by the first request: every component imports this file, one serves pages."""
    from nightshift_airflow.pages import pages

    await pages(scope, receive, send)


class NightshiftPlugin(AirflowPlugin):
    """Registers Nightshift's listener, its timetables, its pages, and where the UI shows them."""

    name = "nightshift"
    listeners: ClassVar[list[Any]] = [listener]
    timetables: ClassVar[list[Any]] = [NightTimetable, TrainingTimetable]
    fastapi_apps: ClassVar[list[Any]] = [
        {"name": "data quality", "url_prefix": "/nightshift/quality", "app": report_pages}
    ]
    external_views: ClassVar[list[Any]] = [
        {
            "name": "Report",
            "destination": "dag_run",
            "url_route": "report",
            # Relative to the UI's own address, which may be below a path.
            "href": "nightshift/quality/{DAG_ID}/{RUN_ID}/",
        }
    ]
