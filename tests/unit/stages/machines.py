"""Machines whose failures turn round in the middle of two months, with the value of repairs."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from prepared import PreparedInstallation

from nightshift.lake.publish import publish
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import features_table, raw_table
from nightshift.project import Project
from nightshift.settings import PROJECT, Settings

BUILT, FIRST, TURN, LAST = date(2024, 1, 15), date(2024, 1, 30), date(2024, 2, 3), date(2024, 2, 16)
A_DAY = 60
POLICY = """monitoring:
  value:
    decision: score >= 0.5
    expression: case when not decision then 0 when label then 1 else -1 end
    naive: observation.load > 0.5
    unit: stops
  retrain: {drift: null, performance: {worse: 0.1}, nights: 2, of_last: 3, cooldown: 3d}
"""
GATE = "minimum: {roc_auc: 0.5}\n  against_champion: {metric: roc_auc, margin: 0.02}"
REPLACED = {"minimum: {roc_auc: 0.5}": GATE, "0 7 * * 1": "0 7 1 1 *", "period: 20d": "period: 6d"}


def publish_machines(project: Project, first: date, last: date) -> None:
    """Publishes features, observations and outcomes: busy machines fail, and from the turn on idle ones."""
    definition = project.definition
    specs = features_table(definition), raw_table(definition, "failures"), raw_table(definition, "plan")
    rows = [list[dict[str, object]]() for _ in specs]
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        random = np.random.default_rng(day.toordinal())
        for number in range(A_DAY):
            busy, name = float(random.uniform()), f"m{number:02d}"
            failed = bool(random.uniform() < (busy if day < TURN else 1 - busy))
            rows[0].append({"score_date": day, "machine": name, "busy": busy, "kind": "m", "machine_failures_3d": 0.5})
            rows[1].append({"source_date": day, "machine": name, "failed": failed})
            rows[2].append({"source_date": day, "machine": name, "load": busy})
    for spec, listed in zip(specs, rows, strict=True):
        data = pa.Table.from_pylist(listed, schema=spec.schema)
        publish(project.lake, spec, stage_arrow(project.lake, spec, data, first, last, {}))


def machines_that_turn(models: Path, installation: PreparedInstallation, *more: tuple[str, str]) -> Project:
    """The installation with the machines published; texts of the definition are replaced by others."""
    file = models / "tiny" / "model.yaml"
    text = file.read_text()
    text = text[: text.index("monitoring:")] + POLICY
    for declared, instead in (*REPLACED.items(), *more):
        assert text.count(declared) == 1, declared
        text = text.replace(declared, instead)
    file.write_text(text)
    installation.clear()
    project = Project("tiny", Settings(home=PROJECT, var=installation.var, models_folder=models))
    installation.start("machines that turn", lambda: publish_machines(project, BUILT, LAST))
    return Project("tiny", project.settings)
