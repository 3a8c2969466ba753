"""Where the processes of a job import PySpark from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyspark
import pytest

from nightshift.compute.installed_pyspark import drop_packed_pyspark

LIBRARIES = Path(pyspark.__file__).parent / "python" / "lib"


def test_a_process_that_spark_starts_imports_the_installed_package() -> None:
    archives = ":".join(map(str, sorted(LIBRARIES.glob("*.zip"))))
    program = "import nightshift.compute, pyspark, py4j; print(pyspark.__file__, py4j.__file__)"
    printed = subprocess.check_output([sys.executable, "-c", program], env={"PYTHONPATH": archives}, text=True)
    assert archives
    assert ".zip" not in printed


@pytest.mark.parametrize(
    "archive",
    ["/opt/spark/python/lib/pyspark.zip", "/elsewhere/pyspark/python/lib/pyspark.zip", str(LIBRARIES / "../other.zip")],
    ids=["a cluster's", "of a package that this interpreter does not have", "another archive"],
)
def test_other_archives_stay_on_the_path(archive: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = [archive, *sys.path]
    monkeypatch.setattr(sys, "path", list(path))
    drop_packed_pyspark()
    assert sys.path == path
