"""Rules for how a definition monitors its nights: one function each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nightshift.definition.model import ModelDefinition
from nightshift.definition.prediction import CLASS, Prediction
from nightshift.definition.problem import DATED, KeyPath, Problem, expression_problems
from nightshift.definition.retrain import EstimateTrigger, PerformanceTrigger, Retrain
from nightshift.definition.value import DECISION, OBSERVATION


def retrain_makes_sense(definition: ModelDefinition) -> Iterator[Problem]:
    for problem in retrain_problems(definition.monitoring.retrain, definition.prediction):
        yield problem._replace(path=("monitoring", "retrain", *problem.path))


def retrain_problems(policy: Retrain, prediction: Prediction) -> Iterator[Problem]:
    """Problems between the keys of a policy, whichever file it is read from."""
    if not policy.triggers and policy.age is None:
        message, allowed = "nothing would ever request a training", "drift, estimated_performance, performance, age"
        yield Problem((), message, None, allowed, "declare a trigger")
    for name, trigger in policy.triggers.items():
        nights, of_last = policy.persistence(trigger)
        path: KeyPath = (name, "nights") if trigger.nights or trigger.of_last else ("nights",)
        if nights > of_last:
            fix = "lower `nights`, or raise `of_last`"
            yield Problem(path, "can never be reached", nights, f"at most of_last, {of_last}", fix)
        metric = trigger.metric if isinstance(trigger, EstimateTrigger | PerformanceTrigger) else None
        if metric is not None and metric not in prediction.metrics.names:
            message = f"is not a metric of a predicted {prediction.score}"
            yield Problem((name, "metric"), message, metric, prediction.metrics.names, "name another")


def value_can_be_computed(definition: ModelDefinition) -> Iterator[Problem]:
    value = definition.monitoring.value
    observed = definition.sources.get(definition.observations.source)
    outcomes = definition.sources.get(definition.label.source)
    if value is None or observed is None or outcomes is None:
        return
    if value.decision.threshold is not None and definition.prediction == CLASS:
        path: KeyPath = ("monitoring", "value", "decision", "threshold")
        fix = "write an expression over `prediction` and the probabilities"
        yield Problem(path, "the label is a class", value.decision.threshold, "a label that is none", fix)
    scored = {name: kind for name, kind in definition.scored_columns.items() if name != DECISION}
    inputs: dict[str, str] = {DECISION: "boolean", "label": definition.label.kind, **scored}
    of_outcome = outcomes.landed | DATED if definition.label.window is None else {}  # a window has no row of its own
    for column in sorted({*inputs, OBSERVATION} & of_outcome.keys()):
        message = f"'{definition.label.source}' has a column of this name, which has another meaning in `value`"
        yield Problem(("monitoring", "value"), message, column, None, "rename the column at landing")
    expressions: dict[str, tuple[str | None, Mapping[str, str]]] = {
        "decision": (value.decision.expression, scored),
        "naive": (value.naive, {}),
        "expression": (value.expression, of_outcome | inputs),
    }
    types_of = definition.observed_types
    structs = {OBSERVATION: {name: kind for name, kind in observed.landed.items() if name in types_of}}
    for key, (expression, types) in expressions.items():
        if expression is not None:
            yield from expression_problems(("monitoring", "value", key), expression, "duckdb", types, structs)


RULES = (retrain_makes_sense, value_can_be_computed)
