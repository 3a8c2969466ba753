"""The readings of sensors and a champion that scores them, to measure large nights."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bench.features import MODELS
from bench.monitoring import register_package
from nightshift.lake.tables import features_table
from nightshift.monitoring.expected_performance import learn_expected_performance
from nightshift.monitoring.reference import make_reference
from nightshift.project import Project
from nightshift.registry.package import ModelPackage
from nightshift.registry.reference import SCORES
from nightshift.settings import PROJECT, Settings, SparkSettings
from nightshift.training.fit import fit
from nightshift.training.methods import METHODS

NIGHT, PART = date(2023, 1, 1), 500_000
TRAINED = 200_000  # rows that the champion learns from


def readings_project(var: Path) -> Project:
    """The model in an installation of its own, with two cores for Spark."""
    settings = Settings(home=PROJECT, var=var, models_folder=MODELS, spark=SparkSettings(master="local[2]"))
    return Project("readings", settings)


def register_champion(project: Project, rows: int = TRAINED) -> ModelPackage:
    """Fits a model on generated rows and makes it the champion, without a gate."""
    sample = generate_readings(project, rows, 1_000_000)
    types = {name: str(kind) for name, kind in project.definition.feature_types.items()}
    outcomes = generate_labels(sample, list(types))
    package = fit(project.definition, sample.append_column("label", outcomes))
    scores = pa.table({SCORES: package.score(sample), "score_date": sample["score_date"]})
    number = register_package(project, replace(package, reference=make_reference(sample, types, scores)))
    labels, predicted, days = np.asarray(outcomes), package.score(sample), sample["score_date"].to_numpy()
    calibration = METHODS[project.definition.prediction].fit_score_calibration(predicted, labels)
    expected = learn_expected_performance(labels, predicted, days, project.metrics, calibration)
    project.registry.log_expectation(project.registry.version(number).run_id, expected.to_json())
    project.registry.set_champion_alias(number)
    return package


def generate_readings(project: Project, count: int, seed: int) -> pa.Table:
    """Readings of machines; of a third of the sensors in steps, and a fiftieth of all values missing."""
    random = np.random.default_rng(seed)
    spec = features_table(project.definition)
    columns: dict[str, Any] = {}
    for place, (name, kind) in enumerate(spec.columns.items()):
        if kind == "date":
            columns[name] = pa.repeat(pa.scalar(NIGHT, pa.date32()), count)
        elif name in spec.key:
            columns[name] = pa.array(np.arange(count) + seed * PART)
        else:
            values = random.normal(size=count)
            values = np.round(values * 10) if place % 3 == 0 else values
            columns[name] = pa.array(values, mask=random.random(count) < 0.02)
    return pa.table(columns).cast(spec.schema)


def generate_labels(rows: pa.Table, features: list[str]) -> pa.Array:
    """Whether machines failed: by sums, products and waves of some of the readings, and chance."""
    values = [np.nan_to_num(rows[name].to_numpy()) for name in features]
    index = sum(value * weight for value, weight in zip(values[:8], np.linspace(-1, 1, 8), strict=True))
    index = index / 4 + np.sin(3 * values[9]) + values[10] * values[11] + np.cos(2 * values[12])
    chance = np.random.default_rng(5).logistic(size=rows.num_rows)
    return pa.array((index + chance > 1).astype(np.float64))
