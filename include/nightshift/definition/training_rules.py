"""What must hold for the estimator a definition declares: one rule a function."""

from __future__ import annotations

from collections.abc import Iterator

from nightshift.definition.model import ESTIMATOR_FILE, ModelDefinition
from nightshift.definition.problem import Problem


def there_is_one_estimator(definition: ModelDefinition) -> Iterator[Problem]:
    file, declared = definition.folder / ESTIMATOR_FILE, definition.training.estimator.class_
    path = ("training", "estimator")
    if declared and file.exists():
        fix = f"remove `class:` or {ESTIMATOR_FILE}"
        yield Problem((*path, "class"), f"{ESTIMATOR_FILE} makes an estimator, too", declared, None, fix)
    if not declared and not file.exists():
        fix = f"add `class:`, or write make_estimator(params, seed, categories) in {file}"
        yield Problem(path, "no estimator", None, f"class, or {ESTIMATOR_FILE} beside the definition", fix)


def estimator_fits_the_label(definition: ModelDefinition) -> Iterator[Problem]:
    """By the class's name, so that nothing is imported; a training looks at the estimator itself."""
    declared, path = definition.training.estimator.class_ or "", ("training", "estimator", "class")
    fix = "name another class, or change `label.type`"
    if definition.regression and declared.endswith("Classifier"):
        yield Problem(path, "a classifier cannot predict a number", declared, "a regressor", fix)
    if not definition.regression and declared.endswith("Regressor"):
        yield Problem(path, "a regressor gives no probability of a condition", declared, "a classifier", fix)


def calibration_is_for_conditions(definition: ModelDefinition) -> Iterator[Problem]:
    if definition.regression and definition.training.calibration is not None:
        what = "only probabilities are calibrated, and the label is a number"
        yield Problem(("training", "calibration"), what, None, None, "remove it")


RULES = (there_is_one_estimator, estimator_fits_the_label, calibration_is_for_conditions)
