"""The batches that a long range of nights is computed in, so that memory stays flat however long it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from nightshift.compute.job_log import progress

Step = TypeVar("Step")
Result = TypeVar("Result")


def batch_by_rows(steps: Iterable[Step], max_rows: int, rows: Callable[[Step], int]) -> list[list[Step]]:
    """Groups consecutive steps into batches of at most `max_rows` rows; a step with more is a batch of its own."""
    batches: list[list[Step]] = []
    room = 0
    for step in steps:
        count = rows(step)
        if not batches or count > room:
            batches.append([])
            room = max_rows
        batches[-1].append(step)
        room -= count
    return batches


def run_batches(subject: str, batches: Sequence[Step], run: Callable[[Step], Result]) -> list[Result]:
    """Runs a Spark query for each batch, and says how far they are.

    The next query is planned while one runs, and its tasks start on the cores that this one no longer needs: no core
    waits between batches, and there are no more tasks at once than cores.

    Returns:
        The results, in the order of the batches.
    """
    with ThreadPoolExecutor(2) as executor:
        running = [executor.submit(run, batch) for batch in batches]
        try:
            return [result.result() for result in progress(subject, running)]
        finally:
            for result in running:  # after an error none is begun
                result.cancel()
