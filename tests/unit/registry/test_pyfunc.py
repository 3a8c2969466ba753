"""A version is a model of MLflow: its tools load it, show it and score with it, and refuse what was not registered."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml
from databases import copy_mlflow
from mlflow.models import Model
from sklearn.linear_model import LogisticRegression

from nightshift.definition.prediction import CLASS
from nightshift.errors import NightshiftError
from nightshift.project import Project
from nightshift.registry.classes import LabelClasses
from nightshift.registry.encoder import Encoder
from nightshift.registry.mlflow_files import MLFLOW_FILES, mlflow_files
from nightshift.registry.package import ModelPackage, load_package, package_digest
from nightshift.registry.pyfunc import VersionModel
from nightshift.registry.reference import NO_REFERENCE
from nightshift.registry.store import ARTIFACT, MLFLOW_DIGEST
from nightshift.training.fit import fit
from unit.registry.trainings import Start, artifact
from unit.training.machines import machines

CHAMPION = "models:/tiny@champion"
FEATURES = ["busy", "kind", "machine_failures_3d"]


@pytest.fixture(autouse=True)
def tracking(project: Project) -> Iterator[None]:
    """What a team's tools know: the address of the tracking server."""
    mlflow.set_tracking_uri(project.settings.tracking_uri)
    yield
    mlflow.set_tracking_uri("")


def rows(count: int = 50) -> pd.DataFrame:
    frame = machines(count, seed=7).select(FEATURES).to_pandas()
    frame.loc[3, "kind"] = None
    frame.loc[4, "busy"] = np.nan
    frame.loc[5, "kind"] = "never seen"
    return frame


def expected(project: Project, frame: pd.DataFrame) -> np.ndarray:
    """The scores of a night with these features, whose missing values are null."""
    champion = project.champions.require_champion()
    package = project.registry.package(champion.run_id, champion.digest)
    return package.score(pa.Table.from_pandas(frame, preserve_index=False))


def test_mlflow_loads_the_champion_and_gives_the_scores_of_a_night(start: Start, project: Project) -> None:
    start(2)
    model, frame = mlflow.pyfunc.load_model(CHAMPION), rows()
    scored = model.predict(frame)
    assert list(scored.columns) == ["score"]
    assert np.array_equal(scored["score"].to_numpy(), expected(project, frame))
    assert model.metadata.run_id == project.champions.require_champion().run_id


def test_columns_may_have_another_order_and_others_may_be_beside_them(start: Start, project: Project) -> None:
    start(2)
    frame = rows()
    mixed = frame[FEATURES[::-1]].assign(machine="m1").set_index(pd.Index(range(100, 150)))
    scored = mlflow.pyfunc.load_model(CHAMPION).predict(mixed)
    assert np.array_equal(scored["score"].to_numpy(), expected(project, frame))
    assert list(scored.index) == list(mixed.index)


def test_its_signature_example_and_requirements_are_stored(start: Start) -> None:
    start(2)
    model = mlflow.pyfunc.load_model(CHAMPION)
    signature = model.metadata.signature
    assert signature.inputs.input_dict().keys() == set(FEATURES)
    assert {name: str(column.type) for name, column in signature.inputs.input_dict().items()} == {
        "busy": "DataType.double",
        "kind": "DataType.string",
        "machine_failures_3d": "DataType.double",
    }
    assert signature.outputs.input_names() == ["score"]
    example = model.input_example
    assert list(example.columns) == FEATURES
    assert len(model.predict(example)) == 1
    lines = Path(mlflow.artifacts.download_artifacts(CHAMPION), "requirements.txt").read_text().splitlines()
    assert all("==" in line for line in lines)
    assert {"scikit-learn", "numpy", "mlflow"} <= {line.partition("==")[0] for line in lines}


def test_mlflow_evaluates_a_version(start: Start) -> None:
    start(2)
    data = machines(60, seed=3).to_pandas()
    result = mlflow.models.evaluate(
        CHAMPION, data, targets="label", model_type="regressor", evaluator_config={"log_explainer": False}
    )
    scores = mlflow.pyfunc.load_model(CHAMPION).predict(data[FEATURES])["score"]
    assert result.metrics["mean_squared_error"] == pytest.approx(((scores - data["label"]) ** 2).mean())


def test_the_digest_of_a_model_names_no_run(project: Project) -> None:
    package = fit(project.definition, machines())
    first, second = (project.registry.start_run("2024-01-01", "", name) for name in ("first", "second"))
    digests = [project.registry.log_package(run, package) for run in (first, second)]
    assert digests[0] == digests[1] == package_digest(package.dump())


def replaced(name: str) -> Callable[[Path], None]:
    def tamper(folder: Path) -> None:
        (folder / name).write_bytes((folder / name).read_bytes().replace(b"0", b"1", 1) + b"\n")

    return tamper


def other_signature(folder: Path) -> None:
    document = yaml.safe_load((folder / "MLmodel").read_text())
    document["signature"]["outputs"] = json.dumps([{"type": "string", "name": "score", "required": True}])
    (folder / "MLmodel").write_text(yaml.safe_dump(document))


def another_file(folder: Path) -> None:
    (folder / "model.pkl").write_bytes(b"")


@pytest.mark.parametrize(
    "tamper",
    [replaced("encoder.json"), replaced("requirements.txt"), other_signature, another_file],
    ids=["package", "requirements", "MLmodel", "another file"],
)
def test_a_tampered_artifact_is_refused(start: Start, project: Project, tamper: Callable[[Path], None]) -> None:
    [model] = start(2)
    tamper(artifact(project, model.run_id))
    with pytest.raises(NightshiftError, match="not the one that was registered"):
        mlflow.pyfunc.load_model(CHAMPION)


def test_without_its_tracking_server_a_version_is_loaded_by_its_digest_alone(
    start: Start, project: Project, tmp_path: Path, empty_mlflow: Path
) -> None:
    [model] = start(2)
    (tmp_path / "container").mkdir()
    folder = mlflow.artifacts.download_artifacts(CHAMPION, dst_path=str(tmp_path / "container"))
    frame, scores = rows(), expected(project, rows())
    mlflow_digest = project.registry.run_tags(model.run_id)[MLFLOW_DIGEST]
    copy_mlflow(empty_mlflow, tmp_path / "other")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/other/mlflow/mlflow.db")
    with pytest.raises(NightshiftError, match=r"cannot be verified.*MLFLOW_TRACKING_URI"):
        mlflow.pyfunc.load_model(folder)
    with pytest.raises(NightshiftError, match="not the one that was registered"):
        mlflow.pyfunc.load_model(folder, model_config={"digest": "0" * 64})
    both = {"digest": model.digest, "mlflow_digest": mlflow_digest}
    for config in ({"digest": model.digest}, both):
        loaded = mlflow.pyfunc.load_model(folder, model_config=config)
        assert np.array_equal(loaded.predict(frame)["score"].to_numpy(), scores)
    requirements = Path(folder) / "requirements.txt"
    assert "nightshift" not in requirements.read_text()  # a public index has another package of that name
    requirements.write_text(f"{requirements.read_text()}\n")
    with pytest.raises(NightshiftError, match="not the one that was registered"):
        mlflow.pyfunc.load_model(folder, model_config=both)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (rows().drop(columns="busy"), "features are absent.*busy"),
        (rows().assign(busy="much"), "busy"),
    ],
    ids=["absent", "another type"],
)
def test_rows_without_a_feature_or_with_another_type_are_refused_by_name(
    start: Start, project: Project, frame: pd.DataFrame, message: str
) -> None:
    start(2)
    champion = project.champions.require_champion()
    package = project.registry.package(champion.run_id, champion.digest)
    with pytest.raises(NightshiftError, match=message):
        VersionModel(package).predict(frame)


def test_of_classes_the_prediction_and_every_probability_are_told() -> None:
    random = np.random.default_rng(1)
    matrix, labels = random.normal(size=(90, 2)), np.repeat(np.arange(3), 30)
    fitted = LogisticRegression().fit(matrix + labels[:, None], labels)
    encoder, classes = Encoder({"x": "number", "y": "number"}, {}), LabelClasses(("a", "b", "c"))
    package = ModelPackage(fitted, encoder, NO_REFERENCE, None, CLASS, classes, matrix[:5])
    scored = VersionModel(package).predict(pd.DataFrame(matrix, columns=["x", "y"]))
    probabilities = fitted.predict_proba(matrix)
    assert list(scored.columns) == ["prediction", "score", *classes.columns]
    assert np.array_equal(scored[list(classes.columns)].to_numpy(), probabilities)
    assert list(scored["prediction"]) == [classes.names[place] for place in probabilities.argmax(axis=1)]
    [inputs, outputs] = (json.loads(signature(package)[side]) for side in ("inputs", "outputs"))
    assert [column["name"] for column in outputs] == list(scored.columns)
    assert [column["name"] for column in inputs] == ["x", "y"]


def signature(package: ModelPackage) -> dict[str, Any]:
    return dict(yaml.safe_load(mlflow_files(package, ARTIFACT, "run")["MLmodel"])["signature"])


def test_every_file_is_known_and_says_what_mlflow_reads(project: Project, tmp_path: Path) -> None:
    package = fit(project.definition, machines())
    files = mlflow_files(package, ARTIFACT, "run")
    assert files.keys() == MLFLOW_FILES
    (tmp_path / "MLmodel").write_bytes(files["MLmodel"])
    assert Model.load(tmp_path).get_input_schema().input_names() == FEATURES
    assert load_package(package.dump(), package_digest(package.dump())).encoder.types.keys() == set(FEATURES)


# Loads a version as if nothing were installed but its requirements, with what these require, and Nightshift's folder.
WITH_ITS_REQUIREMENTS_ALONE = """
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from packaging.requirements import Requirement

tracking, model, requirements = sys.argv[1:]
pending, installed = [line.partition("==")[0] for line in requirements.split()], {"packaging"}
while pending:
    name = pending.pop().lower().replace("_", "-")
    try:
        needed = [] if name in installed else requires(name) or []
    except PackageNotFoundError:
        continue
    installed.add(name)
    pending += [r.name for r in map(Requirement, needed) if r.marker is None or r.marker.evaluate({"extra": ""})]
owners = {name: {owner.lower().replace("_", "-") for owner in of} for name, of in packages_distributions().items()}

class Blocker:
    def find_spec(self, name, path=None, target=None):
        of = owners.get(name.partition(".")[0], set())
        if of and not of & installed and name.partition(".")[0] != "nightshift":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
import mlflow

mlflow.set_tracking_uri(tracking)
loaded = mlflow.pyfunc.load_model(model)
print(loaded.predict(loaded.input_example)["score"][0])
"""


def test_its_requirements_are_all_that_scoring_needs_beside_nightshift(start: Start, project: Project) -> None:
    [model] = start(2)
    requirements = (artifact(project, model.run_id) / "requirements.txt").read_text()
    arguments = [project.settings.tracking_uri, CHAMPION, requirements]
    ended = subprocess.run(
        [sys.executable, "-c", WITH_ITS_REQUIREMENTS_ALONE, *arguments], capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    loaded = mlflow.pyfunc.load_model(CHAMPION)
    assert float(ended.stdout.split()[-1]) == loaded.predict(loaded.input_example)["score"][0]
