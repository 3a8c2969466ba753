"""A model that learns how many minutes machines fail from a month of features: real Iceberg, real MLflow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from prepared import PreparedInstallation

from nightshift.definition.model import ModelDefinition
from nightshift.lake.publish import publish
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import features_table, raw_table
from nightshift.project import Project
from nightshift.settings import PROJECT, Settings
from nightshift.stages.gate import gate
from nightshift.stages.register import promote
from nightshift.stages.train import StoredModel, train
from nightshift.training.results import GateReport

FIRST, LAST, AS_OF = date(2024, 1, 1), date(2024, 1, 30), date(2024, 1, 31)
A_DAY = 40
OfNumber = Callable[..., ModelDefinition]
TYPED = ("failed: {type: boolean}", "failed: {type: number}")
LABEL = ("where: failed", "where: failed > 10")
AGAINST = ("minimum: {mae: 99}", "minimum: {mae: 99}\n  against_champion: {metric: mae, margin: 0.2}")


def month(installation: PreparedInstallation, definition: ModelDefinition, **spoilt: Any) -> Project:
    """A month of features and of how many minutes each machine failed; `spoilt` as `publish_days` takes it."""
    project = Project(
        definition.name, Settings(home=PROJECT, var=installation.var, models_folder=definition.folder.parent)
    )
    installation.clear()
    if spoilt:
        publish_days(project, FIRST, LAST, **spoilt)
    else:
        installation.start("a month of minutes", lambda: publish_days(project, FIRST, LAST))
    return Project(definition.name, project.settings)


def champion_of_month(
    installation: PreparedInstallation, definition: ModelDefinition
) -> tuple[Project, StoredModel, GateReport]:
    """The month, with the model that was trained on it: it passed the gate and is the champion."""

    def prepare() -> tuple[StoredModel, GateReport]:
        trained, report = run(project)
        assert report.passed, report.summary()
        promote(project, trained, report.summary())
        return trained, report

    project = month(installation, definition)
    return project, *installation.start("a champion of minutes", prepare)


def publish_days(project: Project, first: date, last: date, **spoilt: Any) -> None:
    """With `features` or `label` in place of what they are; or with a feature that is the label, if it is to `leak`.

    Machines of the kind `unlabelled` have no label.
    """
    features, outcomes = features_table(project.definition), raw_table(project.definition, "failures")
    rows: list[dict[str, object]] = []
    failed: list[dict[str, object]] = []
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        random = np.random.default_rng(day.toordinal())
        weather = random.normal()
        for number in range(A_DAY):
            busy, name = float(random.uniform()), f"m{number:02d}"
            kind = "abc"[number % 3]
            minutes = 20 * busy + 4 * (kind == "b") + weather + random.exponential(3)
            rows.append(
                {"score_date": day, "machine": name, "busy": busy, "kind": kind, "machine_failures_3d": 0.5}
                | ({"busy": minutes} if "leak" in spoilt else {})
                | spoilt.get("features", {})
            )
            label = None if kind == spoilt.get("unlabelled") else spoilt.get("label", minutes)
            failed.append({"source_date": day, "machine": name, "failed": label})
    for spec, listed in ((features, rows), (outcomes, failed)):
        data = pa.Table.from_pylist(listed, schema=spec.schema)
        publish(project.lake, spec, stage_arrow(project.lake, spec, data, first, last, {}))


def run(project: Project, as_of: date = AS_OF) -> tuple[StoredModel, GateReport]:
    trained = train(project, as_of, "test", lambda line: None)
    return trained, gate(project, trained, as_of, "test").report
