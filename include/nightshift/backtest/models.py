"""Models of a backtest: trained once for all policies that train alike, and kept in its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from time import perf_counter
from typing import Any

from nightshift.backtest.results import ResultFolder
from nightshift.definition.model import ModelDefinition
from nightshift.errors import NotYetAvailable, TerminalError
from nightshift.lake.read import fingerprint
from nightshift.monitoring.expected_performance import ExpectedPerformance
from nightshift.monitoring.reference import DriftBaseline, drift_baseline
from nightshift.project import Project
from nightshift.registry.classes import settle_classes
from nightshift.registry.package import ModelPackage, load_package, package_digest
from nightshift.stages.refit import refit_model
from nightshift.stages.train import expected_performance_of, fit_model, lineage_of, training_inputs
from nightshift.training.dataset import read_labelled
from nightshift.training.importance import permutation_importance
from nightshift.training.lineage import Lineage

FOLDER, PACKAGE, JUDGED = "models", "package", "judged"


@dataclass(frozen=True)
class TrainingCost:
    """What a training came to.

    Attributes:
        problem: Why no model could be trained, in words; empty if one was.
        seconds: How long it took.
        rows: How many labelled rows it learned from.
    """

    problem: str
    seconds: float
    rows: int


@dataclass(frozen=True)
class BacktestModel:
    """A trained model, and what is stored with a version.

    Attributes:
        package: The model.
        lineage: What it was made from.
        expectation: The performance to expect of its nights; None if its holdout says nothing.
    """

    package: ModelPackage
    lineage: Lineage
    expectation: ExpectedPerformance | None


def model_name(definition: ModelDefinition, as_of: date) -> str:
    """The name of a model in the folder: the date of its training, and a digest of what it is trained by."""
    monitoring = definition.monitoring
    watched = " ".join((str(monitoring.false_alarms), *definition.watched_features))
    value = monitoring.value.model_dump_json() if monitoring.value else ""
    return f"{as_of}-{fingerprint(definition.training.model_dump_json(), watched, value)}"


class Models:
    """Trains the models of a backtest and loads them again.

    Args:
        project: The model.
        snapshots: The snapshot of each table that trainings read.
        results: The folder of the backtest.
    """

    def __init__(self, project: Project, snapshots: Mapping[str, int], results: ResultFolder) -> None:
        self.project, self.snapshots, self.results = project, snapshots, results
        self._loaded = lru_cache(maxsize=6)(self._load)
        self._baselines: dict[str, DriftBaseline | None] = {}

    def train(self, definition: ModelDefinition, as_of: date) -> TrainingCost:
        """Trains a model as of a date, unless it is there."""
        name = model_name(definition, as_of)
        facts = self.results.find_or_compute(f"{FOLDER}/{name}/model", lambda: self._train(definition, as_of, name))
        return TrainingCost(facts["problem"], facts["seconds"], facts["rows"])

    def load(self, name: str) -> BacktestModel:
        """A model as its nights are scored: fitted again, if that is declared."""
        return self._loaded(name, PACKAGE)

    def load_judged(self, name: str) -> BacktestModel:
        """A model as its gate judges it."""
        return self._loaded(name, JUDGED if self.load(name).lineage.refit_of else PACKAGE)

    def importance(self, definition: ModelDefinition, name: str) -> dict[str, float]:
        """The importance of each feature for a model, by name."""

        def compute() -> dict[str, float]:
            package, lineage = self.load_judged(name).package, self.load_judged(name).lineage
            holdout = lineage.split.holdout, lineage.split.last
            most = definition.training.max_holdout_rows
            rows = read_labelled(self.project.lake, definition, *holdout, self.snapshots, most)
            return permutation_importance(package, settle_classes(rows, package.classes), lineage.seed)

        return self.results.find_or_compute(f"{FOLDER}/{name}/importance", compute)

    def drift_baseline(self, definition: ModelDefinition, name: str) -> DriftBaseline | None:
        """What the drift of a model's nights is measured against, calibrated when it is first asked for."""
        if name not in self._baselines:
            reference, monitoring = self.load(name).package.reference, definition.monitoring
            self._baselines[name] = drift_baseline(reference, definition.watched_features, monitoring.false_alarms)
        return self._baselines[name]

    def _train(self, definition: ModelDefinition, as_of: date, name: str) -> dict[str, Any]:
        project, begun = self.project.with_definition(definition), perf_counter()
        try:
            dates = training_inputs(project, as_of).dates
            fitted = fit_model(project, definition, dates, self.snapshots, lambda _: None, with_drift_thresholds=False)
        except (NotYetAvailable, TerminalError) as error:
            return {"problem": error.problem, "seconds": perf_counter() - begun, "rows": 0}
        lineage = lineage_of(project, definition, dates, self.snapshots, str(as_of), "a backtest", fitted)
        expectation = expected_performance_of(project, fitted)
        package, stored = fitted.package, {}
        if definition.training.refit:
            refitted = refit_model(
                project, definition, package, lineage, name, lambda _: None, with_drift_thresholds=False
            )
            if not refitted.shift.is_too_far:
                stored = {JUDGED: self._write(name, JUDGED, package, lineage)}
                package, lineage = refitted.fitted.package, refitted.lineage
        stored[PACKAGE] = self._write(name, PACKAGE, package, lineage)
        return {
            "problem": "",
            "seconds": perf_counter() - begun,
            "rows": lineage.rows,
            "packages": stored,
            "expectation": expectation.to_json() if expectation else None,
        }

    def _write(self, name: str, folder: str, package: ModelPackage, lineage: Lineage) -> dict[str, Any]:
        """Writes a package's files; its digest and lineage."""
        files = package.dump()
        for file, content in files.items():
            self.results.write(f"{FOLDER}/{name}/{folder}/{file}", content)
        return {"digest": package_digest(files), "lineage": lineage.to_json()}

    def _load(self, name: str, folder: str) -> BacktestModel:
        of_model = self.results.folder / FOLDER / name
        facts = json.loads((of_model / "model.json").read_bytes())
        package, stored = of_model / folder, facts["packages"][folder]
        files = {str(file.relative_to(package)): file.read_bytes() for file in package.rglob("*") if file.is_file()}
        expectation = ExpectedPerformance.from_json(facts["expectation"]) if facts["expectation"] else None
        return BacktestModel(
            load_package(files, stored["digest"], self.project.settings.tree_sums),
            Lineage(**stored["lineage"]),
            expectation,
        )
