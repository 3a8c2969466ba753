from __future__ import annotations

from io import StringIO

from rich.console import Console

from nightshift.replay.report import Reporter


def test_a_stage_is_one_whole_line_of_a_pipe_until_the_next_stage_runs() -> None:
    console = Console(file=StringIO(), width=40)
    report, long = Reporter(console), "file:///" + "x" * 200
    with report.live():
        report.show("night 2024-01-31: score waiting (0 of 3 tasks)")
        report.show("night 2024-01-31: score waiting (1 of 3 tasks)")
        report.show(f"staged [3] rows: {long}")
        report.log(f"history built: {long}")
    lines = [line[5:].strip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert lines == [
        "night 2024-01-31: score waiting (0 of 3 tasks)",
        f"staged [3] rows: {long}",
        f"history built: {long}",
    ]
