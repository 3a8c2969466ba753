"""Nights and trainings without Airflow: what the tasks of its DAGs do, in their order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from nightshift.compute.job import Job, run_job
from nightshift.definition.calendar import cutoff
from nightshift.errors import NotYetAvailable
from nightshift.lake.staging import new_attempt
from nightshift.monitoring.decide import Decision
from nightshift.project import Progress, Project
from nightshift.stages.audit import audit_and_publish
from nightshift.stages.decide import decide
from nightshift.stages.drift import drift
from nightshift.stages.estimate import estimate
from nightshift.stages.gate import GateResult, gate
from nightshift.stages.ingest import ingest
from nightshift.stages.outcomes import measure_outcomes
from nightshift.stages.refit import refit
from nightshift.stages.register import Registration, register
from nightshift.stages.report import write_report
from nightshift.stages.shadow import judge_challenger
from nightshift.stages.train import train
from nightshift.stages.wait import describe_missing, files_not_landed

LISTED = 5  # files that are missing


@dataclass(frozen=True)
class MonitoredNight:
    """A night after its monitoring.

    Attributes:
        decision: What was decided about a training.
        report: The URI of the night's page.
    """

    decision: Decision
    report: str


@dataclass(frozen=True)
class JudgedTraining:
    """A training after its gate.

    Attributes:
        gate: The gate's verdict.
        registration: The version and its role; None if the gate refused it.
    """

    gate: GateResult
    registration: Registration | None


def score_night(project: Project, night: date, run_id: str, progress: Progress) -> None:
    """Does what `<model>.score` does: from the landed files to the published scores.

    Raises:
        NotYetAvailable: If a file that the night needs has not landed.
        DataError: If a check failed.
        TerminalError: If the date is not a night of the model, or there is no champion.
    """
    require_landed(project, night)
    progress(f"{night}: reading the landed files")
    audit_and_publish(project, ingest(project, night, run_id, progress), night, run_id, progress)
    for job, title in (("features", "computing features"), ("score", "scoring")):
        progress(f"{night}: {title}")
        audit_and_publish(project, stage(project, job, night, progress), night, run_id, progress)


def monitor_night(project: Project, night: date, run_id: str, progress: Progress) -> MonitoredNight:
    """Does what `<model>.monitor` does, but for starting a training that the night requests."""
    progress(f"{night}: measuring drift, outcomes and value")
    drift(project, night, run_id, progress)
    estimate(project, night, run_id, progress)
    measure_outcomes(project, night, run_id)
    if project.definition.promotion.shadow:
        progress(judge_challenger(project, night, run_id))
    decision = decide(project, night, run_id, training_runs=False)
    return MonitoredNight(decision, write_report(project, night, run_id))


def train_and_register(project: Project, as_of: date, reason: str, run_id: str, progress: Progress) -> JudgedTraining:
    """Does what `<model>.train` does: train, gate, refit, register.

    A version that needs an approval waits as a challenger.

    Raises:
        NotYetAvailable: If there are no labelled rows.
        TerminalError: If there are too few of them.
    """
    stored = train(project, as_of, reason, progress)
    progress("judging it on the holdout")
    verdict = gate(project, stored, as_of, run_id, progress)
    if not verdict.report.passed:
        return JudgedTraining(verdict, None)
    if project.definition.training.refit:
        stored = refit(project, stored, as_of, run_id, progress)
    return JudgedTraining(verdict, register(project, stored, verdict.report.summary(), run_id))


def stage(project: Project, job: str, night: date, progress: Progress) -> tuple[str, ...]:
    """Runs a night's Spark job, `features` or `score`.

    Returns:
        The locations of the sets that it staged.
    """
    at = cutoff(project.definition.schedule, night).isoformat()
    dates = ("--from", str(night)) if job == "features" else ("--night", str(night), "--at", at)
    arguments = ("--model", project.definition.name, *dates, "--attempt", new_attempt(night, night))
    return run_job(project.settings, Job(job, arguments), progress).staged


def require_landed(project: Project, night: date) -> None:
    """Requires the files that the DAG would wait for.

    Raises:
        NotYetAvailable: If one of them has not landed.
        TerminalError: If the date is not a night of the model.
    """
    if missing := files_not_landed(project, night):
        more = f", and {len(missing) - LISTED} more" if len(missing) > LISTED else ""
        files = "1 file of {} has" if len(missing) == 1 else f"{len(missing)} files of {{}} have"
        raise NotYetAvailable(
            f"{files.format(night)} not landed",
            where=", ".join(map(describe_missing, missing[:LISTED])) + more,
            fix="land them, or choose another night; of a source whose files are full versions to look up, write "
            "`cadence: irregular`",
        )
