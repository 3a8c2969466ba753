from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from nightshift.definition.training import CalibrationMethod
from nightshift.errors import TerminalError
from nightshift.registry.calibration import Isotonic, Sigmoid, calibration_from_json, calibration_to_json
from nightshift.registry.package import load_package, package_digest
from nightshift.training.calibrate import calibrate
from nightshift.training.fit import fit
from unit.conftest import Edit
from unit.training.machines import FIRST, dated_machines

METHODS: tuple[CalibrationMethod, ...] = ("sigmoid", "isotonic")


def overconfident(rows: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Raw scores that are too near 0 and 1, what they should be, and outcomes."""
    random = np.random.default_rng(seed)
    odds = random.normal(0, 1.5, rows)
    right = 1 / (1 + np.exp(-odds))
    return 1 / (1 + np.exp(-3 * odds)), right, (random.uniform(size=rows) < right).astype(float)


@pytest.mark.parametrize("method", METHODS)
def test_calibrated_scores_are_near_the_true_probabilities(method: CalibrationMethod) -> None:
    calibration = calibrate(method, *overconfident(20_000)[::2])
    raw, right, _ = overconfident(5_000, seed=2)
    assert np.abs(raw - right).mean() > 0.1
    assert np.abs(calibration.apply(raw) - right).mean() < 0.02


def test_a_sigmoid_finds_the_curve_the_scores_were_bent_by() -> None:
    sigmoid = calibrate("sigmoid", *overconfident(200_000)[::2])
    assert isinstance(sigmoid, Sigmoid)
    assert sigmoid.slope == pytest.approx(1 / 3, abs=0.01)
    assert sigmoid.intercept == pytest.approx(0, abs=0.02)


def test_an_isotonic_map_is_the_one_of_scikit_learn() -> None:
    raw, _, labels = overconfident(500)
    expected = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(raw, labels)
    anywhere = np.linspace(0, 1, 1001)
    assert calibrate("isotonic", raw, labels).apply(anywhere) == pytest.approx(expected.predict(anywhere))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.sampled_from(METHODS))
def test_calibration_keeps_the_order_and_the_bounds(raw: list[float], method: CalibrationMethod) -> None:
    calibration = calibrate(method, *overconfident(300)[::2])
    probabilities = calibration.apply(np.sort(np.asarray(raw)))
    assert (np.diff(probabilities) >= 0).all()
    assert ((probabilities >= 0) & (probabilities <= 1)).all()


@pytest.mark.parametrize("calibration", [Sigmoid(0.5, -1.0), Isotonic((0.1, 0.5), (0.0, 0.75))])
def test_a_calibration_survives_json(calibration: Sigmoid | Isotonic) -> None:
    assert calibration_from_json(calibration_to_json(calibration)) == calibration


@pytest.mark.parametrize("method", METHODS)
def test_a_calibrated_model_is_stored_and_scores_the_same_when_loaded(edit: Edit, method: str) -> None:
    definition = edit("  period: 20d\n", f"  period: 20d\n  calibration: {{method: {method}, period: 5d}}\n")
    package, plain = fit(definition, dated_machines()), fit(edit("5d}\n  holdout", "6d}\n  holdout"), dated_machines())
    files = package.dump()
    assert "calibration.json" in files
    loaded = load_package(files, package_digest(files))
    assert np.array_equal(loaded.score(dated_machines()), package.score(dated_machines()))
    assert not np.array_equal(plain.score(dated_machines()), package.score(dated_machines()))


def test_the_estimator_does_not_learn_from_the_days_that_calibrate(edit: Edit) -> None:
    definition = edit("  period: 20d\n", "  period: 20d\n  calibration: {period: 5d}\n")
    rows = dated_machines()
    late = rows["score_date"].to_numpy() >= np.datetime64(FIRST + timedelta(days=15))
    spoilt = rows.set_column(
        rows.schema.get_field_index("label"),
        "label",
        pa.array(np.where(late, 1 - rows["label"].to_numpy(), rows["label"])),
    )
    original, changed = fit(definition, rows).dump(), fit(definition, spoilt).dump()
    assert original["estimator.skops"] == changed["estimator.skops"]
    assert original["calibration.json"] != changed["calibration.json"]


def test_days_of_one_class_cannot_calibrate(edit: Edit) -> None:
    definition = edit("  period: 20d\n", "  period: 20d\n  calibration: {period: 5d}\n")
    rows = dated_machines()
    late = rows["score_date"].to_numpy() >= np.datetime64(FIRST + timedelta(days=15))
    spoilt = rows.set_column(
        rows.schema.get_field_index("label"), "label", pa.array(np.where(late, 1.0, rows["label"]))
    )
    with pytest.raises(
        TerminalError, match=r"training\.calibration\.period: calibration needs .*200 rows from 2024-01-16"
    ):
        fit(definition, spoilt)
