"""What becomes of a challenger, once enough of its nights in shadow have outcomes."""

from __future__ import annotations

from contextlib import suppress
from datetime import date

import pyarrow as pa

from nightshift.definition.calendar import newest_labelled
from nightshift.definition.prediction import CLASS
from nightshift.definition.promotion import Shadow
from nightshift.errors import TerminalError
from nightshift.lake.read import published_dates
from nightshift.lake.tables import scores_table
from nightshift.project import Project
from nightshift.registry.challengers import FIRST_NIGHT
from nightshift.registry.classes import read_scores, settle_classes
from nightshift.registry.events import RegistryEvent
from nightshift.registry.store import Version
from nightshift.training.gate import judge
from nightshift.training.lineage import Lineage
from nightshift.training.pairs import CHAMPION, paired_nights
from nightshift.training.report import render_gate
from nightshift.training.results import GateReport, Holdout, RuleResult
from nightshift.types import Measurement

SHADOW_PAGE = "shadow.html"  # among the run's artifacts, beside the gate's


def judge_challenger(project: Project, night: date, run_id: str) -> str:
    """Promotes or retires the challenger by its nights in shadow, as soon as enough of them have outcomes.

    The oldest nights that suffice are compared, once: the same nights give the same verdict, whenever they are
    compared.

    Returns:
        What became of it, as a sentence.
    """
    policy = project.definition.promotion.shadow
    challenge = project.challengers.reconcile_and_get_challenger(run_id) if policy else None
    if policy is None or challenge is None:
        return "no challenger is to be judged by its nights"
    (challenger, since), champion = challenge, project.registry.champion()
    if champion is None or since.effective >= night:
        return f"challenger {challenger.number} has no champion to be compared with, or no night yet"
    if misfit := _misfit(project, challenger):
        project.record("shadow", night, [_verdict(challenger, False, misfit)], run_id)
        project.challengers.retire(challenger.number, run_id, misfit)
        return f"challenger {challenger.number}: retired, {misfit}"
    nights, holdout, report = _compare(project, policy, challenger, champion, since.effective, night)
    if report is None or holdout is None:
        return _wait(project, policy, challenger, since, night, nights, run_id)
    return _conclude(project, policy, challenger, champion, night, nights, holdout, report, run_id)


def _misfit(project: Project, challenger: Version) -> str:
    """Why a challenger does not predict the label, in words; empty if it does, or if its package cannot be read."""
    with suppress(TerminalError):
        return project.mismatch(challenger)
    return ""


def _wait(
    project: Project,
    policy: Shadow,
    challenger: Version,
    since: RegistryEvent,
    night: date,
    nights: int,
    run_id: str,
) -> str:
    """Waits for further nights, or retires a challenger whose time is up."""
    first = date.fromisoformat(since.parsed_evidence.get(FIRST_NIGHT, str(since.effective)))
    published = published_dates(project.lake, scores_table(project.definition), (since.effective, night))
    scored = sum(day >= first for day in published)
    progress = f"{nights} of {policy.nights} nights that can be compared, of {scored} that were scored"
    late = scored >= policy.within
    measurements = _measurements(policy, challenger, nights, None)
    measurements.append(_verdict(challenger, None, f"too late: {progress}" if late else progress))
    project.record("shadow", night, measurements, run_id)
    if late:
        project.challengers.retire(challenger.number, run_id, f"too late: {progress}")
    return f"challenger {challenger.number}: {'retired, too late: ' if late else ''}{progress}"


def _conclude(
    project: Project,
    policy: Shadow,
    challenger: Version,
    champion: Version,
    night: date,
    nights: int,
    holdout: Holdout,
    report: GateReport,
    run_id: str,
) -> str:
    """Promotes or retires a challenger by the comparison of its nights."""
    summary = f"{nights} nights against version {champion.number}: {report.summary()}"
    measurements = _measurements(policy, challenger, nights, report)
    measurements.append(_verdict(challenger, report.passed, summary))
    project.record("shadow", night, measurements, run_id)
    _write_page(project, policy, challenger, champion, holdout, report)
    evidence = {"shadow": summary, "report": SHADOW_PAGE}
    if report.passed:
        event = project.challengers.promote(challenger.number, run_id, summary, evidence, against=champion.number)
    else:
        event = project.challengers.retire(challenger.number, run_id, summary, evidence)
    conclusion = event.event if event else "changed meanwhile, nothing is done"
    return f"challenger {challenger.number}: {conclusion}, {summary}"


def _compare(
    project: Project, policy: Shadow, challenger: Version, champion: Version, first: date, night: date
) -> tuple[int, Holdout | None, GateReport | None]:
    """How many nights can be compared, and the comparison once they suffice."""
    definition, gate = project.definition, policy.gate
    columns = gate.slices.columns if gate.slices else ()
    lineage = Lineage(**project.registry.lineage(challenger.run_id)[0])
    last = newest_labelled(definition, night)
    try:
        classes, of_champion = map(project.classes_of, (challenger, champion))
    except TerminalError:  # a package is lost: no night can be compared, until the challenger's time is up
        return 0, None, None
    if definition.prediction == CLASS and None in (classes, of_champion):
        return 0, None, None
    names = [name for version in (classes, of_champion) if version for name in version.names]
    numbers = challenger.number, champion.number
    paired: list[pa.Table] = []
    for rows in paired_nights(project.lake, definition, *numbers, first, last, columns, names):
        paired.append(settle_classes(rows, classes))
        if len(paired) < policy.nights:
            continue
        table = pa.concat_tables(paired)
        holdout = Holdout.of(
            table,
            read_scores(table, classes),
            read_scores(table, of_champion, CHAMPION),
            lineage.baseline,
            columns,
            prediction=definition.prediction,
            classes=classes,
            champion_classes=of_champion,
        )
        if holdout.champion is None:
            return 0, None, None
        # Where the outcomes are not fit for any metric, or none for a comparison, further nights are waited for.
        report = judge(gate, holdout, None, definition.training.seed)
        if report.metrics and report.difference is not None:
            return len(paired), holdout, report
    return len(paired), None, None


def _measurements(policy: Shadow, challenger: Version, nights: int, report: GateReport | None) -> list[Measurement]:
    subject, number = _subject(challenger), challenger.number
    verdict = "unknown" if report is None else "pass"
    measurements = [Measurement(subject, "nights", nights, policy.nights, None, verdict, "", number)]
    for result in report.results if report else ():
        measurements.append(
            Measurement(
                subject, result.rule, result.value, result.bound, result.rows, _outcome(result), result.detail, number
            )
        )
    return measurements


def _write_page(
    project: Project, policy: Shadow, challenger: Version, champion: Version, holdout: Holdout, report: GateReport
) -> None:
    title = f"{project.definition.name}: version {challenger.number} in shadow"
    against = f"against version {champion.number}, on the nights that both scored"
    page = render_gate(title, policy.gate, holdout, report, against, period="Nights in shadow")
    project.registry.client.log_text(challenger.run_id, page, SHADOW_PAGE)


def _subject(challenger: Version) -> str:
    return f"challenger {challenger.number}"


def _outcome(result: RuleResult) -> str:
    return "unknown" if result.passed is None else result.verdict


def _verdict(challenger: Version, passed: bool | None, detail: str) -> Measurement:
    outcome = {True: "pass", False: "fail", None: "unknown"}[passed]
    return Measurement(_subject(challenger), "verdict", None, None, None, outcome, detail, challenger.number)
