"""What must hold for the estimator a definition declares: one rule a function."""

from __future__ import annotations

from collections.abc import Iterator

from nightshift.definition.model import ESTIMATOR_FILE, ModelDefinition
from nightshift.definition.prediction import PREDICTIONS
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
    kind = definition.prediction.estimator
    other_kinds = [prediction.estimator for prediction in PREDICTIONS.values() if prediction.estimator != kind]
    if any(declared.endswith(other.suffix) for other in other_kinds):
        yield Problem(path, kind.mismatch, declared, f"a {kind.name}", fix)


def calibration_is_for_conditions(definition: ModelDefinition) -> Iterator[Problem]:
    if definition.training.calibration is not None and not definition.prediction.calibrated:
        what = f"only probabilities are calibrated, and the label is a {definition.prediction.label}"
        yield Problem(("training", "calibration"), what, None, None, "remove it")


RULES = (there_is_one_estimator, estimator_fits_the_label, calibration_is_for_conditions)
