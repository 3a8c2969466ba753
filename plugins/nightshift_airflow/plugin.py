"""What Airflow loads: the listener that turns failed runs into alerts."""

from __future__ import annotations

import importlib
from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from nightshift.settings import get_settings
from nightshift_airflow import listener

PRELOADED = ("great_expectations", "mlflow", "nightshift.loop", "nightshift.lake.sql", "skops.io", "sklearn.metrics")


def preload() -> None:
    """Imports what the loop's tasks need, before they are forked; only imports, nothing is started or opened."""
    for name in PRELOADED:
        importlib.import_module(name)


if get_settings().preload:
    preload()


class NightshiftPlugin(AirflowPlugin):
    """Registers Nightshift's listener."""

    name = "nightshift"
    listeners: ClassVar[list[Any]] = [listener]
