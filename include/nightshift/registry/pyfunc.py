"""Loads a version for MLflow: `mlflow.pyfunc.load_model("models:/flight_delay@champion")`.

As in the loop, the digest that was registered is verified first, only trusted types are loaded, and nothing is
unpickled.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from nightshift.errors import DataError, TerminalError, first_line
from nightshift.registry.encoder import FEATURE_ARROW
from nightshift.registry.mlflow_files import MLFLOW_FILES, MLMODEL, package_of, run_of
from nightshift.registry.package import ModelPackage, load_package, verify_digest
from nightshift.registry.store import DIGEST, MLFLOW_DIGEST
from nightshift.settings import get_settings


class VersionModel:
    """A version as MLflow's scoring server and `mlflow.pyfunc` use it.

    Args:
        package: The version's package.
    """

    def __init__(self, package: ModelPackage) -> None:
        self.package = package

    def predict(self, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Scores rows as a night does.

        Args:
            model_input: The features, by name; a missing value is None or NaN.
            params: None are used.

        Returns:
            `score` of each row, with the index of the rows: the probability of the positive class, or the number
            predicted; of a version with a threshold also the `decision`. Of a label that is a class: `prediction`, its
            probability as `score`, and each class's.

        Raises:
            DataError: If a feature is absent, or has values of another type.
        """
        rows = _feature_rows(model_input, self.package.encoder.types)
        columns = self.package.scored_columns(self.package.score(rows))
        return pd.DataFrame({name: values.to_pandas().array for name, values in columns.items()}, model_input.index)


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> VersionModel:
    """Loads a version from its folder; MLflow calls it by this name.

    Args:
        path: The folder.
        model_config: Where MLflow's tracking server does not answer, such as in a container: `digest` is the registered
            digest, and `mlflow_digest`, if given, that of MLflow's files.

    Raises:
        TerminalError: If the files are not those that were registered, or hold a type that is not trusted.
    """
    files = {str(file.relative_to(path)): file.read_bytes() for file in Path(path).rglob("*") if file.is_file()}
    config = model_config or {}
    digest = config.get("digest") or _registered_digest(files)
    if config.get("digest") and config.get("mlflow_digest"):
        _verify_mlflow_files(files, config["mlflow_digest"])
    return VersionModel(load_package(package_of(files), digest, get_settings().tree_sums))


def _registered_digest(files: Mapping[str, bytes]) -> str:
    """The digest that the run of a model has as a tag, once MLflow's own files agree with another.

    Raises:
        TerminalError: If the run cannot be read, has no digest, or MLflow's files are not those that were registered.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    run_id = run_of(files[MLMODEL])
    fix = "set MLFLOW_TRACKING_URI to its tracking server, or load it with model_config={'digest': …} as registered"
    try:
        tags = MlflowClient().get_run(run_id).data.tags
    except MlflowException as error:
        raise TerminalError(
            f"the model's digest cannot be verified: {first_line(error)}", where=f"run {run_id}", fix=fix
        ) from None
    if DIGEST not in tags or MLFLOW_DIGEST not in tags:
        raise TerminalError("the model's run has no digest", where=f"run {run_id}", fix="train a new version")
    _verify_mlflow_files(files, tags[MLFLOW_DIGEST])
    return str(tags[DIGEST])


def _verify_mlflow_files(files: Mapping[str, bytes], digest: str) -> None:
    verify_digest({name: content for name, content in files.items() if name in MLFLOW_FILES}, digest)


def _feature_rows(frame: pd.DataFrame, types: Mapping[str, str]) -> pa.Table:
    """The features of a frame as a table, with the types of a published feature table."""
    if missing := [name for name in types if name not in frame.columns]:
        absent, fix = ", ".join(missing), "send a column for each, with None where it is missing"
        raise DataError(f"features are absent: {absent}", allowed=", ".join(types), fix=fix)
    return pa.table({name: _values(frame[name], kind) for name, kind in types.items()})


def _values(column: pd.Series[Any], kind: str) -> pa.Array:
    try:
        values = column.astype("float64") if kind == "number" else column
        return pa.array(values, FEATURE_ARROW[kind], from_pandas=True)
    except (TypeError, ValueError, pa.ArrowException) as error:
        raise DataError(
            f"values of another type: {first_line(error)}",
            where=str(column.name),
            received=str(column.dtype),
            allowed=kind,
        ) from None
