"""The registry: MLflow runs, versions and the alias `champion`."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from filelock import FileLock

from nightshift.errors import NotYetAvailable, TerminalError, first_line
from nightshift.registry.package import REFERENCE, ModelPackage, load_package, package_digest, verify_digest
from nightshift.settings import Settings

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

CHAMPION = "champion"
DIGEST, NIGHT, REASON = "nightshift.digest", "nightshift.as_of", "nightshift.reason"
MLFLOW_PARENT_RUN_ID = "mlflow.parentRunId"
ARTIFACT, LINEAGE = "model", "lineage"


@dataclass(frozen=True)
class Version:
    """A registered version of a model."""

    number: int
    run_id: str
    digest: str
    as_of: str


class Registry:
    """One model's runs and versions.

    Args:
        settings: Where MLflow is.
        model: The model's name; its experiment and its registered model carry it.
    """

    def __init__(self, settings: Settings, model: str) -> None:
        self.settings, self.model = settings, model
        self.client = _client(settings)

    def start_run(self, as_of: str, reason: str, name: str) -> str:
        """Opens a run for one training and returns its id."""
        run = self.client.create_run(self._experiment(), run_name=name, tags={NIGHT: as_of, REASON: reason})
        return str(run.info.run_id)

    def log(self, run_id: str, *, params: dict[str, Any], metrics: dict[str, float], tags: dict[str, str]) -> None:
        """Adds parameters, metrics and tags to a run."""
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        self.client.log_batch(
            run_id,
            metrics=[Metric(name, number, now, 0) for name, number in metrics.items()],
            params=[Param(name, str(value)) for name, value in params.items()],
            tags=[RunTag(name, text) for name, text in tags.items()],
        )

    def log_package(self, run_id: str, package: ModelPackage) -> str:
        """Stores a package with its run and returns its digest."""
        files = package.dump()
        with tempfile.TemporaryDirectory() as folder:
            for name, content in files.items():
                (Path(folder) / name).write_bytes(content)
            self.client.log_artifacts(run_id, folder, ARTIFACT)
        digest = package_digest(files)
        self.client.set_tag(run_id, DIGEST, digest)
        return digest

    def log_lineage(self, run_id: str, lineage: dict[str, Any], definition: Mapping[str, bytes]) -> None:
        """Stores what a run's model is made from, with the definition as it is."""
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "lineage.json").write_text(json.dumps(lineage, indent=1))
            (Path(folder) / "definition").mkdir()
            for name, content in definition.items():
                (Path(folder) / "definition" / name).write_bytes(content)
            self.client.log_artifacts(run_id, folder, LINEAGE)

    def log_trials(self, run_id: str, trials: Sequence[tuple[Mapping[str, Any], Sequence[float]]]) -> None:
        """Keeps what a search tried, each as a child of the run: the parameters, and the metric of each fold."""
        for params, scores in trials:
            name = ", ".join(f"{key} {value}" for key, value in params.items())
            child = self.client.create_run(self._experiment(), run_name=name, tags={MLFLOW_PARENT_RUN_ID: run_id})
            metrics = {f"fold_{number}": score for number, score in enumerate(scores, 1)}
            self.log(child.info.run_id, params=dict(params), metrics=metrics | {"mean": mean(scores)}, tags={})
            self.client.set_terminated(child.info.run_id)

    def lineage(self, run_id: str) -> tuple[dict[str, Any], dict[str, bytes]]:
        """What a run's model was made from, and its definition as it was.

        Raises:
            TerminalError: If the run does not say.
        """
        from mlflow.exceptions import MlflowException

        try:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(self.client.download_artifacts(run_id, LINEAGE, folder))
                told = json.loads((path / "lineage.json").read_text())
                return told, {file.name: file.read_bytes() for file in (path / "definition").iterdir()}
        except (MlflowException, OSError) as error:
            raise TerminalError(
                f"the model's lineage cannot be read: {first_line(error)}",
                where=f"{self.model}, run {run_id}",
                fix="restore the artifact store; a version trained before lineage was kept cannot be made again",
            ) from None

    def end_run(self, run_id: str, *, failed: bool = False) -> None:
        """Closes a run."""
        self.client.set_terminated(run_id, "FAILED" if failed else "FINISHED")

    def run_tags(self, run_id: str) -> dict[str, str]:
        """The tags of a run."""
        return dict(self.client.get_run(run_id).data.tags)

    def files(self, run_id: str, digest: str) -> dict[str, bytes]:
        """A run's package as files, verified to be those that were registered.

        Raises:
            TerminalError: If the artifact is gone or is not the one that was registered.
        """
        from mlflow.exceptions import MlflowException

        try:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(self.client.download_artifacts(run_id, ARTIFACT, folder))
                found = {file.name: file.read_bytes() for file in path.iterdir()}
        except (MlflowException, OSError) as error:
            raise TerminalError(
                f"the model's artifact cannot be read: {first_line(error)}",
                where=f"{self.model}, run {run_id}",
                fix="restore the artifact store, or roll back to another version",
            ) from None
        verify_digest(found, digest)
        return found

    def package(self, run_id: str, digest: str) -> ModelPackage:
        """A run's package, verified and loaded."""
        return load_package(self.files(run_id, digest), digest)

    def reference(self, version: Version) -> dict[str, Any]:
        """The profile of what a version learned from; the estimator stays unloaded."""
        return dict(json.loads(self.files(version.run_id, version.digest)[REFERENCE]))

    def champion(self) -> Version | None:
        """The version that makes the published scores, if there is one."""
        from mlflow.exceptions import MlflowException

        try:
            found = self.client.get_model_version_by_alias(self.model, CHAMPION)
        except MlflowException as error:
            if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                return None
            raise
        return _version(found)

    def version(self, number: int) -> Version:
        """A version by its number."""
        return _version(self.client.get_model_version(self.model, str(number)))

    def require_champion(self) -> Version:
        """The champion.

        Raises:
            NotYetAvailable: If no version has passed the gate yet.
        """
        if (champion := self.champion()) is None:
            raise NotYetAvailable(
                "no champion: no version has passed the gate yet",
                where=self.model,
                fix=f"trigger the DAG {self.model}.train and look at its gate",
            )
        return champion

    def promote(self, run_id: str, note: str) -> Version:
        """Registers a run's package, once, and makes it the champion."""
        from mlflow.exceptions import MlflowException

        with self._lock():
            try:
                self.client.create_registered_model(self.model)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            same = self.client.search_model_versions(f"name = '{self.model}' and run_id = '{run_id}'")
            found = same[0] if same else self._create_version(run_id, note)
            self.client.set_registered_model_alias(self.model, CHAMPION, str(found.version))
        return _version(found)

    def _create_version(self, run_id: str, note: str) -> Any:
        tags = {name: value for name, value in self.run_tags(run_id).items() if name.startswith("nightshift.")}
        source = f"{self.client.get_run(run_id).info.artifact_uri}/{ARTIFACT}"
        return self.client.create_model_version(self.model, source, run_id, tags=tags, description=note)

    def _experiment(self) -> str:
        with self._lock():
            found = self.client.get_experiment_by_name(self.model)
            if found is not None:
                return str(found.experiment_id)
            return str(self.client.create_experiment(self.model, f"{self.settings.artifact_root}/{self.model}"))

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with FileLock(_lock_folder(self.settings) / f"registry.{self.model}.lock"):
            yield


def _client(settings: Settings) -> Any:
    """An MLflow client; the first one of an installation creates the store, alone."""
    from mlflow import MlflowClient

    uri = settings.tracking_uri
    if uri.startswith("sqlite:///"):
        Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    with FileLock(_lock_folder(settings) / "registry.lock"):
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_experiments(max_results=1)
    return client


def _lock_folder(settings: Settings) -> Path:
    folder = settings.var_path / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _version(found: Any) -> Version:
    tags = dict(found.tags)
    return Version(int(found.version), str(found.run_id), tags[DIGEST], tags.get(NIGHT, ""))
