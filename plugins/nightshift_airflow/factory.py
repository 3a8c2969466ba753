"""Builds a model's DAGs from its definition: `<model>.score`, `<model>.monitor`, `<model>.train`."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import (
    DAG,
    Asset,
    Param,
    PartitionedAssetTimetable,
    TaskGroup,
)

from nightshift.definition.duration import format_duration
from nightshift.definition.load import find_definition
from nightshift.definition.model import ModelDefinition
from nightshift.pages.markdown import markdown_text
from nightshift.settings import get_settings
from nightshift_airflow import docs, tasks
from nightshift_airflow.operators import ApprovalOperator, LandedSensor, SparkJobOperator
from nightshift_airflow.timetable import NightTimetable, TrainingTimetable

SPARK_POOL, TRAINING_POOL = "nightshift_spark", "nightshift_training"


def build_dags(model: str) -> dict[str, DAG]:
    """The three DAGs of a model, by id.

    Raises:
        DefinitionError: If its definition is broken: an import error of the file that asked for it.
    """
    settings = get_settings()
    definition = find_definition(settings.models_path, model, settings.sources_path, settings.checked_path)
    scores = Asset(name=f"scores.{model}", uri=f"nightshift://scores/{model}", group="nightshift")
    built = [_score(definition, scores), _monitor(definition, scores), _train(definition)]
    return {dag.dag_id: dag for dag in built}


def _score(definition: ModelDefinition, scores: Asset) -> DAG:
    name, schedule = definition.name, definition.schedule
    timetable = NightTimetable(schedule.expression, timezone=schedule.timezone, end=_end(definition))
    night = "{{ partition_key }}"
    with _dag(definition, "score", schedule=timetable, max_active_runs=4) as dag:
        with TaskGroup("raw"):
            landed = LandedSensor(
                task_id="wait",
                model=name,
                timeout=definition.wait.timeout.total_seconds(),
                poke_interval=definition.wait.poll.total_seconds(),
                alert_after=definition.wait.alert.total_seconds() if definition.wait.alert else None,
            )
            staged = tasks.ingest(name)
            landed >> staged
            raw = tasks.publish(name, tasks.audit(name, staged))
        with TaskGroup("features"):
            computed = SparkJobOperator(
                task_id="features",
                job="features",
                arguments=["--model", name, "--from", night],
                pool=SPARK_POOL,
            )
            raw >> computed
            features = tasks.publish(name, tasks.audit(name, computed.output))
        with TaskGroup("scores"):
            scored = SparkJobOperator(
                task_id="score",
                job="score",
                arguments=["--model", name, "--night", night, "--at", "{{ dag_run.run_after.isoformat() }}"],
                pool=SPARK_POOL,
            )
            features >> scored
            tasks.publish_scores.override(task_id="publish", outlets=[scores])(name, tasks.audit(name, scored.output))
    return dag


def _monitor(definition: ModelDefinition, scores: Asset) -> DAG:
    name = definition.name
    with _dag(definition, "monitor", schedule=PartitionedAssetTimetable(assets=scores), max_active_runs=4) as dag:
        measured = [tasks.drift(name), tasks.estimate(name), outcomes := tasks.outcomes(name)]
        if definition.promotion.shadow:
            outcomes >> tasks.shadow(name)
        # One at a time: each sees the requests of the others.
        decision = tasks.decide.override(max_active_tis_per_dag=1)(name, "report", "request_training")
        measured >> decision >> tasks.report(name)
        request = TriggerDagRunOperator(
            task_id="request_training",
            trigger_dag_id=f"{name}.train",
            # One run a request, however often this task runs.
            trigger_run_id="retrain__{{ partition_key }}",
            skip_when_already_exists=True,
            logical_date=None,
            conf={
                "as_of": "{{ partition_key }}",
                "reason": "{{ partition_key }}: {{ ti.xcom_pull(task_ids='decide', key='reason') }}",
            },
        )
        decision >> request
    return dag


def _train(definition: ModelDefinition) -> DAG:
    name = definition.name
    params = {
        "as_of": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Train as of",
            description="Learn from what was labelled at this date's cutoff. Empty: the run's own date.",
        ),
        "reason": Param(None, type=["null", "string"], title="Reason", description="Kept with the model."),
    }
    timetable = TrainingTimetable(
        definition.training.cadence, timezone=definition.schedule.timezone, end=_end(definition)
    )
    # One at a time: two trainings at once would race for the same alias.
    filters = {"markdown_text": markdown_text}
    with _dag(
        definition, "train", schedule=timetable, max_active_runs=1, params=params, user_defined_filters=filters
    ) as dag:
        trained = tasks.train.override(pool=TRAINING_POOL)(name)
        judged = tasks.gate.override(pool=TRAINING_POOL)(name, trained)
        if definition.training.refit:
            judged = tasks.refit.override(pool=TRAINING_POOL)(name, judged)
        registered = tasks.register(name, judged)
        if approval := definition.promotion.approval:
            judgement = "ti.xcom_pull(task_ids='gate')"
            approved = ApprovalOperator(
                task_id="approval",
                model=name,
                subject=f"{name}: version {{{{ ti.xcom_pull(task_ids='register') }}}} waits for approval",
                # The summary names slices, which are values of data.
                body=f"{{{{ {judgement}['summary'] | markdown_text }}}}\n\n"
                f"[The gate's report]({{{{ {judgement}['page'] }}}})",
                options=[tasks.APPROVE, tasks.REFUSE],
                defaults=tasks.APPROVE if approval.default == "approve" else tasks.REFUSE,
                # Not `reason`: a run's own values of that name, the training's, would go before.
                params={
                    "answer": Param(None, type=["null", "string"], title="Why", description="Kept with the answer.")
                },
                response_timeout=approval.timeout,
            )
            registered >> approved
            tasks.conclude(name, judged, approved.output, format_duration(approval.timeout))
    return dag


def _dag(definition: ModelDefinition, verb: str, **kwargs: Any) -> DAG:
    zone = ZoneInfo(definition.schedule.timezone)
    return DAG(
        f"{definition.name}.{verb}",
        description=docs.DESCRIPTIONS[verb],
        doc_md=docs.dag_page(definition, verb),
        start_date=datetime.combine(definition.schedule.start, datetime.min.time(), zone),
        end_date=_end(definition),
        catchup=False,
        tags={"nightshift", definition.name, verb, *definition.tags},
        default_args={
            "owner": definition.owner,
            "retries": 7,  # 20 minutes in all: a service that is away for a while needs no hand
            "retry_delay": timedelta(seconds=10),
            "retry_exponential_backoff": 2.0,
            "max_retry_delay": timedelta(minutes=10),
        },
        **kwargs,
    )


def _end(definition: ModelDefinition) -> datetime | None:
    """The end of a model's DAGs, after the cutoff of the last night; None if its schedule has none."""
    schedule = definition.schedule
    return datetime.combine(schedule.end, time(23, 59, 59), ZoneInfo(schedule.timezone)) if schedule.end else None
