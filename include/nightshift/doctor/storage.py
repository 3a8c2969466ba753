"""Whether the places that an installation writes to can be written to, and have space."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nightshift.doctor.examination import Examination
from nightshift.errors import NightshiftError, TerminalError, first_line
from nightshift.lake.files import as_uri, local_path, read_bytes, remove, write_bytes
from nightshift.service_errors import explain
from nightshift.settings import Settings

LEAST_FREE = 2**30  # bytes; a small night takes some megabytes
PROBE = "doctor.probe"


def check_storage(examination: Examination) -> Iterator[NightshiftError]:
    """What keeps the installation from writing."""
    settings = examination.settings
    for place in dict.fromkeys((settings.warehouse_uri, str(settings.var_path), settings.artifact_root)):
        try:
            _write_probe(as_uri(place))
        except Exception as error:
            problem = f"cannot be written to: {first_line(error)}"
            yield explain(error) or TerminalError(problem, where=place, fix="make it writable for this user")
    yield from _low_on_space(settings)


def _write_probe(place: str) -> None:
    probe = f"{place}/{PROBE}"
    write_bytes(probe, b"probe")
    read_bytes(probe)
    remove(probe)


def _low_on_space(settings: Settings) -> Iterator[NightshiftError]:
    places = (settings.warehouse_uri, str(settings.var_path), settings.artifact_root, tempfile.gettempdir())
    disks: dict[int, Path] = {}
    for place in places:
        if (uri := as_uri(place)).startswith("file://") and (folder := Path(local_path(uri))).is_dir():
            disks.setdefault(folder.stat().st_dev, folder)
    for folder in disks.values():
        if (free := shutil.disk_usage(folder).free) < LEAST_FREE:
            yield TerminalError(
                "the disk is almost full",
                where=str(folder),
                received=f"{free / 2**20:,.0f} MiB are free",
                allowed=f"at least {LEAST_FREE / 2**20:,.0f} MiB",
                fix="make space; nightshift maintain removes what nothing needs any more",
            )
