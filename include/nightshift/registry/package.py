"""A model package: all that scoring needs, as files that cannot execute code.

The estimator is stored by skops and loaded with an explicit list of trusted types; the rest is JSON. A digest
over all files, recorded at registration, is verified before anything is loaded.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
import pyarrow as pa

from nightshift.definition.prediction import NUMBER, PROBABILITY, Prediction
from nightshift.errors import TerminalError, first_line
from nightshift.registry.calibration import Calibration, calibration_from_json, calibration_to_json
from nightshift.registry.encoder import Encoder, Matrix
from nightshift.registry.reference import ModelReference

SCHEMA, EPOCH = "schema.json", (1980, 1, 1, 0, 0, 0)
ESTIMATOR, ENCODER, REFERENCE = "estimator.skops", "encoder.json", "reference.json"
CALIBRATION = "calibration.json"  # of a model whose raw scores are calibrated
TASK = "task.json"  # a model without it predicts a probability
STORED_TASKS: Mapping[Prediction, str] = {NUMBER: "regression"}

# Types of scikit-learn's estimators that are not on skops' own list: arrays of tree nodes, the state of an optimiser,
# losses, the type of an array, and a check of arrays bound to its arguments. None of them can reach the system.
TRUSTED = (
    "functools.partial",
    "numpy.dtype",
    "sklearn._loss.loss.HalfTweedieLoss",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils.validation.check_array",
)
ALLOWED = "scikit-learn's own estimators"
TAKE_MISSING = "declare `training.impute`, or an estimator that takes missing values"


class Classifier(Protocol):
    """A fitted scikit-learn-compatible classifier."""

    def predict_proba(self, matrix: Matrix) -> Matrix: ...


class Regressor(Protocol):
    """A fitted scikit-learn-compatible regressor."""

    def predict(self, matrix: Matrix) -> Matrix: ...


def _probabilities(estimator: Classifier | Regressor, matrix: Matrix) -> Matrix:
    return cast(Classifier, estimator).predict_proba(matrix)[:, 1]


def _numbers(estimator: Classifier | Regressor, matrix: Matrix) -> Matrix:
    return np.asarray(cast(Regressor, estimator).predict(matrix), dtype=np.float64).reshape(len(matrix))


_RAW_SCORES: Mapping[Prediction, Callable[[Classifier | Regressor, Matrix], Matrix]] = {
    PROBABILITY: _probabilities,
    NUMBER: _numbers,
}


@dataclass(frozen=True)
class ModelPackage:
    """A fitted model with its preprocessing and the profile of its training rows.

    Attributes:
        estimator: The fitted estimator.
        encoder: Encodes feature columns as its matrix.
        reference: The histograms of its training rows.
        calibration: Maps its raw scores to probabilities; None if they are not calibrated.
        prediction: What it predicts.
    """

    estimator: Classifier | Regressor
    encoder: Encoder
    reference: ModelReference
    calibration: Calibration | None = None
    prediction: Prediction = PROBABILITY

    def score(self, rows: pa.Table | pa.RecordBatch) -> Matrix:
        """The probability of the positive class of every row, or the number predicted for it, shape (rows,).

        Invalid scores are returned as they are: the gate and the night's audit refuse them.

        Raises:
            TerminalError: If a feature that the model needs is absent, or the estimator refuses the rows.
        """
        if rows.num_rows == 0:
            return np.empty(0)
        matrix = self.encoder.matrix(rows)
        try:
            raw = np.asarray(_RAW_SCORES[self.prediction](self.estimator, matrix), dtype=np.float64)
        except Exception as error:  # an estimator of the user's own may raise anything
            raise self._refusal(matrix, error) from error
        return raw if self.calibration is None else self.calibration.apply(raw)

    def _refusal(self, matrix: Matrix, error: Exception) -> TerminalError:
        """The error of rows that the estimator refused: it names the features that lack values."""
        gaps, kind = self.encoder.gaps(matrix), type(self.estimator)
        return TerminalError(
            f"the estimator refused the rows by {type(error).__name__}: {first_line(error)}",
            where=f"{kind.__module__}.{kind.__qualname__}",
            received=gaps or f"{len(matrix)} rows, no missing value",
            fix=f"{TAKE_MISSING}, and train a new version" if gaps else "train a new version, or roll back",
        )

    def dump(self) -> dict[str, bytes]:
        """The package as files.

        Raises:
            TerminalError: If the estimator holds a type that is not trusted.
        """
        content = store_estimator(self.estimator)
        files = {
            ESTIMATOR: content,
            ENCODER: json.dumps(self.encoder.to_json(), indent=1).encode(),
            REFERENCE: json.dumps(self.reference.to_json()).encode(),
        }
        if self.calibration is not None:
            files[CALIBRATION] = json.dumps(calibration_to_json(self.calibration)).encode()
        if task := STORED_TASKS.get(self.prediction):
            files[TASK] = json.dumps({"task": task}).encode()
        return files


def store_estimator(estimator: Any) -> bytes:
    """An estimator as an archive that can be loaded without executing code; equal estimators give equal bytes.

    Raises:
        TerminalError: If it holds a type that is not trusted.
    """
    import skops.io

    try:
        content = canonical(skops.io.dumps(estimator))
    except Exception as error:  # an estimator of the user's own may hold anything
        raise TerminalError(f"the estimator cannot be stored: {first_line(error)}", allowed=ALLOWED) from None
    if unknown := sorted(set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED)):
        raise TerminalError(
            "the estimator holds a type that is not trusted and could not be loaded for scoring",
            received=unknown[0],
            allowed=ALLOWED,
            fix="use another estimator class",
        )
    return content


def canonical(archive: bytes) -> bytes:
    """A skops archive that depends on the estimator alone.

    skops names the parts by their addresses in memory and adds timestamps; here they are numbered in the order of the
    archive's schema, so that equal estimators make equal files.
    """
    source = zipfile.ZipFile(io.BytesIO(archive))
    numbers: dict[int, int] = {}
    names: dict[str, str] = {}

    def renumber(node: Any) -> Any:
        if isinstance(node, list):
            return [renumber(item) for item in node]
        if not isinstance(node, dict):
            return node
        node = dict(node)
        if "__id__" in node:
            node["__id__"] = numbers.setdefault(node["__id__"], len(numbers))
        if isinstance(node.get("file"), str):
            ending = node["file"].rpartition(".")[2]
            node["file"] = names.setdefault(node["file"], f"{len(names)}.{ending}")
        return {key: renumber(value) for key, value in node.items()}

    schema = renumber(json.loads(source.read(SCHEMA)))
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as target:
        for old, new in names.items():
            target.writestr(zipfile.ZipInfo(new, EPOCH), source.read(old), zipfile.ZIP_DEFLATED)
        target.writestr(zipfile.ZipInfo(SCHEMA, EPOCH), json.dumps(schema), zipfile.ZIP_DEFLATED)
    return sink.getvalue()


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


def _stored_prediction(files: Mapping[str, bytes]) -> Prediction:
    """What a stored package predicts."""
    if TASK not in files:
        return PROBABILITY
    task = json.loads(files[TASK])["task"]
    return next(prediction for prediction, stored in STORED_TASKS.items() if stored == task)


def load_package(files: dict[str, bytes], digest: str) -> ModelPackage:
    """Loads a package after verifying its digest.

    Raises:
        TerminalError: If the digest differs, or the estimator holds a type that is not trusted.
    """
    verify_digest(files, digest)
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        estimator = skops.io.loads(files[ESTIMATOR], trusted=list(TRUSTED))
    except UntrustedTypesFoundException as error:
        raise TerminalError(
            f"the model's artifact was not loaded: {first_line(error)}", fix="roll back to another version"
        ) from None
    encoder = Encoder.from_json(json.loads(files[ENCODER]))
    calibration = calibration_from_json(json.loads(files[CALIBRATION])) if CALIBRATION in files else None
    return ModelPackage(estimator, encoder, load_reference(files), calibration, _stored_prediction(files))


def learned_features(files: Mapping[str, bytes]) -> tuple[str, ...]:
    """The features that a package's model uses; the estimator stays unloaded."""
    return tuple(json.loads(files[ENCODER])["types"])


def load_reference(files: Mapping[str, bytes]) -> ModelReference:
    """The reference of a package's files; the estimator stays unloaded."""
    return ModelReference.from_json(json.loads(files[REFERENCE]))
