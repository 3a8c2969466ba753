"""The loop's stages as Airflow tasks: thin, light to parse, each a call of `nightshift.loop`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from nightshift_airflow.errors import explained

if TYPE_CHECKING:
    from nightshift.loop import Loop

log = logging.getLogger(__name__)

APPROVE, REFUSE = "Approve", "Refuse"


@task
def ingest(model: str) -> list[str]:
    """Reads the landed files as declared and stages them."""
    with explained():
        return _loop(model).ingest(_night(), _run_id(), log.info)


@task
def audit(model: str, staged: list[str]) -> list[str]:
    """Checks what is staged; nothing that fails goes further."""
    with explained():
        audited = _loop(model).audit(staged, _night(), _run_id(), log.info)
        log.info(audited.summary)
        get_current_context()["task_instance"].xcom_push("summary", audited.summary)
        if audited.warnings or audited.left_out:
            _warn("; ".join([*audited.warnings, *audited.left_out]), challenger=not audited.warnings)
        return list(audited.locations)


@task
def publish(model: str, staged: list[str]) -> dict[str, int]:
    """Makes what is staged visible, by one atomic commit a table."""
    with explained():
        return _loop(model).publish(staged)


@task
def publish_scores(model: str, staged: list[str], *, outlet_events: Any = None) -> dict[str, int]:
    """Makes the scores visible and tells the scored-table asset."""
    with explained():
        snapshots = _loop(model).publish(staged)
        if len(snapshots) < len(staged):
            _warn("the challenger's scores could not be published: the log says why", challenger=True)
        for accessor in (outlet_events[asset] for asset in get_current_context()["task"].outlets):
            accessor.extra = {"snapshots": snapshots}
        return snapshots


@task
def drift(model: str) -> str:
    """Measures how far the night is from what the champion learned; nights that were missed are made up for."""
    with explained():
        loop = _loop(model)
        _make_up(loop, loop.measure_drift)
        night = loop.measure_drift(_night(), _run_id())
        log.info(night.detail)
        return night.verdict


@task
def estimate(model: str) -> dict[str, float | None]:
    """Estimates how well the night was scored before its labels are known."""
    with explained():
        loop = _loop(model)
        _make_up(loop, loop.estimate_performance)
        measured = loop.estimate_performance(_night(), _run_id())
        return {one.statistic: one.value for one in measured if one.subject == "night"}


@task
def outcomes(model: str) -> list[str]:
    """Measures the nights whose labels have become final, or are others by now."""
    with explained():
        return [str(day) for day in _loop(model).measure_outcomes(_night(), _run_id())]


@task.branch
def decide(model: str, otherwise: str, request: str) -> list[str]:
    """Decides whether to ask for a retrain, and keeps the decision with its evidence.

    Returns:
        The tasks that follow: `otherwise`, and `request` if a training is to start.
    """
    with explained():
        running = get_current_context()["task_instance"].get_dr_count(f"{model}.train", states=["queued", "running"])
        decision = _loop(model).decide(_night(), _run_id(), running=running > 0)
        log.info("%s: %s", decision.action, decision.reason)
        get_current_context()["task_instance"].xcom_push("reason", decision.reason)
        return [otherwise, request] if decision.action == "request" else [otherwise]


@task
def report(model: str) -> str:
    """Writes the night's page, which the tab of this run shows."""
    with explained():
        return _loop(model).write_report(_night(), _run_id())


@task
def train(model: str) -> dict[str, str]:
    """Fits a challenger and stores it with its run."""
    with explained():
        loop, as_of = _loop(model), _as_of(model)
        context = get_current_context()
        run = context["dag_run"]
        told = (run.conf or {}).get("reason") or context["params"].get("reason")
        reason = told or ("cadence" if run.run_type == "scheduled" else "by hand")
        return vars(loop.train(as_of, reason, log.info)) | {"as_of": str(as_of)}


@task
def gate(model: str, trained: dict[str, str]) -> dict[str, Any]:
    """Holds the challenger against the gate's rules and the champion."""
    with explained():
        from nightshift.loop import Trained
        from nightshift.loop.training import GATE_PAGE

        loop, challenger = _loop(model), Trained(trained["run_id"], trained["digest"])
        report = loop.gate(challenger, date.fromisoformat(trained["as_of"]), _run_id())
        log.info("%s: %s", "passed" if report.passed else "refused", report.summary())
        page = loop.registry.page(challenger.run_id, GATE_PAGE)
        return {"passed": report.passed, "summary": report.summary(), "page": page, **trained}


@task
def register(model: str, judged: dict[str, Any]) -> int:
    """Registers what passed as the champion or its challenger, as the definition says; the rest stays a run."""
    if not judged["passed"]:
        raise AirflowSkipException(f"the gate keeps the champion: {judged['summary']}")
    with explained():
        from nightshift.loop import Trained

        trained = Trained(judged["run_id"], judged["digest"])
        version, what = _loop(model).register(trained, judged["summary"], _run_id())
        log.info("version %s was made the %s", version.number, what)
        return version.number


@task
def conclude(model: str, judged: dict[str, Any], answered: dict[str, Any], waited: str) -> str:
    """Promotes or declines the version, as a person said or, if nobody did, as the definition says."""
    with explained():
        from nightshift.loop import Trained
        from nightshift.registry.challengers import Answer

        user = answered["responded_by_user"]
        who = user["name"] if user else f"nobody within {waited}"
        why = answered["params_input"].get("answer") or ("" if user else "the default")
        answer = Answer(answered["chosen_options"] == [APPROVE], who, why)
        done = _loop(model).answer(Trained(judged["run_id"], judged["digest"]), answer, _run_id())
        log.info("version %s: %s by %s", done.to_version, done.event, done.actor)
        return done.event


@task
def shadow(model: str) -> str:
    """Promotes or retires the challenger, once enough of its nights in shadow have outcomes."""
    with explained():
        told = _loop(model).judge_challenger(_night(), _run_id())
        log.info(told)
        return told


@task
def maintain() -> dict[str, dict[str, int]]:
    """Expires old snapshots, removes files no snapshot needs."""
    with explained():
        from nightshift.lake.catalog import Lake
        from nightshift.lake.maintenance import maintain as run
        from nightshift.settings import get_settings

        return run(Lake(get_settings()), log.info)


def _warn(warning: str, *, challenger: bool = False) -> None:
    """Tells on-call engineers what does not stop the night."""
    from nightshift.alerts.alert import quality_alert
    from nightshift.alerts.deliver import deliver
    from nightshift.settings import get_settings

    context, settings = get_current_context(), get_settings()
    run, instance = context["dag_run"], context["task_instance"]
    alert = quality_alert(
        dag_id=run.dag_id,
        run_id=run.run_id,
        night=str(_night()),
        since=run.run_after.isoformat(timespec="seconds"),
        task=instance.task_id,
        warning=warning,
        challenger=challenger,
        airflow_url=settings.airflow_url,
    )
    deliver(alert, settings)


def _make_up(loop: Loop, measure: Callable[[date, str], object]) -> None:
    """Measures earlier nights that nobody monitored; one that cannot be measured any more does not stop tonight."""
    from nightshift.errors import NightshiftError

    for day in loop.unmonitored(_night()):
        try:
            measure(day, _run_id())
            log.info("%s was not monitored in its time: made up for", day)
        except NightshiftError as error:
            log.warning("%s was not monitored in its time, and cannot be made up for: %s", day, error)


def _loop(model: str) -> Loop:
    from nightshift.loop import Loop

    return Loop(model)


def _run_id() -> str:
    return str(get_current_context()["dag_run"].run_id)


def _night() -> date:
    from nightshift.definition.calendar import parse_night

    return parse_night(get_current_context().get("partition_key"))


def _as_of(model: str) -> date:
    """The date a training learns up to: asked for, or the local date of the run."""
    from zoneinfo import ZoneInfo

    from nightshift.definition.calendar import parse_night

    context = get_current_context()
    asked = (context["dag_run"].conf or {}).get("as_of") or context["params"].get("as_of")
    if asked:
        return parse_night(asked)
    zone = ZoneInfo(_loop(model).definition.schedule.timezone)
    run_after: datetime = context["dag_run"].run_after
    return run_after.astimezone(zone).date()
