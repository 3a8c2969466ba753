"""What Airflow loads: the listener that turns failed runs into alerts."""

from __future__ import annotations

from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from nightshift_airflow import listener


class NightshiftPlugin(AirflowPlugin):
    """Registers Nightshift's listener."""

    name = "nightshift"
    listeners: ClassVar[list[Any]] = [listener]
