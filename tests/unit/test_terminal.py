from __future__ import annotations

import logging
import re
from collections.abc import Callable
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.errors import MarkupError
from rich.table import Table
from typer.testing import CliRunner

from nightshift.cli import app, output
from nightshift.errors import printable
from nightshift.replay.report import Reporter
from nightshift.settings import PROJECT
from nightshift.terminal import PrintableFormatter, add_cells, new_table, print_line, print_table

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


# ---- texts are never read as markup, as an emoji's name, or by a terminal

ODD = [
    "[/b]",
    "x[red]",
    "[a-z]+",
    "[link=https://a.example]b",
    ":smile:",
    r"\[bold]",
    "\x1b[2J",
    "\x1b]8;;u\x07",
    "\r",
    "a\tb",
    "\x9b31m",
    "\u202e",
]
TEXTS = st.lists(st.sampled_from(ODD) | st.text(max_size=8), min_size=1, max_size=4).map("".join)


# How a terminal is told to move its cursor and to hide it, which progress does.
CURSOR = re.compile(r"\x1b\[(?:\?25[lh]|2K|1A|\d*[ABCDGK])|\r")


def shown_by(write: Callable[[Console], object], terminal: bool) -> str:
    """What is written to a console that reads markup if it is let."""
    console = Console(file=StringIO(), width=10_000, force_terminal=terminal, color_system=None, _environ={})
    write(console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def write_table(console: Console, text: str) -> None:
    table = new_table([f"<{text}>"], f"<{text}>")
    add_cells(table, f"<{text}>")
    print_table(console, table)


def report_of(console: Console, text: str) -> None:
    report = Reporter(console)
    report.log(f"<{text}>")
    with report.live():
        report.show(f"<{text}>")


WRITERS: dict[str, Callable[[Console, str], object]] = {
    "line": lambda console, text: print_line(console, f"<{text}>"),
    "styled line": lambda console, text: print_line(console, f"<{text}>", "red"),
    "table": write_table,
    "report": report_of,
}


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("writer", WRITERS)
@given(text=TEXTS)
def test_every_text_is_printed_as_it_is(writer: str, terminal: bool, text: str) -> None:
    written = shown_by(lambda console: WRITERS[writer](console, text), terminal)
    lines = [printable(line) for line in text.split("\n")] if "line" in writer else [printable(text)]
    for line in lines:
        assert line in written
    assert not [letter for letter in CURSOR.sub("", written) if not letter.isprintable() and letter != "\n"]


@given(text=TEXTS)
def test_progress_and_notes_are_printed_as_they_are(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        console = Console(file=StringIO(), width=10_000, force_terminal=True, color_system=None, _environ={})
        patch.setattr(output, "error_console", console)
        patch.setattr(output, "console", console)
        with output.progress() as show:
            show(f"<{text}>")
        output.write_line(f"<{text}>")
        output.write_note(f"<{text}>")
        output.write_rows([f"<{text}>"], [(f"<{text}>",)], title=f"<{text}>")
    written = CURSOR.sub("", console.file.getvalue())
    assert f"<{printable(text)}>" in written
    assert not [letter for letter in written if not letter.isprintable() and letter != "\n"]


@given(text=TEXTS)
def test_a_log_has_nothing_that_a_terminal_obeys(text: str) -> None:
    record = logging.LogRecord("a", logging.WARNING, "", 1, "%s", (text,), None)
    line = PrintableFormatter("%(message)s").format(record)
    assert line == "\n".join(map(printable, text.split("\n")))


def test_texts_are_printed_in_no_other_way() -> None:
    """What prints by itself reads markup again."""
    package = PROJECT / "include" / "nightshift"
    ways = re.compile(r"[^_]Console\(|\.add_row\(|\bTable\((?!\))|rich\.markup|\bconsole\.print\(")
    found = {file.relative_to(package).as_posix() for file in package.rglob("*.py") if ways.search(file.read_text())}
    assert found == {"terminal.py"}


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize(
    "words", [["sql", "select 1", "--format"], ["land", "tiny", "--until"], ["--"], ["-"], ["status"]]
)
def test_no_argument_of_a_command_is_read_as_markup(words: list[str], text: str) -> None:
    *before, last = words
    ended = CliRunner().invoke(app, [*before, last + text] if last == "-" else [*words, text])
    assert not isinstance(ended.exception, MarkupError)
    assert ended.exit_code
