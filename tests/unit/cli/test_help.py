"""`nightshift --help` is quick, since commands import what is slow when they run; options take their defaults."""

from __future__ import annotations

import subprocess
import sys

from typer.main import get_command

from nightshift.cli import app

SLOW = ("numpy", "pandas", "pyarrow", "pyiceberg", "duckdb", "scipy", "sklearn", "mlflow", "pyspark")


def test_the_command_line_loads_nothing_that_is_slow() -> None:
    program = f"import sys, nightshift.cli; print(*sorted(set({SLOW}) & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert ended.stdout == "\n"


def test_every_option_takes_its_own_default() -> None:
    taken = 0
    for command in get_command(app).commands.values():  # type: ignore[attr-defined]
        context = command.context_class(command)
        for param in command.params:
            if (default := param.get_default(context)) is not None:
                assert param.process_value(context, default) == default, f"{command.name} {param.name}"
                taken += 1
    assert taken > 20
