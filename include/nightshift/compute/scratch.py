"""Where Spark's processes on this machine keep their own files, which a killed one leaves behind."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

from nightshift.settings import Settings

FOLDER = "scratch"  # below `spark` of the installation


def scratch_conf(settings: Settings) -> dict[str, str]:
    """Spark's settings for its own files; none, so that it takes the machine's, if the folder cannot be written to."""
    folder = settings.var_path / "spark" / FOLDER
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
    """Removes the folders in which nothing was written since an instant.

    Returns:
        How many there were.
    """
    folder = settings.var_path / "spark" / FOLDER
    old = [path for path in folder.iterdir() if _last_written(path) < before] if folder.is_dir() else []
    for path in old:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(old)


def _last_written(path: Path) -> datetime:
    times = []
    for file in (path, *path.rglob("*")):
        try:
            times.append(file.lstat().st_mtime)
        except FileNotFoundError:  # its process removes it just now
            continue
    return datetime.fromtimestamp(max(times, default=0.0), UTC)
