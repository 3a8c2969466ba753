"""The smoke test with real packages and real processes."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from nightshift.definition.model import ModelDefinition
from nightshift.errors import TransientError
from nightshift.processes import start_group
from nightshift.registry.package import ENCODER, ModelPackage, load_package, package_digest
from nightshift.training import smoke
from nightshift.training.fit import fit
from nightshift.training.smoke import smoke_test
from nightshift.training.unmet import unmet_rows
from unit.conftest import Edit
from unit.training.machines import machines

pytestmark = pytest.mark.slow  # each starts a process

Stored_ = tuple[dict[str, bytes], str]


@pytest.fixture
def stored(tiny: ModelDefinition) -> Stored_:
    files = fit(tiny, machines()).dump()
    return files, package_digest(files)


def test_a_stored_model_gives_the_same_scores_in_a_process_of_its_own(stored: Stored_) -> None:
    files, digest = stored
    rows = machines(500, seed=2)
    smoke = smoke_test(files, digest, rows.drop_columns("label"), load_package(files, digest).score(rows))
    assert smoke.problem == ""
    assert smoke.rows == 500 and smoke.speed is not None and smoke.speed > 0
    assert smoke.size == sum(map(len, files.values())) / 2**20


def test_of_many_rows_some_are_scored_from_the_first_to_the_last(
    stored: Stored_, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smoke, "ROWS", 10)
    rows = machines(500, seed=2)
    scores = load_package(*stored).score(rows)
    scores[499] += 1e-6
    smoke_result = smoke_test(*stored, rows, scores)
    assert smoke_result.rows == 10 and "1 of 10 rows differently" in smoke_result.problem


def test_large_and_infinite_predictions_are_the_same_if_they_are(
    of_number: Callable[..., ModelDefinition], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = machines(300, seed=3)
    large = rows.set_column(rows.schema.get_field_index("label"), "label", pa.array(1e15 * rows["busy"].to_numpy()))
    files = fit(of_number(), large).dump()
    digest = package_digest(files)
    scores = load_package(files, digest).score(rows)
    scores[:100] *= 1 + 1e-12
    scores[100:200] *= 1.001
    scores[299] = np.inf
    assert "101 of 300 rows differently" in smoke_test(files, digest, rows, scores).problem


def test_a_model_that_scores_otherwise_there_is_found(stored: Stored_, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was changed in this process after the model was stored is not in the other one."""
    honest = ModelPackage.score

    def changed(self: ModelPackage, rows: pa.Table | pa.RecordBatch) -> np.ndarray:
        return honest(self, rows) * np.where(np.arange(rows.num_rows) < 20, 0.5, 1.0)

    monkeypatch.setattr(ModelPackage, "score", changed)
    rows = machines(300, seed=3)
    smoke = smoke_test(*stored, rows, load_package(*stored).score(rows))
    assert smoke.problem == "in a process of its own it scored 20 of 300 rows differently"


def test_an_artifact_that_cannot_be_loaded_is_told_and_raises_nothing(stored: Stored_) -> None:
    files, digest = stored
    rows = machines(20)
    smoke = smoke_test(files | {ENCODER: b"{}"}, digest, rows, np.zeros(20))
    assert smoke.problem.startswith("in a process of its own it could not score: TerminalError: the model's artifact")
    assert smoke.speed is None


def test_a_feature_it_needs_and_does_not_get_is_told(stored: Stored_) -> None:
    rows = machines(20).drop_columns("busy")
    problem = smoke_test(*stored, rows, np.zeros(20)).problem
    assert "the model needs the feature 'busy', which is no longer declared" in problem


def test_values_it_has_not_met_are_scored_in_a_process_of_its_own(stored: Stored_, edit: Edit) -> None:
    rows = machines(20)
    unmet = unmet_rows(rows, ["busy", "kind"])
    assert smoke_test(*stored, rows, load_package(*stored).score(rows), unmet).problem == ""
    files = fit(edit("  impute: median\n", ""), machines()).dump()
    digest = package_digest(files)
    problem = smoke_test(files, digest, rows, load_package(files, digest).score(rows), unmet).problem
    assert (
        "the estimator refused the rows by ValueError: Input X contains NaN" in problem
        and "busy missing in 2 of 2" in problem
    )


def test_one_that_takes_too_long_is_ended(stored: Stored_) -> None:
    smoke = smoke_test(*stored, machines(20), np.zeros(20), limit=0.05)
    assert smoke.problem == "in a process of its own it had not finished scoring after 0.05 s"


def test_a_process_that_is_killed_is_no_verdict_on_the_model(stored: Stored_, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    monkeypatch.setattr(smoke, "start_group", lambda command, environment: start_group(killed, environment))
    with pytest.raises(TransientError, match="the process that tries out the stored model was killed"):
        smoke_test(*stored, machines(20), np.zeros(20))
