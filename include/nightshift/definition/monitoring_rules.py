"""What must hold for how a definition judges its nights: one rule a function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nightshift.definition.expressions import find_faults
from nightshift.definition.model import ModelDefinition
from nightshift.definition.prediction import Prediction
from nightshift.definition.problem import KeyPath, Problem
from nightshift.definition.retrain import EstimateTrigger, PerformanceTrigger, Retrain
from nightshift.definition.value import OBSERVATION


def retrain_makes_sense(definition: ModelDefinition) -> Iterator[Problem]:
    for problem in retrain_problems(definition.monitoring.retrain, definition.prediction):
        yield problem._replace(path=("monitoring", "retrain", *problem.path))


def retrain_problems(policy: Retrain, prediction: Prediction) -> Iterator[Problem]:
    """What is wrong between the keys of a policy, whichever file it is read from."""
    if not policy.triggers and policy.age is None:
        what, allowed = "nothing would ever ask", "drift, estimated_performance, performance, age"
        yield Problem((), what, None, allowed, "declare a trigger")
    for name, trigger in policy.triggers.items():
        nights, of_last = policy.persistence(trigger)
        path: KeyPath = (name, "nights") if trigger.nights or trigger.of_last else ("nights",)
        if nights > of_last:
            fix = "ask for fewer nights, or look at more"
            yield Problem(path, "can never be reached", nights, f"at most of_last, {of_last}", fix)
        metric = trigger.metric if isinstance(trigger, EstimateTrigger | PerformanceTrigger) else None
        if metric is not None and metric not in prediction.metrics.names:
            what = f"is no metric of a predicted {prediction.score}"
            yield Problem((name, "metric"), what, metric, prediction.metrics.names, "name another")


def value_can_be_computed(definition: ModelDefinition) -> Iterator[Problem]:
    value = definition.monitoring.value
    observed = definition.sources.get(definition.observations.source)
    outcomes = definition.sources.get(definition.label.source)
    if value is None or observed is None or outcomes is None:
        return
    made = {"decision": "boolean", "label": definition.label.type, "score": "number"}
    for column in sorted({*made, OBSERVATION} & set(outcomes.landed)):
        what = f"'{definition.label.source}' has a column of this name, and it means something else here"
        yield Problem(("monitoring", "value"), what, column, None, "rename the column at landing")
    columns: dict[str, Mapping[str, str]] = {
        "decision": {"score": "number"},
        "naive": {},
        "expression": outcomes.landed | {"source_date": "date"} | made,
    }
    for key, known in columns.items():
        for fault in find_faults(getattr(value, key), "duckdb", known, {OBSERVATION: observed.landed}):
            what = f"{fault.what} in {fault.marked}"
            yield Problem(("monitoring", "value", key), what, None, fault.allowed or None, fault.fix)


RULES = (retrain_makes_sense, value_can_be_computed)
