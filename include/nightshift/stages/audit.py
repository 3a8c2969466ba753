"""Checks on staged sets: nothing that fails goes further, and the rows that may be are set aside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from nightshift.compute.job import Job, run_job
from nightshift.errors import DataError, first_line
from nightshift.lake.source_partitions import is_partition
from nightshift.lake.staging import load_staged
from nightshift.lake.tables import Layer, layer_of, split_identifier
from nightshift.project import Progress, Project
from nightshift.quality.auditor import Auditor
from nightshift.quality.docs import Page, docs_folder, write_docs
from nightshift.quality.judge import Judgement, judge, read_judgement, write_judgement
from nightshift.stages.overdue import is_overdue, leave_out
from nightshift.stages.publish import publish
from nightshift.types import PROBLEM, Measurement, Staged, Verdict

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class AuditResult:
    """What an audit lets through.

    Attributes:
        locations: The staged sets to publish, in their order.
        summary: The verdicts as sentences.
        warnings: The verdicts that are worth an alert though they stop nothing.
        left_out: Why challengers have no scores of the night, which stops nothing either.
    """

    locations: tuple[str, ...]
    summary: str
    warnings: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def audit(
    project: Project, locations: Sequence[str], night: date, run_id: str, progress: Progress = print
) -> AuditResult:
    """Checks staged sets, records every verdict, and sets aside the rows that may be.

    A challenger's scores stop nothing, nor do the files of nights that have not run: where they fail they are left out,
    with a warning.

    Args:
        project: The model.
        locations: The staged sets, of one layer.
        night: The score date.
        run_id: The run, which rows that are set aside name.
        progress: Takes a line of progress.

    Returns:
        What may be published.

    Raises:
        DataError: If a check failed: nothing may be published.
    """
    # Tiles are not for readers: the features made of them are checked, and `nightshift skew` checks tiles.
    staged_sets = [load_staged(location) for location in locations]
    audited = [staged for staged in staged_sets if layer_of(staged.table) not in {Layer.TILES, Layer.SHADOW}]
    judgements = _judge(project, audited, run_id, progress)
    verdicts = [judgement.verdict for judgement in judgements]
    # Several sets of one table are of the dates since the night before, or restated ones: the date tells them apart.
    sets_of = Counter(staged.table for staged in audited)
    measurements = [m for verdict in verdicts for m in verdict.measurements(dated=sets_of[verdict.table] > 1)]
    failed = [(s, j.verdict) for s, j in zip(audited, judgements, strict=True) if j.verdict.outcome == "fail"]
    overdue = {staged.location: verdict for staged, verdict in failed if is_overdue(project, staged, night)}
    measurements += [
        leave_out(split_identifier(staged.table)[1], staged.first, verdict.summary())
        for staged, verdict in failed
        if staged.location in overdue
    ]
    project.record(f"quality.{layer_of(audited[0].table)}", night, measurements, run_id)
    _write_docs(project, judgements, run_id)
    publishable = {s.location: judgement.locations for s, judgement in zip(audited, judgements, strict=True)}
    _stop_at([(staged, verdict) for staged, verdict in failed if staged.location not in overdue])
    publishable |= dict.fromkeys(overdue, ())
    shadow = [staged for staged in staged_sets if layer_of(staged.table) is Layer.SHADOW]
    left_out = _audit_shadow(project, shadow, night, run_id, progress)
    publishable |= dict.fromkeys(left_out, ())
    return AuditResult(
        tuple(location for s in staged_sets for location in publishable.get(s.location, (s.location,))),
        "; ".join([*(verdict.summary() for verdict in verdicts), *left_out.values()]),
        (
            *(verdict.summary() for verdict in verdicts if verdict.outcome == "warn"),
            *(f"{verdict.summary()}, left out until its own night runs" for verdict in overdue.values()),
        ),
        tuple(left_out.values()),
    )


def audit_and_publish(project: Project, locations: Sequence[str], night: date, run_id: str, progress: Progress) -> None:
    """Publishes what the audit of staged sets lets through, and reports its summary; see `audit`."""
    audited = audit(project, locations, night, run_id, progress)
    progress(audited.summary)
    publish(project, audited.locations)


def audit_on_spark(
    project: Project,
    spark: Future[SparkSession],
    run_id: str,
    locations: Sequence[str],
    context: Sequence[str],
    progress: Progress = print,
) -> None:
    """Judges large staged sets and leaves each judgement beside its set; what the job does.

    Args:
        project: The model.
        spark: The session.
        run_id: The run, which rows that are set aside name.
        locations: The sets to judge.
        context: The sets that are staged together with them.
        progress: Takes a line of progress.
    """
    auditor = Auditor(project.lake, project.definition, lambda: project.registry)
    large = [load_staged(location) for location in locations]
    staged_sets = [*large, *(load_staged(location) for location in context)]
    for staged in large:
        judgement = judge(auditor, staged, staged_sets, run_id, spark.result())
        write_judgement(staged, judgement)
        progress(judgement.verdict.summary())


def _judge(project: Project, staged_sets: Sequence[Staged], run_id: str, progress: Progress) -> list[Judgement]:
    """The judgement of each set: of large ones by Spark, of the others in this process."""
    large = [staged for staged in staged_sets if staged.rows > project.settings.audit_in_process]
    if large:
        arguments = ["--model", project.definition.name, "--run", run_id]
        for staged in staged_sets:
            arguments += ["--staged" if staged in large else "--context", staged.location]
        run_job(project.settings, Job("audit", tuple(arguments)), progress)
    auditor = Auditor(project.lake, project.definition, lambda: project.registry)
    return [
        read_judgement(staged) if staged in large else judge(auditor, staged, staged_sets, run_id)
        for staged in staged_sets
    ]


def _stop_at(failed: Sequence[tuple[Staged, Verdict]]) -> None:
    if failed:
        files = [name for staged, _ in failed for name in filter(is_partition, staged.inputs)]
        raise DataError(
            "; ".join(verdict.summary() for _, verdict in failed),
            where=", ".join(files[:3]) or None,
            fix="nothing was published; mend the data and clear the run",
        )


def _audit_shadow(
    project: Project, staged_sets: Sequence[Staged], night: date, run_id: str, progress: Progress
) -> dict[str, str]:
    """Checks challengers' scores and records the verdicts: the sets that are left out, and why."""
    left_out: dict[str, str] = {}
    measurements: list[Measurement] = []
    for staged in staged_sets:
        version, problem = int(staged.inputs["model_version"]), staged.inputs.get(PROBLEM, "")
        try:
            if not problem:
                judgements = _judge(project, [staged], run_id, progress)
                verdict = judgements[0].verdict
                measurements += verdict.measurements()
                _write_docs(project, judgements, run_id)
                problem = verdict.summary() if verdict.outcome == "fail" else ""
        except Exception as error:  # whatever it is, the champion's scores passed
            problem = f"it could not be checked: {type(error).__name__}: {first_line(error)}"
        if problem:
            left_out[staged.location] = f"challenger {version} has no scores of this night: {problem}"
            progress(left_out[staged.location])
        subject, outcome = f"challenger {version}", "fail" if problem else "pass"
        measurements.append(Measurement(subject, "scored", staged.rows, None, staged.rows, outcome, problem, version))
    if staged_sets:
        project.record("quality.shadow", night, measurements, run_id)
    return left_out


def _write_docs(project: Project, judgements: Sequence[Judgement], run_id: str) -> None:
    folder = docs_folder(project.settings.quality_docs_uri, project.definition.name, run_id)
    write_docs(folder, {Page.of(judgement.verdict): judgement.page for judgement in judgements})
