"""A model package: all that scoring needs, as files that cannot execute code.

The estimator is stored by the adapter of its kind (`nightshift.registry.estimators`); the rest is JSON. A digest over
all files, recorded at registration, is verified before anything is loaded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from nightshift.definition.prediction import CLASS, NUMBER, PROBABILITY, Prediction
from nightshift.definition.value import DECISION
from nightshift.errors import TerminalError, first_line
from nightshift.registry.calibration import Calibration, calibration_from_json, calibration_to_json
from nightshift.registry.classes import LabelClasses, scored_columns
from nightshift.registry.decision_threshold import DecisionThreshold
from nightshift.registry.encoder import Encoder, Matrix
from nightshift.registry.estimators import dump_estimator, estimator_title, load_estimator
from nightshift.registry.estimators.adapter import FittedEstimator, raw_scores
from nightshift.registry.reference import ModelReference

ENCODER, REFERENCE = "encoder.json", "reference.json"
CALIBRATION = "calibration.json"  # of a model whose raw scores are calibrated
THRESHOLD = "threshold.json"  # of a model that decides by its score
TASK = "task.json"  # a model without it predicts a probability
STORED_TASKS: Mapping[Prediction, str] = {NUMBER: "regression", CLASS: "classes"}

TAKE_MISSING = "declare `training.impute`, or an estimator that takes missing values"
NO_INFINITY = "bound the feature's source by `min` and `max`, or its expression: `if(abs(x) < 1e300, x, null)`"


@dataclass(frozen=True)
class ModelPackage:
    """A fitted model with its preprocessing and the profile of its training rows.

    Attributes:
        estimator: The fitted estimator.
        encoder: Encodes feature columns as its matrix.
        reference: The histograms of its training rows.
        calibration: Maps its raw scores to probabilities; None if they are not calibrated.
        prediction: What it predicts.
        classes: The classes of its label; None if that is a condition or a number.
        controls: Rows of the matrix whose scores another version of the estimator's library has to repeat; None if
            there are none.
        threshold: From which score on the decision is made; None if the definition declares no threshold.
    """

    estimator: FittedEstimator
    encoder: Encoder
    reference: ModelReference
    calibration: Calibration | None = None
    prediction: Prediction = PROBABILITY
    classes: LabelClasses | None = None
    controls: Matrix | None = field(default=None, repr=False, compare=False)
    threshold: DecisionThreshold | None = None

    def score(self, rows: pa.Table | pa.RecordBatch) -> Matrix:
        """The probability of the positive class of every row, or the number predicted for it, shape (rows,).

        Of a label that is a class: the probability of each, shape (rows, classes).

        Invalid scores are returned as they are: the gate and the night's audit refuse them.

        Raises:
            TerminalError: If a feature that the model needs is absent, or the estimator refuses the rows.
        """
        if rows.num_rows == 0:
            return np.empty(0) if self.classes is None else np.empty((0, len(self.classes.names)))
        matrix = self.encoder.matrix(rows)
        try:
            raw = raw_scores(self.prediction, self.estimator, matrix)
        except Exception as error:  # an estimator of the user's own may raise anything
            raise self._refusal(matrix, error) from error
        return raw if self.calibration is None else self.calibration.apply(raw)

    def scored_columns(self, scores: Matrix) -> dict[str, pa.Array]:
        """The columns of scored rows, by name; see `nightshift.registry.classes.scored_columns`.

        A model with a threshold also has the `decision` of each row.

        Args:
            scores: As `score` returns them.
        """
        columns = scored_columns(scores, self.classes)
        return columns if self.threshold is None else columns | {DECISION: self.threshold.decide(columns["score"])}

    def _refusal(self, matrix: Matrix, error: Exception) -> TerminalError:
        """The error of rows that the estimator refused: it names the features without values or with infinite ones."""
        gaps, infinities = self.encoder.gaps(matrix), self.encoder.infinities(matrix)
        train = "train a new version"
        fix = f"{NO_INFINITY}, and {train}" if infinities else f"{TAKE_MISSING}, and {train}" if gaps else ""
        return TerminalError(
            f"the estimator refused the rows by {type(error).__name__}: {first_line(error)}",
            where=estimator_title(self.estimator),
            received=", ".join(filter(None, (infinities, gaps))) or f"{len(matrix)} rows, no missing value",
            fix=fix or f"{train}, or roll back",
        )

    def dump(self) -> dict[str, bytes]:
        """The package as files.

        Raises:
            TerminalError: If the estimator holds a type that is not trusted.
        """
        files = dump_estimator(self.estimator, self.prediction, self.controls) | {
            ENCODER: json.dumps(self.encoder.to_json(), indent=1).encode(),
            REFERENCE: json.dumps(self.reference.to_json()).encode(),
        }
        if self.calibration is not None:
            files[CALIBRATION] = json.dumps(calibration_to_json(self.calibration)).encode()
        if self.threshold is not None:
            files[THRESHOLD] = json.dumps(self.threshold.to_json()).encode()
        if task := STORED_TASKS.get(self.prediction):
            classes = self.classes.to_json() if self.classes else {}
            files[TASK] = json.dumps({"task": task, **classes}).encode()
        return files


def package_digest(files: dict[str, bytes]) -> str:
    """SHA-256 over every file's name and content."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + hashlib.sha256(files[name]).digest())
    return digest.hexdigest()


def verify_digest(files: dict[str, bytes], digest: str) -> None:
    """Verifies that files have a digest.

    Raises:
        TerminalError: Naming both digests.
    """
    if (received := package_digest(files)) != digest:
        raise TerminalError(
            "the model's artifact is not the one that was registered",
            received=received,
            allowed=digest,
            fix="restore the artifact, or roll back to another version",
        )


def stored_prediction(files: Mapping[str, bytes]) -> Prediction:
    """What a stored package predicts."""
    if TASK not in files:
        return PROBABILITY
    task = json.loads(files[TASK])["task"]
    return next(prediction for prediction, stored in STORED_TASKS.items() if stored == task)


def stored_classes(files: Mapping[str, bytes]) -> LabelClasses | None:
    """The classes of a package's label; None if that is a condition or a number."""
    document = json.loads(files[TASK]) if TASK in files else {}
    return LabelClasses.from_json(document) if "names" in document else None


def load_package(files: dict[str, bytes], digest: str, tree_sums: bool = True) -> ModelPackage:
    """Loads a package after verifying its digest.

    Args:
        files: The stored files.
        digest: The digest that was registered.
        tree_sums: Whether boosted trees of scikit-learn are summed by `TreeSums`, with the same sums.

    Raises:
        TerminalError: If the digest differs, or the estimator cannot be loaded or scores otherwise than when it was
            stored.
    """
    verify_digest(files, digest)
    prediction = stored_prediction(files)
    estimator, controls = load_estimator(files, prediction, tree_sums)
    encoder = Encoder.from_json(json.loads(files[ENCODER]))
    calibration = calibration_from_json(json.loads(files[CALIBRATION])) if CALIBRATION in files else None
    threshold = DecisionThreshold.from_json(json.loads(files[THRESHOLD])) if THRESHOLD in files else None
    reference, classes = load_reference(files), stored_classes(files)
    return ModelPackage(estimator, encoder, reference, calibration, prediction, classes, controls, threshold)


def learned_features(files: Mapping[str, bytes]) -> tuple[str, ...]:
    """The features that a package's model uses; the estimator stays unloaded."""
    return tuple(json.loads(files[ENCODER])["types"])


def load_reference(files: Mapping[str, bytes]) -> ModelReference:
    """The reference of a package's files; the estimator stays unloaded."""
    return ModelReference.from_json(json.loads(files[REFERENCE]))
