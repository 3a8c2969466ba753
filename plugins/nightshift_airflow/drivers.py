"""The driver that the Spark jobs of a night share."""

from __future__ import annotations


def start_driver() -> None:
    """Starts the driver of this installation's nights, where jobs share one, unless it is there."""
    from nightshift.compute.job import start_driver
    from nightshift.settings import get_settings

    start_driver(get_settings())
