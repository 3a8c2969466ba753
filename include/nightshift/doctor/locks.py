"""Whether the locks of tables and registries get free."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event, Thread

from nightshift.doctor.examination import Examination
from nightshift.errors import NightshiftError, TransientError
from nightshift.state import State, open_state

FREE_WITHIN = 10.0  # seconds; publishing holds a lock for less


def check_locks(examination: Examination) -> Iterator[NightshiftError]:
    """The locks that were not free in time; all are asked for at once."""
    tables = examination.lake.table_names() if examination.settings.has_catalog else []
    names = [*tables, *(f"registry.{model}" for model in examination.models)]
    state = open_state(examination.settings)
    taken = {name: _take(state, name) for name in names}
    for name, event in taken.items():
        if not event.wait(FREE_WITHIN):
            yield TransientError(
                f"the lock of {name} was not free within {FREE_WITHIN:.0f} s",
                where=examination.settings.state_uri.rpartition("@")[2],
                fix="wait for the task that holds it; if none runs, end the process that holds it",
            )


def _take(state: State, name: str) -> Event:
    """Takes a lock and gives it back, in a thread that nobody waits for; the event says that it did."""
    taken = Event()

    def take() -> None:
        with state.lock(name):
            taken.set()

    Thread(target=take, daemon=True).start()
    return taken
