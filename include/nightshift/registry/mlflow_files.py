"""The files that make a stored package an MLflow model: whatever takes such a model takes a version.

They follow MLflow's format of a model with the `python_function` flavor. `mlflow.pyfunc.save_model` is not used: it
would import all of MLflow in every training. They are no part of the package's digest, since they name the run: equal
models have equal digests.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from itertools import accumulate
from typing import Any

import yaml

from nightshift.definition.value import DECISION
from nightshift.definition.yaml_nodes import compose, entries
from nightshift.errors import TerminalError
from nightshift.registry.bins import NumberBins
from nightshift.registry.estimators import libraries_of
from nightshift.registry.package import ModelPackage
from nightshift.registry.reference import ReferenceColumn

MLMODEL, REQUIREMENTS = "MLmodel", "requirements.txt"
PYTHON_ENV, CONDA_ENV = "python_env.yaml", "conda.yaml"
EXAMPLE, REQUEST = "input_example.json", "serving_input_example.json"
MLFLOW_FILES = frozenset({MLMODEL, REQUIREMENTS, PYTHON_ENV, CONDA_ENV, EXAMPLE, REQUEST})
# In which MLflow notes what version it downloaded: into the artifact itself, if that is on this machine.
DOWNLOADED = "registered_model_meta"

LOADER = "nightshift.registry.pyfunc"
TYPES = {"number": "double", "category": "string"}
# Beside the estimator's own.
LIBRARIES = ("mlflow", "numpy", "pandas", "pyarrow", "pydantic-settings", "scikit-learn", "scipy", "skops")


def mlflow_files(package: ModelPackage, artifact: str, run_id: str) -> dict[str, bytes]:
    """The files to store beside a package.

    Args:
        package: The package.
        artifact: The artifact that both are stored as.
        run_id: The run that trained the model, whose tags have its digest.
    """
    types, python = package.encoder.types, platform.python_version()
    requirements = _requirements(package)
    example = {"columns": list(types), "data": [typical_row(package)]}
    model = {
        "artifact_path": artifact,
        "run_id": run_id,
        "flavors": {
            "python_function": {
                "loader_module": LOADER,
                "python_version": python,
                "env": {"virtualenv": PYTHON_ENV, "conda": CONDA_ENV},
                "config": {"digest": "", "mlflow_digest": ""},
            }
        },
        "mlflow_version": version("mlflow"),
        "signature": {
            "inputs": _columns({name: TYPES[kind] for name, kind in types.items()}, required=False),
            "outputs": _columns(_outputs(package)),
            "params": None,
        },
        "saved_input_example_info": {
            "artifact_path": EXAMPLE,
            "type": "dataframe",
            "pandas_orient": "split",
            "serving_input_path": REQUEST,
        },
    }
    conda = {"channels": ["conda-forge"], "dependencies": [f"python={python}", "pip", {"pip": requirements}]}
    return {
        MLMODEL: _yaml(model),
        REQUIREMENTS: "".join(f"{line}\n" for line in requirements).encode(),
        PYTHON_ENV: _yaml({"python": python, "dependencies": [f"-r {REQUIREMENTS}"]}),
        CONDA_ENV: _yaml({"name": "nightshift", **conda}),
        EXAMPLE: json.dumps(example).encode(),
        REQUEST: json.dumps({"dataframe_split": example}).encode(),
    }


def package_of(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of the package, of those that are stored with it."""
    return {name: content for name, content in files.items() if name not in {*MLFLOW_FILES, DOWNLOADED}}


def run_of(model: bytes) -> str:
    """The run that trained a model.

    Args:
        model: The content of its file `MLmodel`.

    Raises:
        TerminalError: If the file does not name the run.
    """
    try:
        run = dict(entries(compose(model))).get("run_id")
    except yaml.YAMLError:
        run = None
    if isinstance(run, yaml.ScalarNode):
        return str(run.value)
    raise TerminalError("the file names no run: it is damaged", where=MLMODEL, fix="train a new version")


def _requirements(package: ModelPackage) -> list[str]:
    """The pinned libraries that score: those that were there when the model was stored.

    Without Nightshift itself: a public index may have somebody else's package of that name.
    """
    libraries = libraries_of(package.estimator) | {name: version(name) for name in LIBRARIES}
    return [f"{name}=={number}" for name, number in sorted(libraries.items())]


def _outputs(package: ModelPackage) -> dict[str, str]:
    """The columns of scored rows with MLflow's names of their types."""
    if package.classes is None:
        return {"score": "double"} | ({DECISION: "boolean"} if package.threshold else {})
    return {"prediction": "string", "score": "double", **dict.fromkeys(package.classes.columns, "double")}


def _columns(types: Mapping[str, str], *, required: bool = True) -> str:
    return json.dumps([{"type": kind, "name": name, "required": required} for name, kind in types.items()])


def typical_row(package: ModelPackage) -> list[float | str | None]:
    """A row of the medians and of the most frequent categories: no row of anybody's."""
    columns = package.reference.features
    return [_typical(columns[name]) if name in columns else None for name in package.encoder.types]


def _typical(column: ReferenceColumn) -> float | str | None:
    """The mean of the median's bin, or the most frequent value; None of a column without values."""
    bins = column.bins
    if isinstance(bins, NumberBins):
        counts, values = column.counts[: len(bins.centers)], bins.centers
        middle = _first(total * 2 >= sum(counts) for total in accumulate(counts))
        return values[middle] if sum(counts) and middle is not None else None
    counts = column.counts[: len(bins.values)]
    return bins.values[counts.index(max(counts))] if counts else None


def _first(conditions: Iterable[bool]) -> int | None:
    return next((place for place, is_met in enumerate(conditions) if is_met), None)


def _yaml(document: Mapping[str, Any]) -> bytes:
    return str(yaml.safe_dump(dict(document), sort_keys=False)).encode()
