"""Where processes on this machine keep temporary files, which a killed one leaves behind."""

from __future__ import annotations

import re
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from nightshift.compute.waiting_driver import FOLDER, remove_leftovers
from nightshift.settings import Settings

SCRATCH = "scratch"  # below the folder of the drivers
TEMPORARY = "nightshift-*"  # the folders that this installation's processes make among the system's temporary files


def scratch_conf(settings: Settings) -> dict[str, str]:
    """Spark's settings for its own files; none, so that it takes the machine's, if the folder cannot be written to."""
    folder = _spark_folder(settings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return {}
    return {"spark.local.dir": str(folder)}


def scratch_flag(settings: Settings) -> str:
    """The JVM's flag for its own files; none if the folder's name would have to be quoted."""
    folder = scratch_conf(settings).get("spark.local.dir", "")
    return f" -Djava.io.tmpdir={folder}" if re.fullmatch(r"[\w./+-]+", folder) else ""


def remove_scratch(settings: Settings, before: datetime) -> int:
    """Removes what killed processes left of temporary files, where nothing was written since an instant.

    Returns:
        How many folders and files there were.
    """
    remove_leftovers(settings)
    folder = _spark_folder(settings)
    paths = [*(folder.iterdir() if folder.is_dir() else ()), *Path(tempfile.gettempdir()).glob(TEMPORARY)]
    old = [path for path in paths if _last_written(path) < before and not _is_of_driver(path)]
    for path in old:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(old)


def _spark_folder(settings: Settings) -> Path:
    return settings.var_path / FOLDER / SCRATCH


def _is_of_driver(folder: Path) -> bool:
    """Whether a folder has the socket of a driver, which may wait for jobs; `remove_leftovers` knows."""
    return any(path.is_socket() for path in folder.glob("*"))


def _last_written(path: Path) -> datetime:
    times = []
    for file in (path, *path.rglob("*")):
        try:
            times.append(file.lstat().st_mtime)
        except FileNotFoundError:  # its process removes it just now
            continue
    return datetime.fromtimestamp(max(times, default=0.0), UTC)
