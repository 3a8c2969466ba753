"""The commands about trainings without Airflow: try one, and train a version."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from nightshift.cli.output import DATE, Model, progress, write_line, write_note, write_rows

if TYPE_CHECKING:
    from nightshift.project import Progress, Project
    from nightshift.stages.trial import TrialTraining
    from nightshift.training.results import GateReport

AsOf = Annotated[
    date | None,
    typer.Option(
        **DATE,
        help="Learn from what was labelled by this date's cutoff; the newest night that landed if left out.",
    ),
]
Build = Annotated[bool, typer.Option("--build", help="Build the features of nights that have landed first.")]


def try_training(model: Model, as_of: AsOf = None, build: Build = False) -> None:
    """Train and judge by the gate without registering anything; exit code 1 if the gate would refuse the model."""
    from nightshift.project import Project
    from nightshift.stages.trial import try_training as run_trial

    project = Project(model)
    with progress() as show:
        day = _prepared(project, as_of, build, show)
        trial = run_trial(project, day, show)
    page = project.settings.var_path / "trials" / f"{model}-{day}.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(trial.judgement.page)
    _print_trial(trial)
    _print_verdict(trial.judgement.report, f"report: {page}", "nothing is registered")


def train(
    model: Model,
    as_of: AsOf = None,
    build: Build = False,
    reason: Annotated[str, typer.Option(help="Why; kept with the version.")] = "by hand",
) -> None:
    """Train, judge by the gate, and register a version that passes; exit code 1 if it is refused.

    It does what the DAG <model>.train does, without Airflow.
    """
    from nightshift.project import Project
    from nightshift.stages.by_hand import train_and_register

    project = Project(model)
    with progress() as show:
        day = _prepared(project, as_of, build, show)
        training = train_and_register(project, day, reason, f"by-hand-train-{day}", show)
    outcome = "no version is registered"
    if registration := training.registration:
        outcome = f"version {registration.version.number} is the {registration.role}"
    _print_verdict(training.gate.report, f"report: {training.gate.page}", f"{model}: {outcome}")


def _prepared(project: Project, as_of: date | None, build: bool, show: Progress) -> date:
    """The date to train as of, once its features are built."""
    from nightshift.stages.history import (
        build_history,
        dates_to_build,
        describe_unbuilt,
        newest_night,
        newest_to_build,
        require_built,
    )
    from nightshift.training.dataset import split_dates

    day = as_of or newest_night(project)
    dates = split_dates(project.definition, day)
    if build and (span := dates_to_build(project, dates)):
        build_history(project, span[0], newest_to_build(project, span[1], day), show)
    require_built(project, dates)
    if line := describe_unbuilt(project, dates):
        write_note(line, "yellow")
    return day


def _print_trial(trial: TrialTraining) -> None:
    from nightshift.training.dataset import LabelCounts
    from nightshift.training.results import format_number

    lineage, judgement = trial.lineage, trial.judgement
    write_line(
        f"trained on {lineage.rows:,} labelled rows of {lineage.rows_from} to {lineage.fitted}; "
        f"judged on {judgement.report.rows:,} rows of {lineage.holdout} to {lineage.last}, {judgement.against}"
    )
    if left_out := LabelCounts(unlabelled=lineage.unlabelled, unmatched=lineage.unmatched).sentence():
        write_line(f"not learned from: {left_out}")
    rows = [(r.rule, r.verdict, r.detail) for r in judgement.report.results]
    write_rows(["rule", "verdict", "result"], rows)
    compared = [
        (m.metric, *(None if value is None else format_number(value, 4) for value in (m.model, m.constant, m.champion)))
        for m in trial.metrics()
    ]
    if compared:
        write_rows(["metric", "this model", "a constant", "the champion"], compared)


def _print_verdict(report: GateReport, *lines: str) -> None:
    """The verdict in words, and further lines; exit code 1 if it is no pass."""
    write_line(f"{'passed' if report.passed else 'refused'}: {report.summary()}")
    for line in lines:
        write_line(line)
    if not report.passed:
        raise typer.Exit(1)
