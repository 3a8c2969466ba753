"""`nightshift --help` is quick: commands import what is slow to load when they run."""

from __future__ import annotations

import subprocess
import sys

SLOW = ("numpy", "pandas", "pyarrow", "pyiceberg", "duckdb", "scipy", "sklearn", "mlflow", "pyspark")


def test_the_command_line_loads_nothing_that_is_slow() -> None:
    program = f"import sys, nightshift.cli; print(*sorted(set({SLOW}) & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert ended.stdout == "\n"
