"""Makes imports of PySpark come from the installed package."""

from __future__ import annotations

import sys
from pathlib import Path


def drop_packed_pyspark() -> None:
    """Removes the archives of an installed PySpark from the path of this process.

    Spark puts them first on the path of its driver and its workers. From them nothing is imported compiled, which takes
    a second in each process, and every task would read their directories again. A PySpark that is not installed beside
    this process's other packages keeps its archives.
    """
    packages = set(sys.path)
    for entry in [entry for entry in sys.path if entry.endswith(".zip")]:
        folder = Path(entry).parent
        if folder.parts[-3:] == ("pyspark", "python", "lib") and str(folder.parents[2]) in packages:
            sys.path.remove(entry)
            sys.path_importer_cache.pop(entry, None)
