from __future__ import annotations

import re
from io import StringIO

import pytest
from rich.console import Console
from rich.table import Table

from nightshift.terminal import print_table

LONG = "performance: " + " ".join(f"word{number}" for number in range(60))
ROW = ("2024-01-31", LONG, "a" * 300, "1,234")


def printed(console: Console, no_wrap: bool) -> str:
    table = Table(title="nights", title_justify="left")
    for name in ("night", "reason", "digest", "rows"):
        table.add_column(name, no_wrap=no_wrap)
    table.add_row(*ROW)
    print_table(console, table)
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("no_wrap", [False, True])
@pytest.mark.parametrize("width", [20, 80, 4_000])
def test_a_pipe_gets_every_row_as_one_line_of_whole_values(no_wrap: bool, width: int) -> None:
    output = printed(Console(file=StringIO(), width=width), no_wrap)
    [line] = [line for line in output.splitlines() if ROW[0] in line]
    assert [cell.strip() for cell in re.split("[│┃]", line)[1:-1]] == list(ROW)
    assert "…" not in output


@pytest.mark.parametrize("no_wrap", [False, True])
@pytest.mark.parametrize("width", [40, 80])
def test_a_narrow_terminal_folds_values_and_shortens_none(no_wrap: bool, width: int) -> None:
    console = Console(file=StringIO(), width=width, force_terminal=True, color_system=None, _environ={})
    output = printed(console, no_wrap)
    lines = [re.split("[│┃]", line)[1:-1] for line in output.splitlines() if "│" in line]
    columns = ["".join(cells[place] for cells in lines).replace(" ", "") for place in range(len(ROW))]
    assert columns == [value.replace(" ", "") for value in ROW]
    assert "…" not in output
    assert max(map(len, output.splitlines())) <= width
