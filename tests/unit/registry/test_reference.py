"""The reference of a version is stored byte for byte as it was: a model's digest covers the file."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.monitoring.reference import make_reference, with_thresholds
from nightshift.registry.reference import NO_REFERENCE, SCORES, ModelReference
from unit.examples import examples
from unit.monitoring.worlds import FEATURES, ONCE_IN_90, population_of

FIRST = date(2024, 1, 1)
numbers = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True, width=32), st.integers(-3, 3).map(float))
kinds = st.one_of(st.none(), st.sampled_from(["a", "b", "ä\n"]))
training_rows = st.lists(st.tuples(st.integers(0, 7), numbers, kinds, st.floats(0, 1)), min_size=1, max_size=40)


def stored(reference: ModelReference) -> bytes:
    return json.dumps(reference.to_json()).encode()


def read(content: bytes) -> ModelReference:
    return ModelReference.from_json(json.loads(content))


def learn(rows: list[tuple[int, float | None, str | None, float]]) -> ModelReference:
    dates = pa.array([FIRST + timedelta(days=day) for day, *_ in rows], pa.date32())
    features = pa.table({
        "load": pa.array([load for _, load, _, _ in rows], pa.float64()),
        "kind": pa.array([kind for _, _, kind, _ in rows], pa.string()),
        "score_date": dates,
    })  # fmt: skip
    scores = pa.table({SCORES: pa.array([score for *_, score in rows], pa.float64()), "score_date": dates})
    return make_reference(features, {"load": "number", "kind": "category"}, scores)


@examples(max_examples=50, deadline=None)
@given(training_rows)
def test_a_reference_that_was_read_is_written_byte_for_byte(
    rows: list[tuple[int, float | None, str | None, float]],
) -> None:
    content = stored(learn(rows))
    assert stored(read(content)) == content
    assert read(content) == learn(rows)


@pytest.mark.slow
@pytest.mark.parametrize("watched", [FEATURES, FEATURES[:2], []])
def test_thresholds_and_correlations_are_written_byte_for_byte(watched: list[str]) -> None:
    reference = with_thresholds(population_of(60, 200), watched, ONCE_IN_90)
    assert reference.correlations is not None and reference.calibration is not None
    assert read(stored(reference)) == reference
    assert stored(read(stored(reference))) == stored(reference)


def test_the_keys_of_the_file_are_the_features_and_sentences_that_no_feature_can_be_called() -> None:
    document = with_thresholds(population_of(60, 200), FEATURES[:2], ONCE_IN_90).to_json()
    assert list(document) == [
        *FEATURES, "scores of the holdout", "dates learned from", "dates of the holdout", "calibration of drift",
    ]  # fmt: skip
    assert list(document["number_0"]) == ["type", "edges", "centers", "spread", "places", "days", "counts"]
    assert list(document["category_0"]) == ["type", "values", "others", "places", "days", "counts"]
    assert document["dates learned from"][:2] == ["2024-01-01", "2024-01-02"]
    calibration = document["calibration of drift"]
    assert list(calibration) == ["correlations", "false_alarms", "watched", "thresholds"]
    assert list(calibration["correlations"]) == [
        "names", "pairs", "mean", "between", "within", "days", "rows", "largest",
    ]  # fmt: skip
    assert list(calibration["thresholds"]) == ["sizes", "levels", "bounds"]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"load": {"type": "number", "edges": [1.5], "counts": [3, 4, 1]}},
        {
            "kind": {"type": "category", "values": ["a", "b"], "counts": [1, 2, 0, 0]},
            SCORES: {"type": "number", "edges": [0.25, 0.75], "counts": [25, 50, 25, 0]},
        },
    ],
)
def test_references_of_earlier_releases_are_read_and_written_as_they_were(document: dict[str, Any]) -> None:
    reference = ModelReference.from_json(document)
    assert reference.to_json() == document
    assert not reference.has_days
    assert (reference == NO_REFERENCE) == (document == {})
