"""MLflow's database of an installation, which is a SQLite file unless the settings name another."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from nightshift.registry.client import Client
from nightshift.settings import Settings
from nightshift.state import open_state

SQLITE, UNFINISHED = "sqlite:///", "unfinished-"


def open_client(settings: Settings) -> Client:
    """An MLflow client; the first of an installation makes the database, under a lock.

    Raises:
        TransientError: If MLflow does not answer.
    """
    uri = settings.tracking_uri
    with open_state(settings).lock("registry"):
        if uri.startswith(SQLITE) and not (file := Path(uri.removeprefix(SQLITE))).exists():
            _make_database(file)
        return Client(uri)


def _make_database(file: Path) -> None:
    """Makes a database beside its place, and puts it there once it is complete.

    MLflow's migrations of SQLite are no transaction, and what a killed one leaves can be neither used nor finished.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    for unfinished in file.parent.glob(f"{UNFINISHED}*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=file.parent) as folder:
        made, complete = Path(folder) / "made.db", Path(folder) / "complete.db"
        Client(f"{SQLITE}{made}")  # MLflow keeps it open
        with closing(sqlite3.connect(made)) as source, closing(sqlite3.connect(complete)) as target:
            source.backup(target)
        complete.replace(file)
