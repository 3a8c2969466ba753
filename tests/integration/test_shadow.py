"""A challenger beside the champion in a real Spark job: what is published, and that it harms nobody."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyspark import cloudpickle
from pyspark.sql import SparkSession

from nightshift.lake.read import read_dates
from nightshift.lake.sql import run_sql
from nightshift.lake.staging import load_staged, new_attempt
from nightshift.lake.tables import features_table, scores_table, shadow_table
from nightshift.loop import Loop, nights
from nightshift.quality.docs import docs_folder, read_docs
from nightshift.registry.store import ARTIFACT
from nightshift.scoring.batches import Scorer
from nightshift.settings import PROJECT, Settings
from nightshift.spark_submit import SparkSubmit
from nightshift.status import night_statuses
from nightshift.types import PROBLEM

pytestmark = pytest.mark.spark

FIRST, BUILT, NIGHT = date(2024, 1, 1), date(2024, 1, 30), date(2024, 1, 31)
SHADOW = "{shadow: {nights: 5, metric: roc_auc, margin: 0.05}}"


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Loop:
    """A month of history and the features of one more night, a champion, and a challenger of another kind."""
    folder = tmp_path_factory.mktemp("shadow")
    shutil.copytree(PROJECT / "tests" / "models", folder / "models")
    file = folder / "models" / "tiny" / "model.yaml"
    file.write_text(f"{file.read_text()}\npromotion: {SHADOW}\n")
    settings = Settings(home=PROJECT, var=folder / "var", models_folder=folder / "models")
    loop = Loop("tiny", settings)
    loop.land(NIGHT)
    loop.build_history(FIRST, NIGHT, lambda text: None)
    assert register(loop, BUILT) == (1, "champion")
    file.write_text(file.read_text().replace("C: 1.0", "C: 0.01"))
    loop = Loop("tiny", settings)
    assert register(loop, NIGHT) == (2, "challenger")
    return loop


def register(loop: Loop, as_of: date) -> tuple[int, str]:
    trained = loop.train(as_of, "test", lambda text: None)
    report = loop.gate(trained, as_of, "test")
    version, what = loop.register(trained, report.summary(), f"train {as_of}")
    return version.number, what


def submitted(loop: Loop) -> tuple[list[str], list[str]]:
    """The sets a job of its own staged, and what it said."""
    arguments = ["--model", "tiny", "--attempt", new_attempt(NIGHT, NIGHT), "--night", str(NIGHT)]
    said: list[str] = []
    staged = SparkSubmit(loop.settings, "score", [*arguments, "--at", f"{NIGHT}T06:00:00+00:00"]).run(said.append)
    return staged, said


def scores_of(loop: Loop, version: int) -> dict[str, float]:
    """What a version gives the night, outside of Spark."""
    found = loop.registry.version(version)
    features = read_dates(loop.lake, features_table(loop.definition), NIGHT, NIGHT)
    package = loop.registry.package(found.run_id, found.digest)
    return dict(zip(features["machine"].to_pylist(), package.score(features).tolist(), strict=True))


def by_machine(rows: pa.Table) -> dict[str, float]:
    return dict(zip(rows["machine"].to_pylist(), rows["score"].to_pylist(), strict=True))


def quality(loop: Loop, run: str) -> dict[tuple[str, str], dict]:
    kept = loop.monitored(NIGHT, NIGHT)
    return {(r["subject"], r["statistic"]): r for r in kept if r["monitor"] == "quality.shadow" and r["run_id"] == run}


def test_both_score_in_one_job_and_each_ones_rows_are_in_a_table_of_their_own(loop: Loop) -> None:
    staged, said = submitted(loop)
    assert "scored by version 1" in said and "in shadow: version 2" in said
    assert [load_staged(one).table for one in staged] == ["scores.tiny", "shadow.tiny"]
    audited = loop.audit(staged, NIGHT, "both")
    assert audited.locations == tuple(staged) and audited.left_out == audited.warnings == ()
    assert set(loop.publish(audited.locations)) == {"scores.tiny", "shadow.tiny"}
    published = read_dates(loop.lake, scores_table(loop.definition), NIGHT, NIGHT)
    beside = read_dates(loop.lake, shadow_table(loop.definition), NIGHT, NIGHT)
    assert by_machine(published) == pytest.approx(scores_of(loop, 1))
    assert by_machine(beside) == pytest.approx(scores_of(loop, 2))
    assert set(published["model_version"].to_pylist()) == {1} and set(beside["model_version"].to_pylist()) == {2}
    assert published["features_snapshot"][0] == beside["features_snapshot"][0]
    assert not np.allclose(published["score"].to_numpy(), beside["score"].to_numpy())
    kept = quality(loop, "both")
    assert {row["verdict"] for row in kept.values()} == {"pass"}
    assert kept["challenger 2", "scored"]["value"] == 60
    assert any(subject == "shadow.tiny: score" for subject, _ in kept)
    assert [one.table for one in read_docs(docs_folder(loop.settings.quality_docs_uri, "tiny", "both"))] == [
        "scores.tiny", "shadow.tiny",
    ]  # fmt: skip


def test_a_challenger_whose_artifact_was_changed_is_left_out_and_the_night_is_published(loop: Loop) -> None:
    challenger = loop.registry.version(2)
    folder = Path(loop.settings.artifact_root) / "tiny" / challenger.run_id / "artifacts" / ARTIFACT
    good = (folder / "encoder.json").read_bytes()
    (folder / "encoder.json").write_bytes(good + b" ")
    try:
        staged, said = submitted(loop)
    finally:
        (folder / "encoder.json").write_bytes(good)
    assert any("version 2, which failed: TerminalError: the model's artifact is not the one" in line for line in said)
    told: list[str] = []
    audited = loop.audit(staged, NIGHT, "changed", told.append)
    [why] = audited.left_out
    assert why.startswith(
        "challenger 2 has no scores of this night: TerminalError: the model's artifact is not the one"
    )
    assert why in told and why in audited.summary
    assert audited.locations == (staged[0],)
    assert set(loop.publish(audited.locations)) == {"scores.tiny"}
    [row] = quality(loop, "changed").values()
    assert (row["subject"], row["verdict"], row["model_version"]) == ("challenger 2", "fail", 2)
    [status] = night_statuses(loop)
    assert status.complete and status.quality.startswith("pass")


class Deadly(Scorer):
    """A challenger that takes the worker's process along."""

    def scores(self, rows: pa.RecordBatch) -> pa.Array:
        if self.spec.split_by:
            os._exit(1)
        return super().scores(rows)


@pytest.fixture
def score(spark: SparkSession) -> Iterator[ModuleType]:
    """The job in this process; its workers get what it is made of, and cannot import it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PROJECT / "spark_jobs"))
        spec = importlib.util.spec_from_file_location("score_job", PROJECT / "spark_jobs" / "score.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, "score_job", module)
        spec.loader.exec_module(module)
        mine = [module, sys.modules[__name__]]
        for one in mine:
            cloudpickle.register_pickle_by_value(one)
        yield module
        for one in mine:
            cloudpickle.unregister_pickle_by_value(one)


def test_a_challenger_that_takes_the_process_along_does_not_take_the_night(
    loop: Loop, score: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score, "Scorer", Deadly)
    monkeypatch.setattr(score, "get_settings", lambda: loop.settings)
    at = datetime(2024, 1, 31, 6, tzinfo=UTC)
    champion, challenger = score.stage_scores("tiny", NIGHT, new_attempt(NIGHT, NIGHT), at)
    assert champion.rows == 60 and challenger.rows == 0
    assert "crashed" in challenger.inputs[PROBLEM]
    assert loop.audit([champion.location, challenger.location], NIGHT, "deadly").locations == (champion.location,)


def test_scores_that_fail_their_audit_are_left_out(loop: Loop) -> None:
    staged, _ = submitted(loop)
    short = replace(load_staged(staged[1]), files=(), rows=0)
    beside = Path(short.location.removeprefix("file://")) / "_staged.json"
    beside.write_text(json.dumps(short.to_json()))
    audited = loop.audit(staged, NIGHT, "short")
    assert audited.locations == (staged[0],)
    assert "challenger 2 has no scores of this night: shadow.tiny 2024-01-31: " in audited.left_out[0]


def test_a_shadow_that_cannot_be_published_stops_nothing(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    staged, _ = submitted(loop)
    real = nights.publish

    def publish(lake: Any, spec: Any, one: Any) -> int:
        if one.table == "shadow.tiny":
            raise OSError("no space left")
        return real(lake, spec, one)

    monkeypatch.setattr(nights, "publish", publish)
    assert set(loop.publish(staged)) == {"scores.tiny"}


def test_what_a_challenger_gave_is_never_among_the_published_scores(loop: Loop) -> None:
    assert run_sql(loop.lake, "select distinct model_version from scores.tiny")[1] == [(1,)]
    assert run_sql(loop.lake, "select distinct model_version from shadow.tiny")[1] == [(2,)]


def test_a_night_after_going_to_the_challenger_is_its_own_and_nobodys_shadow(loop: Loop) -> None:
    loop.champions.roll_back("me", 2)
    [location], said = submitted(loop)
    assert load_staged(location).inputs["model_version"] == "2"
    assert not any("in shadow" in line for line in said)
