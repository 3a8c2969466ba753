"""Whoever can write to the artifact store makes nobody run code: not who scores, judges, measures or goes back."""

from __future__ import annotations

import io
import json
import os
import pickle
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest
import skops.io
from sklearn.preprocessing import FunctionTransformer

from nightshift.errors import TerminalError
from nightshift.project import Project
from nightshift.registry.estimators.scikit_learn import ESTIMATOR, SCHEMA
from nightshift.registry.mlflow_files import package_of
from nightshift.registry.package import load_package, package_digest
from nightshift.registry.store import DIGEST
from unit.registry.test_package import Bomb
from unit.registry.trainings import Start, artifact

# Imported, it leaves a mark; so does anything that is made of it.
MODULE = """
from pathlib import Path

MARK = Path({mark!r})
MARK.touch()


class Evil:
    def __init__(self, *args, **options):
        MARK.touch()

    __setstate__ = __init__
"""


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is there once anything of a planted artifact has run."""
    (tmp_path / "evil_module.py").write_text(MODULE.format(mark=str(tmp_path / "mark")))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "evil_module", raising=False)
    return tmp_path / "mark"


def add_file(folder: Path, mark: Path) -> None:
    """A pickle among the files, under a name that a loader might look for."""
    for name in ("model.pkl", "estimator.joblib"):
        (folder / name).write_bytes(pickle.dumps(Bomb(mark)))


def below(folder: Path, mark: Path) -> None:
    (folder / "code").mkdir()
    (folder / "code" / "model.pkl").write_bytes(pickle.dumps(Bomb(mark)))


def instead(folder: Path, mark: Path) -> None:
    (folder / ESTIMATOR).write_bytes(pickle.dumps(Bomb(mark)))


def untrusted(folder: Path, mark: Path) -> None:
    """A skops archive whose estimator is of a type of the attacker's own."""
    with zipfile.ZipFile(folder / ESTIMATOR) as archive:
        schema = json.loads(archive.read(SCHEMA))
        parts = {name: archive.read(name) for name in archive.namelist()}
    schema |= {"__module__": "evil_module", "__class__": "Evil"}
    with zipfile.ZipFile(folder / ESTIMATOR, "w") as archive:
        for name, content in (parts | {SCHEMA: json.dumps(schema).encode()}).items():
            archive.writestr(name, content)


def function(folder: Path, mark: Path) -> None:
    """A skops archive of scikit-learn's own types that calls a function of the system."""
    (folder / ESTIMATOR).write_bytes(skops.io.dumps(FunctionTransformer(func=os.mkdir, kw_args={"path": str(mark)})))


def changed(folder: Path, mark: Path) -> None:
    (folder / "reference.json").write_bytes(b'{"busy": 1}')


PLANTED = [add_file, below, instead, untrusted, function, changed]


def readers(project: Project) -> dict[str, Callable[[], Any]]:
    """Whoever reads the first version's artifact."""
    version = project.registry.version(1)
    return {
        "who scores or judges": lambda: project.registry.package(version.run_id, version.digest),
        "who hands it to Spark's workers": lambda: project.registry.package_files(version.run_id, version.digest),
        "who measures drift": lambda: project.registry.reference(version),
        "who goes back": lambda: project.champions.roll_back("me", 1, force=True),
        "who loads it by MLflow": lambda: load_by_mlflow(project, "models:/tiny/1"),
    }


def load_by_mlflow(project: Project, address: str) -> mlflow.pyfunc.PyFuncModel:
    mlflow.set_tracking_uri(project.settings.tracking_uri)
    try:
        return mlflow.pyfunc.load_model(address)
    finally:
        mlflow.set_tracking_uri("")


@pytest.mark.parametrize("plant", PLANTED)
def test_what_was_planted_is_refused_by_its_digest_and_never_runs(
    project: Project, start: Start, mark: Path, plant: Callable[[Path, Path], None]
) -> None:
    first, _ = start(3, 4)
    plant(artifact(project, first.run_id), mark)
    for who, read in readers(project).items():
        with pytest.raises(TerminalError, match=r"artifact (is not the one that was registered|cannot be read)"):
            read()
        assert not mark.exists(), who
        assert "evil_module" not in sys.modules, who
    assert project.champions.require_champion().number == 2


@pytest.mark.parametrize("plant", [untrusted, function])
def test_a_type_that_is_not_trusted_never_runs_even_if_the_digest_was_changed_with_it(
    project: Project, start: Start, mark: Path, plant: Callable[[Path, Path], None]
) -> None:
    """Whoever can also write to MLflow's database can make the digest fit, of what scores and is judged."""
    first, _ = start(3, 4)
    folder = artifact(project, first.run_id)
    plant(folder, mark)
    digest = package_digest(package_of({file.name: file.read_bytes() for file in folder.iterdir()}))
    project.registry.client.set_model_version_tag("tiny", "1", DIGEST, digest)
    with pytest.raises(TerminalError, match=r"the model's artifact was not loaded: .*(evil_module\.Evil|posix\.mkdir)"):
        project.registry.package(first.run_id, project.registry.version(1).digest)
    with pytest.raises(TerminalError, match="its digest in MLflow is not the one it was registered with"):
        project.champions.roll_back("me", 1, force=True)
    assert not mark.exists()
    assert "evil_module" not in sys.modules


def test_what_is_planted_here_would_run_if_it_were_trusted(project: Project, start: Start, mark: Path) -> None:
    [model] = start(3)
    folder = artifact(project, model.run_id)
    untrusted(folder, mark)
    content = (folder / ESTIMATOR).read_bytes()
    skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))
    assert mark.exists()
    mark.unlink()
    pickle.load(io.BytesIO(pickle.dumps(Bomb(mark))))
    assert mark.exists()
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(TerminalError, match="was not loaded"):
        load_package(files, package_digest(files))
