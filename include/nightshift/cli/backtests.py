"""The command that compares policies of retraining on a model's own history."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from nightshift.cli.output import DATE, Format, Model, OutputFormat, progress, write_line, write_rows


def backtest(
    model: Model,
    first: Annotated[date, typer.Option("--from", **DATE, help="First night; a first model is trained as of it.")],
    last: Annotated[date, typer.Option("--to", **DATE, help="Last night.")],
    policies: Annotated[
        str,
        typer.Option(
            help="Of never, monthly, weekly, nightly (without a gate), declared, and files of YAML with parts of a "
            "model.yaml (training, gate, promotion, monitoring.retrain, monitoring.value.decision) that replace the "
            "model's own; separated by commas."
        ),
    ] = "never,monthly,declared",
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="How many processes; as many as processors and memory allow if left out."),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Compute everything again.")] = False,
    format: OutputFormat = Format.table,
) -> None:
    """Replay a history with real trainings under several policies, and compare what they come to.

    Nothing is published or registered. A backtest that was interrupted goes on where it was.
    """
    from nightshift.backtest.page import render_backtest, summary_records, summary_rows
    from nightshift.backtest.policies import read_policies
    from nightshift.backtest.run import run_backtest
    from nightshift.project import Project

    project = Project(model)
    chosen = read_policies(policies, project.definition)
    with progress() as show:
        report = run_backtest(project, chosen, first, last, workers=workers, again=again, progress=show)
    value, title = project.definition.monitoring.value, f"{model}: {first} to {last} under {policies}"
    page = report.folder / "backtest.html"
    page.write_text(render_backtest(title, report, value.unit if value else ""))
    if format is not Format.table:
        write_rows(*summary_records(report.summaries), format)
        return
    write_rows(*summary_rows(report.summaries, report.metric))
    write_line(f"page: {page}")
