"""The loop's stages as Airflow tasks, light to parse: each calls the stage of its name and holds no logic."""

from __future__ import annotations

import logging
from datetime import date
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from nightshift_airflow.alerts import send_warning
from nightshift_airflow.drivers import start_driver
from nightshift_airflow.errors import explained
from nightshift_airflow.projects import open_project

if TYPE_CHECKING:
    from nightshift.project import Project
    from nightshift.stages.train import StoredModel

log = logging.getLogger(__name__)

APPROVE, REFUSE = "Approve", "Refuse"


@task
def ingest(model: str) -> list[str]:
    """Reads the landed files as declared and stages them, while a driver starts for the night's jobs."""
    with explained():
        from nightshift.stages.ingest import ingest

        start_driver()  # a run may begin here
        return list(ingest(open_project(model), _night(), _run_id(), log.info))


@task
def audit(model: str, staged: list[str]) -> list[str]:
    """Checks the staged sets; nothing that fails goes further."""
    with explained():
        from nightshift.stages.audit import audit

        result = audit(open_project(model), staged, _night(), _run_id(), log.info)
        log.info(result.summary)
        get_current_context()["task_instance"].xcom_push("summary", result.summary)
        send_warning([*result.warnings, *result.left_out], challenger=not result.warnings)
        return list(result.locations)


@task
def publish(model: str, staged: list[str]) -> dict[str, int]:
    """Makes staged sets visible, by one atomic commit a table."""
    with explained():
        from nightshift.stages.publish import publish

        return dict(publish(open_project(model), staged).snapshots)


@task
def publish_scores(model: str, staged: list[str], *, outlet_events: Any = None) -> dict[str, int]:
    """Makes the scores visible and updates the scored-table asset."""
    with explained():
        from nightshift.stages.publish import publish

        result = publish(open_project(model), staged)
        problems = ["the challenger's scores could not be published: the log says why"] if result.failed else []
        send_warning(problems, challenger=True)
        snapshots = dict(result.snapshots)
        for accessor in (outlet_events[asset] for asset in get_current_context()["task"].outlets):
            accessor.extra = {"snapshots": snapshots}
        return snapshots


@task
def drift(model: str) -> str:
    """Measures how far the night has drifted from what its version learned, and missed nights before it."""
    with explained():
        from nightshift.stages.drift import drift

        measurement = drift(open_project(model), _night(), _run_id(), log.info)
        log.info(measurement.detail)
        return measurement.verdict


@task
def estimate(model: str) -> dict[str, float | None]:
    """Estimates how well the night was scored before its labels arrive, and missed nights before it."""
    with explained():
        from nightshift.stages.estimate import estimate

        measurements = estimate(open_project(model), _night(), _run_id(), log.info)
        return {m.statistic: m.value for m in measurements if m.subject == "night"}


@task
def outcomes(model: str) -> list[str]:
    """Measures the nights whose labels have become final, or have changed."""
    with explained():
        from nightshift.stages.outcomes import measure_outcomes

        return [str(day) for day in measure_outcomes(open_project(model), _night(), _run_id())]


@task
def shadow(model: str) -> str:
    """Promotes or retires the challenger, once enough of its nights in shadow have outcomes."""
    with explained():
        from nightshift.stages.shadow import judge_challenger

        conclusion = judge_challenger(open_project(model), _night(), _run_id())
        log.info(conclusion)
        return conclusion


@task.branch
def decide(model: str, otherwise: str, request: str) -> list[str]:
    """Decides whether to ask for a training, and records the decision with its evidence.

    Returns:
        The tasks that follow: `otherwise`, and `request` if a training is to start.
    """
    with explained():
        from nightshift.stages.decide import decide

        instance = get_current_context()["task_instance"]
        trainings = instance.get_dr_count(f"{model}.train", states=["queued", "running"])
        decision = decide(open_project(model), _night(), _run_id(), training_runs=trainings > 0)
        log.info("%s: %s", decision.action, decision.reason)
        instance.xcom_push("reason", decision.reason)
        return [otherwise, request] if decision.action == "request" else [otherwise]


@task
def report(model: str) -> str:
    """Writes the night's page, which the tab *Report* of this run shows."""
    with explained():
        from nightshift.stages.report import write_report

        return write_report(open_project(model), _night(), _run_id())


@task
def train(model: str) -> dict[str, str]:
    """Fits a model and stores it with its run."""
    with explained():
        from nightshift.stages.train import train

        project = open_project(model)
        as_of = _as_of(project)
        return vars(train(project, as_of, _reason(), log.info)) | {"as_of": str(as_of)}


@task
def gate(model: str, trained: dict[str, str]) -> dict[str, Any]:
    """Judges the stored model by the gate's rules and against the champion."""
    with explained():
        from nightshift.stages.gate import gate

        result = gate(open_project(model), _stored(trained), date.fromisoformat(trained["as_of"]), _run_id(), log.info)
        passed, summary = result.report.passed, result.report.summary()
        log.info("%s: %s", "passed" if passed else "refused", summary)
        return {"passed": passed, "summary": summary, "page": result.page, **trained}


@task
def refit(model: str, judged: dict[str, Any]) -> dict[str, Any]:
    """Fits a model that passed again, with the holdout's rows."""
    _require_passed(judged)
    with explained():
        from nightshift.stages.refit import refit

        as_of = date.fromisoformat(judged["as_of"])
        return judged | vars(refit(open_project(model), _stored(judged), as_of, _run_id(), log.info))


@task
def register(model: str, judged: dict[str, Any]) -> int:
    """Registers a model that passed as the champion or its challenger, as the definition says."""
    _require_passed(judged)
    with explained():
        from nightshift.stages.register import register

        registration = register(open_project(model), _stored(judged), judged["summary"], _run_id())
        log.info("version %s is the %s", registration.version.number, registration.role)
        return registration.version.number


@task
def conclude(model: str, judged: dict[str, Any], response: dict[str, Any], waited: str) -> str:
    """Promotes or declines the version, as a person answered or, if nobody did, as the definition says."""
    with explained():
        from nightshift.registry.challengers import Answer
        from nightshift.stages.conclude import conclude

        user = response["responded_by_user"]
        person = user["name"] if user else f"nobody within {waited}"
        reason = response["params_input"].get("answer") or ("" if user else "the default")
        answer = Answer(response["chosen_options"] == [APPROVE], person, reason)
        event = conclude(open_project(model), _stored(judged), answer, _run_id())
        log.info("version %s: %s by %s", event.to_version, event.event, event.actor)
        return event.event


@task
def maintenance() -> dict[str, dict[str, int]]:
    """Expires old snapshots, removes files no snapshot needs, and ends what killed trainings left."""
    with explained():
        from nightshift.settings import get_settings
        from nightshift.stages.maintenance import maintain

        return maintain(get_settings(), log.info).tables


def _require_passed(judged: dict[str, Any]) -> None:
    """Skips the task if the gate refused the model."""
    if not judged["passed"]:
        raise AirflowSkipException(f"the gate keeps the champion: {judged['summary']}")


def _stored(values: dict[str, Any]) -> StoredModel:
    from nightshift.stages.train import StoredModel

    return StoredModel(values["run_id"], values["digest"])


def _run_id() -> str:
    return str(get_current_context()["dag_run"].run_id)


def _night() -> date:
    from nightshift.definition.calendar import parse_night

    return parse_night(get_current_context().get("partition_key"))


def _reason() -> str:
    """Why a training runs: the reason given, or what started it."""
    context = get_current_context()
    run = context["dag_run"]
    given = (run.conf or {}).get("reason") or context["params"].get("reason")
    return given or ("cadence" if run.run_type == "scheduled" else "by hand")


def _as_of(project: Project) -> date:
    """The date a training learns up to: the one given, or the local date of the run."""
    from nightshift.definition.nights import training_date

    context = get_current_context()
    given = (context["dag_run"].conf or {}).get("as_of") or context["params"].get("as_of")
    return training_date(project.definition, given, context["dag_run"].run_after)
