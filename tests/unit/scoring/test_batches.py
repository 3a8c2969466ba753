"""The champion and challengers in one pass: whatever a challenger does, the champion's rows are staged."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from nightshift.definition.model import ModelDefinition
from nightshift.errors import DataError, TerminalError
from nightshift.lake.parquet import read_files
from nightshift.lake.tables import TableSpec, scores_table, shadow_table
from nightshift.monitoring.night_profile import NightProfile, Profiler
from nightshift.monitoring.profile import learn_bins
from nightshift.registry.package import ModelPackage, package_digest
from nightshift.registry.reference import SCORES
from nightshift.scoring import batches
from nightshift.scoring.batches import Scorer, score_and_stage
from nightshift.training.fit import fit
from unit.tables import day
from unit.training.machines import machines

KEY = ("score_date", "machine")
AT = datetime(2024, 1, 31, 6, tzinfo=UTC)


class Broken:
    """An estimator that fails for some of the rows."""

    def __init__(self, how: str) -> None:
        self.how = how

    def predict_proba(self, matrix: np.ndarray) -> np.ndarray:
        if self.how == "raises":
            raise RuntimeError("no idea\nof it")
        scores = np.full((len(matrix), 2), 0.5)
        scores[:3, 1] = np.inf if self.how == "infinite" else np.nan
        return scores


@pytest.fixture(autouse=True)
def nothing_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a worker that has just started."""
    monkeypatch.setattr(batches, "_LOADED", {})


@pytest.fixture
def rows() -> list[pa.RecordBatch]:
    """A night's features in three batches."""
    table = machines(300, seed=5).drop_columns("label")
    dates, names = pa.array([day(31)] * 300), pa.array([f"a{n:03}" for n in range(300)])
    return table.append_column("score_date", dates).append_column("machine", names).to_batches(max_chunksize=100)


def package(tiny: ModelDefinition, seed: int) -> ModelPackage:
    return fit(tiny, machines(seed=seed))


def scorer(package: ModelPackage, spec: TableSpec, folder: Path, version: int) -> Scorer:
    files, provenance = package.dump(), {"model_version": version, "features_snapshot": 7, "scored_at": AT}
    return Scorer(files, package_digest(files), spec, f"file://{folder / str(version)}", provenance)


def broken(scorer: Scorer, how: str, monkeypatch: pytest.MonkeyPatch, tiny: ModelDefinition) -> Scorer:
    """A scorer whose package is loaded already, and fails."""
    scorer_with_digest = replace(scorer, digest=how)
    monkeypatch.setitem(batches._LOADED, how, replace(package(tiny, 1), estimator=Broken(how)))
    return scorer_with_digest


def staged(rows: list[pa.RecordBatch], champion: Scorer, *challengers: Scorer) -> tuple[dict[int, pa.Table], Mapping]:
    """What each scorer staged, and the problems."""
    results = [row for batch in score_and_stage(rows, KEY, champion, challengers) for row in batch.to_pylist()]
    problems = {row["scorer"]: row["problem"] for row in results if row["problem"]}
    files = {
        place: [row["file"] for row in results if row["scorer"] == place and row["file"]]
        for place in range(len(challengers) + 1)
    }
    tables = {place: read_files(files[place], scorer.spec) for place, scorer in enumerate((champion, *challengers))}
    for place, table in tables.items():
        assert table.num_rows == sum(row["rows"] for row in results if row["scorer"] == place and row["file"])
    return tables, problems


def test_each_version_scores_every_row_into_a_table_of_its_own(
    tiny: ModelDefinition, tmp_path: Path, rows: list[pa.RecordBatch]
) -> None:
    packages = [package(tiny, 1), package(tiny, 2)]
    champion = scorer(packages[0], scores_table(tiny), tmp_path, 3)
    challenger = scorer(packages[1], shadow_table(tiny), tmp_path, 4)
    tables, problems = staged(rows, champion, challenger)
    assert problems == {}
    features = pa.Table.from_batches(rows)
    for place, version in ((0, 3), (1, 4)):
        scored = tables[place].sort_by("machine")
        assert scored["machine"].to_pylist() == features["machine"].to_pylist()
        assert np.array_equal(scored["score"].to_numpy(), packages[place].score(features))
        assert set(scored["model_version"].to_pylist()) == {version}
        assert set(scored["features_snapshot"].to_pylist()) == {7} and set(scored["scored_at"].to_pylist()) == {AT}
    assert not np.allclose(tables[0]["score"].to_numpy(), tables[1]["score"].to_numpy())


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ("raises", f"TerminalError: version 4, {__name__}.Broken: the estimator refused the rows by RuntimeError: no"),
        ("not numbers", "DataError: 3 of 100 scores are not finite numbers"),
        ("infinite", "DataError: 3 of 100 scores are not finite numbers"),
        ("corrupt", "TerminalError: the model's artifact is not the one that was registered"),
        (
            "a feature is missing",
            "TerminalError: version 4: the model needs the feature 'busy', which is no longer declared",
        ),
    ],
)
def test_a_challenger_that_fails_leaves_the_champions_rows_as_they_are(
    tiny: ModelDefinition,
    tmp_path: Path,
    rows: list[pa.RecordBatch],
    how: str,
    problem: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    champion = scorer(package(tiny, 1), scores_table(tiny), tmp_path, 3)
    challenger = scorer(package(tiny, 2), shadow_table(tiny), tmp_path, 4)
    if how == "corrupt":
        challenger = replace(challenger, files={**challenger.files, "encoder.json": b"{}"})
    elif how == "a feature is missing":
        rows = [batch.drop_columns("busy") for batch in rows]
        left = tiny.features.model_copy(update={"rows": {"kind": tiny.features.rows["kind"]}})
        without = fit(tiny.model_copy(update={"features": left}), machines())
        champion = scorer(without, scores_table(tiny), tmp_path, 3)
    else:
        challenger = broken(challenger, how, monkeypatch, tiny)
    alone, _ = staged(rows, replace(champion, folder=f"file://{tmp_path / 'alone'}"))
    tables, problems = staged(rows, champion, challenger)
    assert problems.keys() == {1} and problems[1].startswith(problem)
    assert tables[0].equals(alone[0]) and tables[0].num_rows == 300


def test_one_challenger_that_fails_does_not_stop_another(
    tiny: ModelDefinition, tmp_path: Path, rows: list[pa.RecordBatch], monkeypatch: pytest.MonkeyPatch
) -> None:
    champion = scorer(package(tiny, 1), scores_table(tiny), tmp_path, 3)
    bad = broken(scorer(package(tiny, 2), shadow_table(tiny), tmp_path, 4), "raises", monkeypatch, tiny)
    good = scorer(package(tiny, 2), shadow_table(tiny), tmp_path, 5)
    tables, problems = staged(rows, champion, bad, good)
    assert problems.keys() == {1}
    assert tables[0].num_rows == tables[2].num_rows == 300


@pytest.mark.parametrize(("how", "error"), [("raises", TerminalError), ("not numbers", DataError)])
def test_a_champion_that_fails_stops_its_night(
    tiny: ModelDefinition,
    tmp_path: Path,
    rows: list[pa.RecordBatch],
    how: str,
    error: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    champion = broken(scorer(package(tiny, 1), scores_table(tiny), tmp_path, 3), how, monkeypatch, tiny)
    with pytest.raises(error):
        staged(rows, champion, scorer(package(tiny, 2), shadow_table(tiny), tmp_path, 4))


def test_a_changed_artifact_of_the_champion_is_not_loaded(
    tiny: ModelDefinition, tmp_path: Path, rows: list[pa.RecordBatch]
) -> None:
    champion = scorer(package(tiny, 1), scores_table(tiny), tmp_path, 3)
    changed = replace(champion, files={**champion.files, "encoder.json": b"{}"})
    with pytest.raises(TerminalError, match="not the one that was registered"):
        staged(rows, changed)


# ---- profiles


def profiled(rows: list[pa.RecordBatch], champion: Scorer, profile: Callable[..., Any]) -> list[dict[str, Any]]:
    results = [row for batch in score_and_stage(rows, KEY, champion, (), profile) for row in batch.to_pylist()]
    assert sum(row["rows"] or 0 for row in results) == 300
    return [row for row in results if row["profile"]]


def test_a_night_is_profiled_with_its_scores_for_any_batches(
    tiny: ModelDefinition, tmp_path: Path, rows: list[pa.RecordBatch]
) -> None:
    night_rows, model = pa.Table.from_batches(rows), package(tiny, 1)
    scores = pa.table({SCORES: model.score(night_rows)})
    types = {name: str(kind) for name, kind in tiny.feature_types.items()}
    profiler = Profiler(learn_bins(night_rows, types), learn_bins(scores, {SCORES: "number"}), ("kind",))
    [row] = profiled(rows, scorer(model, scores_table(tiny), tmp_path, 1), profiler)
    profile, expected = (
        NightProfile.from_json(json.loads(row["profile"])),
        profiler(night_rows, scores.rename_columns(["score"])),
    )
    assert (row["scorer"], profile.features.rows) == (0, 300)
    for columns, expected_columns in ((profile.features, expected.features), (profile.scores, expected.scores)):
        assert all((counts == expected_columns.counts[name]).all() for name, counts in columns.counts.items())
    assert {name: slice_profile.rows for name, slice_profile in profile.slices.items()} == {
        name: slice_profile.rows for name, slice_profile in expected.slices.items()
    }
    assert sum(slice_profile.rows for slice_profile in profile.slices.values()) == 300
    assert profile.features.products == pytest.approx(expected.features.products)


def test_a_profile_that_fails_does_not_keep_a_night_from_being_scored(
    tiny: ModelDefinition, tmp_path: Path, rows: list[pa.RecordBatch]
) -> None:
    def fail(*_: Any) -> Any:
        raise ZeroDivisionError("by accident")

    assert profiled(rows, scorer(package(tiny, 1), scores_table(tiny), tmp_path, 1), fail) == []
