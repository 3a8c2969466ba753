"""What the Airflow UI says about a model's DAGs, written from its definition."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from nightshift.definition.calendar import next_night
from nightshift.definition.duration import format_duration
from nightshift.definition.model import ModelDefinition
from nightshift.definition.promotion import Promotion
from nightshift.definition.retrain import Retrain
from nightshift.definition.schedule import Schedule
from nightshift.definition.source import Source
from nightshift.definition.training import Training
from nightshift.features.dictionary import dictionary_page
from nightshift.pages.markdown import table_cell, without_html

DESCRIPTIONS = {
    "score": "Every night of the schedule: ingest, audit, publish, compute features, score, audit, publish.",
    "monitor": "After every scored night: drift, performance, and the decision whether to retrain.",
    "train": "On request and on a cadence: train, gate against the champion, register, promote.",
}


def dag_page(definition: ModelDefinition, verb: str) -> str:
    """The page of one DAG, in Markdown."""
    pages = {"score": _score, "monitor": _monitor, "train": _train}
    return (
        f"# {definition.name}.{verb}\n\n{without_html(definition.description)}\n\n{pages[verb](definition)}\n\n{_RERUN}"
    )


_RERUN = (
    "Every task can be cleared and run again at any time: rows are staged apart and become visible by one atomic "
    "commit that replaces the night. If a run fails, see `docs/runbook.md`."
)


def _place(source: Source) -> str:
    """Where the rows of a source are."""
    if source.query:
        return f"a query on `{source.query.connection}`"
    return f"`{source.table.catalog}.{source.table.name}`" if source.table else f"`{source.path}`"


def _score(definition: ModelDefinition) -> str:
    sources = "\n".join(
        f"| {name} | {_place(source)} | {source.cadence} | {format_duration(source.available.after)} | "
        f"{table_cell(source.description)} |"
        for name, source in definition.sources.items()
    )
    return (
        f"Scores every row of `{definition.observations.source}` dated the score date, {_when(definition.schedule)}. "
        "The score date is the run's **partition key**; to run one by hand, trigger with a partition key such as "
        f"`{next_night(definition.schedule, definition.schedule.start - timedelta(days=1))}`. To score a range, create "
        "a backfill.\n\n"
        "| source | from | cadence | available after midnight | what it is |\n|---|---|---|---|---|\n"
        f"{sources}\n\n"
        f"Waits up to {format_duration(definition.wait.timeout)} for them. Publishes `features.{definition.name}` "
        f"({len(definition.feature_types)} features) and `scores.{definition.name}`.\n\n### Features\n\n"
        + dictionary_page(definition)
    )


def _when(schedule: Schedule) -> str:
    at = f"at {schedule.time_of_day:%H:%M} {schedule.timezone}"
    return f"{at} of the dates that the cron `{schedule.cron}` names" if schedule.cron else at


def _monitor(definition: ModelDefinition) -> str:
    alarms, retrain = definition.monitoring.false_alarms, definition.monitoring.retrain
    return (
        f"Woken by the partition of `scores.{definition.name}`. A night has drifted when anything watched is "
        f"beyond its threshold; of nights like the training period's, {alarms} are. "
        f"Performance is estimated at once, and measured when the labels are final.\n\nA training is requested:\n\n"
        + "\n".join(f"- {sentence}" for sentence in _triggers(retrain))
        + f"\n\nThen not again for {format_duration(retrain.cooldown)}"
        + (f", and at most {retrain.budget} times a calendar month" if retrain.budget else "")
        + "; nor while a training runs or the night's data are bad. Everything measured and decided is kept in "
        f"`monitoring.{definition.name}`, and shown by the tab *Report* of a run."
    )


def _triggers(retrain: Retrain) -> Iterator[str]:
    causes = {
        "drift": "drift",
        "estimated_performance": "an estimated performance worse than the holdout's",
        "performance": "a performance worse than the holdout's",
    }
    for name, trigger in retrain.triggers.items():
        nights, of_last = retrain.persistence(trigger)
        yield f"on {causes[name]} in {nights} of the last {of_last} nights, the newest among them"
    if retrain.age is not None:
        yield f"when the version that scores was trained as of a date more than {format_duration(retrain.age)} ago"


def _train(definition: ModelDefinition) -> str:
    training = definition.training
    return (
        f"Fits `{definition.estimator_name}` on {format_duration(training.period)} of labelled days, keeps the newest "
        f"{format_duration(training.holdout)} as the holdout, and lets the new model score only if it passes there:\n\n"
        + "\n".join(f"- {rule}" for rule in definition.gate.sentences(definition.prediction))
        + f"\n\n{_refit(training)}{_promotion(definition.promotion)} On a retrain request, and on the cadence "
        f"`{training.cadence}`. How every rule came out is shown by the run's `gate.html` in MLflow."
    )


def _refit(training: Training) -> str:
    return "A model that passes is fitted again with the rows of the holdout. " if training.refit else ""


def _promotion(policy: Promotion) -> str:
    if approval := policy.approval:
        waits = format_duration(approval.timeout)
        return f"Then a person is asked for approval; without an answer within {waits} it is to {approval.default}."
    if shadow := policy.shadow:
        return (
            f"Then it is scored beside the champion, unpublished, until {shadow.nights} nights have outcomes, which "
            f"promote or retire it: {shadow.sentence}."
        )
    return "Then it is the champion."
