"""The driver that the Spark jobs of a night share."""

from __future__ import annotations


def start_driver(look_again: float = 0.0) -> None:
    """Starts the driver of this installation's nights, where jobs share one, or has it wait on.

    Args:
        look_again: In how many seconds a job may come at the earliest.
    """
    from nightshift.compute.job import start_driver
    from nightshift.settings import get_settings

    start_driver(get_settings(), look_again)
