"""What all machines of an installation share beside the tables: small records, and locks.

The records are the errors of failed tasks and the incidents that an alert was sent for. Where they are is one setting,
`NIGHTSHIFT_STATE`: a folder, an object store, or a PostgreSQL database.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import lru_cache
from importlib import import_module
from typing import Protocol

from nightshift.errors import TerminalError
from nightshift.settings import Settings

# One backend a scheme, imported when it is chosen.
BACKENDS = {
    "file": "nightshift.state.folder:FolderState",
    "s3": "nightshift.state.object_store:ObjectStoreState",
    "postgresql": "nightshift.state.postgresql:PostgresqlState",
}


class State(Protocol):
    """Records by name, and locks. Names are paths of plain letters, such as `alerts/4f1c.json`.

    Every method raises `TransientError` if the backend does not answer, and `TerminalError` if it refuses.
    """

    def read(self, name: str) -> bytes | None:
        """The content of a record; None if there is none."""

    def write(self, name: str, content: bytes) -> None:
        """Writes a record, or replaces it; a reader sees the complete content or none."""

    def create(self, name: str, content: bytes) -> bool:
        """Writes a record unless it exists: of any number of callers, on any machine, one gets True."""

    def names(self, folder: str) -> list[str]:
        """The names of all records in a folder and below it, sorted."""

    def remove(self, name: str) -> None:
        """Removes a record, if it exists."""

    def lock(self, name: str) -> AbstractContextManager[None]:
        """One holder at a time on all machines; a thread that holds the lock can take it again."""


def open_state(settings: Settings) -> State:
    """The state of an installation.

    Raises:
        TerminalError: If `NIGHTSHIFT_STATE` names no backend, or its folder cannot be made.
    """
    return _open(settings.state_uri)


@lru_cache(maxsize=16)
def _open(location: str) -> State:
    scheme = location.split("://", 1)[0].split("+")[0] if "://" in location else "file"
    if scheme not in BACKENDS:
        raise TerminalError(
            "there is no such place for the shared state",
            where="environment variable NIGHTSHIFT_STATE",
            received=f"{scheme}://…",  # the rest may hold a password
            allowed="a folder, s3://bucket/prefix, or postgresql+psycopg2://user@host/database",
            fix="change it or unset it",
        )
    module, _, name = BACKENDS[scheme].partition(":")
    state: State = getattr(import_module(module), name)(location)
    return state
