"""The registry: MLflow runs, versions and the aliases `champion` and `challenger`."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from statistics import mean
from typing import Any

from nightshift.definition.prediction import Prediction
from nightshift.errors import TerminalError, first_line
from nightshift.json_documents import parse_object
from nightshift.pages.markdown import markdown_text
from nightshift.registry.classes import LabelClasses
from nightshift.registry.client import (
    DELETED,
    MlflowRefusal,
    ignore_absent,
    restore_experiment,
    restore_run,
)
from nightshift.registry.database import open_client
from nightshift.registry.mlflow_files import mlflow_files, package_of
from nightshift.registry.package import (
    ModelPackage,
    load_package,
    load_reference,
    package_digest,
    stored_classes,
    stored_prediction,
    verify_digest,
)
from nightshift.registry.reference import ModelReference
from nightshift.registry.stored_expectation import parse_expectation
from nightshift.settings import Settings
from nightshift.state import open_state

CHAMPION, CHALLENGER = "champion", "challenger"
DIGEST, NIGHT, REASON, GATE = "nightshift.digest", "nightshift.as_of", "nightshift.reason", "nightshift.gate"
GATE_SUMMARY = "nightshift.gate.summary"
MLFLOW_DIGEST = "nightshift.mlflow_digest"  # of the files by which MLflow knows the model
TRAINED_BEFORE = "nightshift.trained_before"
TRAINED = "nightshift.trained_from", TRAINED_BEFORE
REFIT_OF = "nightshift.refit_of"  # the run of the model that the gate judged, of one that was fitted again
# Tags of the registered model: the event that each alias is confirmed to agree with.
CONFIRMED_EVENT_TAGS = {CHAMPION: "nightshift.settled", CHALLENGER: "nightshift.settled.challenger"}
ARTIFACT, LINEAGE, DEFINITION, EXPECTATION = "model", "lineage", "definition", "expectation"
EXPECTATION_FILE = "expectation.json"
MLFLOW_PARENT_RUN_ID = "mlflow.parentRunId"


@dataclass(frozen=True)
class Version:
    """A registered version of a model.

    Attributes:
        number: Its number.
        run_id: The MLflow run that trained it.
        digest: The digest of its artifact; empty if it was not registered by a training.
        as_of: The date it was trained as of.
        tags: The tags of its run when it was registered.
    """

    number: int
    run_id: str
    digest: str
    as_of: str
    tags: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def gate(self) -> str:
        """The gate's verdict; empty if it was never judged."""
        return self.tags.get(GATE, "")

    @property
    def refit_of(self) -> str:
        """The run of the model that the gate judged, if the version was fitted again; else empty."""
        return self.tags.get(REFIT_OF, "")

    def has_learned(self, day: date) -> bool:
        """Whether it learned from rows of a date or of later ones; not, if that is not known."""
        return date.fromisoformat(self.tags.get(TRAINED_BEFORE, str(date.min))) > day


class Registry:
    """One model's runs and versions.

    Args:
        settings: The settings, which name the MLflow store.
        model: The model's name; its experiment and its registered model carry it.

    Raises:
        TransientError: If MLflow does not answer, here or in any method.
    """

    def __init__(self, settings: Settings, model: str) -> None:
        self.settings, self.model = settings, model
        self.client = open_client(settings)

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
        """Stores a package with its run, as a model of MLflow, and returns its digest."""
        files, of_mlflow = package.dump(), mlflow_files(package, ARTIFACT, run_id)
        self._upload(run_id, ARTIFACT, files | of_mlflow)
        digest = package_digest(files)
        self.client.set_tag(run_id, DIGEST, digest)
        self.client.set_tag(run_id, MLFLOW_DIGEST, package_digest(of_mlflow))
        return digest

    def log_lineage(self, run_id: str, lineage: dict[str, Any], definition: Mapping[str, bytes]) -> None:
        """Stores the lineage of a run's model, with the files of its definition."""
        files = {f"{DEFINITION}/{name}": content for name, content in definition.items()}
        self._upload(run_id, LINEAGE, files | {"lineage.json": json.dumps(lineage, indent=1).encode()})

    def log_trials(self, run_id: str, trials: Sequence[tuple[Mapping[str, Any], Sequence[float]]]) -> None:
        """Stores the trials of a search, each as a child of the run: the parameters, and the metric of each fold."""
        for params, scores in trials:
            name = ", ".join(f"{key} {value}" for key, value in params.items())
            child = self.client.create_run(self._experiment(), run_name=name, tags={MLFLOW_PARENT_RUN_ID: run_id})
            metrics = {f"fold_{number}": score for number, score in enumerate(scores, 1)}
            self.log(child.info.run_id, params=dict(params), metrics=metrics | {"mean": mean(scores)}, tags={})
            self.client.set_terminated(child.info.run_id)

    def lineage(self, run_id: str) -> tuple[dict[str, Any], dict[str, bytes]]:
        """The lineage of a run's model, and the files of its definition.

        Raises:
            TerminalError: If the run has no lineage.
        """
        fix = "restore the artifact store; a version that was trained before lineage was stored cannot be reproduced"
        files = self._download(run_id, LINEAGE, "lineage", fix)
        lineage = parse_object(files.pop("lineage.json"), f"run {run_id}: {LINEAGE}/lineage.json", {}, fix)
        return lineage, {name.removeprefix(f"{DEFINITION}/"): content for name, content in files.items()}

    def log_expectation(self, run_id: str, expectation: dict[str, Any]) -> None:
        """Stores the performance to expect of nights that a run's model will score."""
        self._upload(run_id, EXPECTATION, {EXPECTATION_FILE: json.dumps(expectation).encode()})

    def expectation(self, number: int) -> dict[str, Any] | None:
        """The performance to expect of a version's nights; None if there is no such version or expectation.

        Raises:
            TerminalError: If the version's files cannot be read, or are damaged.
        """
        if (version := self.versions().get(number)) is None:
            return None
        artifacts = {file.path for file in self.client.list_artifacts(version.run_id)}
        if ARTIFACT in artifacts and EXPECTATION not in artifacts:
            return None  # it was trained before expectations were stored
        fix = "restore the artifact store"
        files = self._download(version.run_id, EXPECTATION, "expectation", fix)
        where = f"run {version.run_id}: {EXPECTATION}/{EXPECTATION_FILE}"
        return parse_expectation(files.get(EXPECTATION_FILE, b""), where, fix)

    def has_run(self, run_id: str) -> bool:
        """Whether MLflow has a run, deleted or not."""
        with ignore_absent():
            return bool(self.client.get_run(run_id))
        return False

    def require_active(self, run_id: str) -> None:
        """Requires that a run can be written to.

        Raises:
            TerminalError: If it or its experiment was deleted in MLflow.
        """
        run = self.client.get_run(run_id).info
        if run.lifecycle_stage == DELETED:
            self._experiment()
            raise TerminalError(
                "the model's run was deleted in MLflow", where=self.model, received=run_id, fix=restore_run(run_id)
            )

    def end_run(self, run_id: str, *, failed: bool = False) -> None:
        """Closes a run."""
        self.client.set_terminated(run_id, "FAILED" if failed else "FINISHED")

    def run_tags(self, run_id: str) -> dict[str, str]:
        """The tags of a run."""
        return dict(self.client.get_run(run_id).data.tags)

    def artifact_url(self, run_id: str, name: str) -> str:
        """The address of a run's artifact in MLflow's UI."""
        experiment = self.client.get_run(run_id).info.experiment_id
        return f"{self.settings.mlflow_url}/#/experiments/{experiment}/runs/{run_id}/artifacts/{name}"

    def metrics(self, run_id: str) -> dict[str, float]:
        """The metrics of a run; none if the run was deleted."""
        with ignore_absent():
            return dict(self.client.get_run(run_id).data.metrics)
        return {}

    def params(self, run_id: str) -> dict[str, str]:
        """The parameters of a run."""
        return dict(self.client.get_run(run_id).data.params)

    def find_refit(self, run_id: str) -> tuple[str, str] | None:
        """The run that fitted a run's model again and ended, and the digest of its package; None if there is none."""
        of_run = f"tags.`{REFIT_OF}` = '{run_id}' and attributes.status = 'FINISHED'"
        runs = self.client.search_runs([self._experiment()], of_run, max_results=1)
        return (str(runs[0].info.run_id), runs[0].data.tags[DIGEST]) if runs else None

    def page(self, run_id: str, name: str) -> str:
        """A page among the artifacts of a run."""
        with tempfile.TemporaryDirectory(prefix="nightshift-download-") as folder:
            return Path(self.client.download_artifacts(run_id, name, folder)).read_text(encoding="utf-8")

    def package_files(self, run_id: str, digest: str) -> dict[str, bytes]:
        """A run's package as files, whose digest is verified.

        Raises:
            TerminalError: If the artifact is missing or is not the one that was registered.
        """
        back, train = f"nightshift rollback {self.model}", f"{self.model}.train"
        fix = f"restore the artifact store, or go back to another version: {back}; if there is none, trigger {train}"
        files = package_of(self._download(run_id, ARTIFACT, "artifact", fix))
        verify_digest(files, digest)
        return files

    def package(self, run_id: str, digest: str) -> ModelPackage:
        """A run's package, verified and loaded."""
        return load_package(self.package_files(run_id, digest), digest, self.settings.tree_sums)

    def reference(self, version: Version) -> ModelReference:
        """The histograms of a version's training rows; the estimator is not loaded."""
        return load_reference(self.package_files(version.run_id, version.digest))

    def prediction(self, version: Version) -> Prediction:
        """What a version predicts, by its package; the estimator stays unloaded."""
        return stored_prediction(self.package_files(version.run_id, version.digest))

    def classes(self, version: Version) -> LabelClasses | None:
        """The classes of a version's label; None if that is a condition or a number."""
        return stored_classes(self.package_files(version.run_id, version.digest))

    def champion(self) -> Version | None:
        """The version whose scores are published; None if there is none."""
        return self._aliased_version(CHAMPION)

    def challenger(self) -> Version | None:
        """The version that is scored in shadow of the champion; None if there is none."""
        return self._aliased_version(CHALLENGER)

    def versions(self) -> dict[int, Version]:
        """Every version by its number, ascending."""
        versions = [_version(entity) for entity in self.client.search_model_versions(f"name = '{self.model}'")]
        return {version.number: version for version in sorted(versions, key=lambda version: version.number)}

    def version(self, number: int) -> Version:
        """A version by its number.

        Raises:
            TerminalError: If there is no such version.
        """
        with ignore_absent():
            return _version(self.client.get_model_version(self.model, str(number)))
        raise TerminalError("no such version", where=self.model, received=number, allowed=self.versions() or "none yet")

    def register(self, run_id: str, note: str, taken: Collection[int] = ()) -> Version:
        """Registers a run's package as a version, once; the caller holds the lock.

        Args:
            run_id: The run.
            note: The version's description.
            taken: The numbers of versions of other runs: an MLflow that was set up anew counts from 1 again, and rows
                of tables name the version that scored them by its number alone.
        """
        try:
            self.client.create_registered_model(self.model)
        except MlflowRefusal as error:
            if error.code != "RESOURCE_ALREADY_EXISTS":
                raise
        of_run = self.client.search_model_versions(f"name = '{self.model}' and run_id = '{run_id}'")
        if same := [version for version in map(_version, of_run) if version.number not in taken]:
            return min(same, key=lambda version: version.number)
        tags = {name: value for name, value in self.run_tags(run_id).items() if name.startswith("nightshift.")}
        source = f"{self.client.get_run(run_id).info.artifact_uri}/{ARTIFACT}"
        while True:
            # MLflow's pages show it as Markdown, and it may name values of data.
            text = markdown_text(note)
            created = self.client.create_model_version(self.model, source, run_id, tags=tags, description=text)
            if int(created.version) not in taken:
                return _version(created)
            self.client.delete_model_version(self.model, created.version)

    def set_champion_alias(self, number: int | None) -> None:
        """Sets the alias `champion` to a version, or deletes it if None; the caller holds the lock."""
        self._set_alias(CHAMPION, number)

    def set_challenger_alias(self, number: int | None) -> None:
        """Sets the alias `challenger` to a version, or deletes it if None; the caller holds the lock."""
        self._set_alias(CHALLENGER, number)

    def confirmed_event(self, alias: str = CHAMPION) -> str:
        """The id of the event that an alias is confirmed to agree with; empty if there is none."""
        with ignore_absent():
            return str(self.client.get_registered_model(self.model).tags.get(CONFIRMED_EVENT_TAGS[alias], ""))
        return ""

    def confirm_event(self, event_id: str, alias: str = CHAMPION) -> None:
        """Confirms that an alias agrees with an event; the caller holds the lock."""
        with ignore_absent():
            self.client.set_registered_model_tag(self.model, CONFIRMED_EVENT_TAGS[alias], event_id)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One writer at a time, on all machines that share the state."""
        with open_state(self.settings).lock(f"registry.{self.model}"):
            yield

    def _upload(self, run_id: str, artifact: str, files: Mapping[str, bytes]) -> None:
        """Stores files with a run, by their paths below an artifact."""
        with tempfile.TemporaryDirectory(prefix="nightshift-upload-") as folder:
            for name, content in files.items():
                (Path(folder) / name).parent.mkdir(exist_ok=True)
                (Path(folder) / name).write_bytes(content)
            self.client.log_artifacts(run_id, folder, artifact)

    def _download(self, run_id: str, artifact: str, title: str, fix: str) -> dict[str, bytes]:
        """The files of a run below an artifact, by their paths there.

        Raises:
            TerminalError: If the files cannot be read.
        """
        from mlflow.exceptions import MlflowException

        try:
            self.client.get_run(run_id)  # fails as a transient error if MLflow does not answer
            with tempfile.TemporaryDirectory(prefix="nightshift-download-") as folder:
                path = Path(self.client.mlflow.download_artifacts(run_id, artifact, folder))
                return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}
        except (MlflowException, MlflowRefusal, OSError) as error:
            where = f"{self.model}, run {run_id}"
            raise TerminalError(
                f"the model's {title} cannot be read: {first_line(error)}", where=where, fix=fix
            ) from None

    def _set_alias(self, alias: str, number: int | None) -> None:
        if number is not None:
            self.client.set_registered_model_alias(self.model, alias, str(number))
            return
        with ignore_absent():
            self.client.delete_registered_model_alias(self.model, alias)

    def _aliased_version(self, alias: str) -> Version | None:
        with ignore_absent():
            return _version(self.client.get_model_version_by_alias(self.model, alias))
        return None

    def _experiment(self) -> str:
        with self.lock():
            experiment = self.client.get_experiment_by_name(self.model)
            if experiment is not None and experiment.lifecycle_stage == DELETED:
                raise TerminalError(
                    "the model's experiment was deleted in MLflow",
                    where=self.model,
                    received=f"experiment {experiment.experiment_id}",
                    fix=restore_experiment(experiment.experiment_id),
                )
            if experiment is not None:
                return str(experiment.experiment_id)
            return str(self.client.create_experiment(self.model, f"{self.settings.artifact_root}/{self.model}"))


def _version(entity: Any) -> Version:
    tags = dict(entity.tags)
    return Version(int(entity.version), str(entity.run_id), tags.get(DIGEST, ""), tags.get(NIGHT, ""), tags)
