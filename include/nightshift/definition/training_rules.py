"""Rules for the estimator that a definition declares: one function each."""

from __future__ import annotations

from collections.abc import Iterator

from nightshift.definition.model import ModelDefinition
from nightshift.definition.prediction import PREDICTIONS
from nightshift.definition.problem import Problem, expression_problems
from nightshift.definition.training import ESTIMATOR_FILE


def one_estimator(definition: ModelDefinition) -> Iterator[Problem]:
    file, declared = definition.folder / ESTIMATOR_FILE, definition.training.estimator.class_
    path = ("training", "estimator")
    if declared and file.exists():
        fix = f"remove `class:` or {ESTIMATOR_FILE}"
        yield Problem((*path, "class"), f"{ESTIMATOR_FILE} makes an estimator as well", declared, None, fix)
    if not declared and not file.exists():
        fix = f"add `class:`, or write make_estimator(params, seed, categories) in {file}"
        yield Problem(path, "no estimator", None, f"class, or {ESTIMATOR_FILE} in the definition's folder", fix)


def estimator_fits_the_label(definition: ModelDefinition) -> Iterator[Problem]:
    """By the class's name, so that nothing is imported; a training checks the estimator itself."""
    declared, path = definition.training.estimator.class_ or "", ("training", "estimator", "class")
    fix = "name another class, or change `label.type`"
    needed = definition.prediction.estimator
    unfit = {prediction.estimator.suffix for prediction in PREDICTIONS.values()} - {needed.suffix}
    if declared.endswith(tuple(unfit)):
        yield Problem(path, needed.mismatch, declared, f"a {needed.name}", fix)


def calibration_is_for_conditions(definition: ModelDefinition) -> Iterator[Problem]:
    if definition.training.calibration is not None and not definition.prediction.calibrated:
        message = f"only probabilities are calibrated, and the label is a {definition.prediction.label}"
        yield Problem(("training", "calibration"), message, None, None, "remove it")


def weights_are_over_the_rows(definition: ModelDefinition) -> Iterator[Problem]:
    expression = definition.training.weight
    if expression is not None:
        yield from expression_problems(("training", "weight"), expression, "duckdb", definition.weight_columns)


def class_weights_fit_the_label(definition: ModelDefinition) -> Iterator[Problem]:
    declared, path = definition.training.class_weight, ("training", "class_weight")
    if declared is None:
        return
    if definition.prediction.estimator.name != "classifier":
        message = f"only classes are weighted, and the label is a {definition.prediction.label}"
        yield Problem(path, message, None, None, "remove it, or declare `training.weight`")
        return
    for name in declared if isinstance(declared, dict) else ():
        allowed = definition.label.class_names
        if allowed and name not in allowed:
            fix = f"write {' or '.join(allowed)}" if len(allowed) == 2 else "write one of them"
            yield Problem((*path, name), "no class of the label", name, allowed, fix)


RULES = (
    one_estimator,
    estimator_fits_the_label,
    calibration_is_for_conditions,
    weights_are_over_the_rows,
    class_weights_fit_the_label,
)
