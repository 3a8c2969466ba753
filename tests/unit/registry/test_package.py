from __future__ import annotations

import contextlib
import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

from nightshift.definition.training import Imputation
from nightshift.errors import TerminalError
from nightshift.registry.bins import NumberBins
from nightshift.registry.encoder import Encoder
from nightshift.registry.estimators.scikit_learn import ESTIMATOR
from nightshift.registry.package import ModelPackage, load_package, package_digest
from nightshift.registry.reference import NO_REFERENCE, ModelReference, ReferenceColumn

TYPES = {"busy": "number", "kind": "category", "old": "number"}


def rows(kinds: list[str | None], busy: list[float | None] | None = None) -> pa.Table:
    count = len(kinds)
    return pa.table(
        {
            "kind": pa.array(kinds, pa.string()),
            "busy": pa.array(busy or [0.5] * count, pa.float64()),
            "old": pa.array(range(count), pa.int64()),
            "other": pa.array(["x"] * count),
        }
    )


REFERENCE = ModelReference(
    {"busy": ReferenceColumn(NumberBins((0.5,), (0.2, 0.7), 0.3, (-0.7, 0.7, 0.0, 0.0)), (1, 2, 0, 0))}
)


def trained() -> tuple[ModelPackage, pa.Table]:
    random = np.random.default_rng(3)
    table = rows(random.choice(["a", "b", "c"], 300).tolist(), random.uniform(size=300).tolist())
    encoder = Encoder.fit(table, TYPES)
    estimator = HistGradientBoostingClassifier(max_iter=3, random_state=0, categorical_features=[1])
    estimator.fit(encoder.matrix(table), (random.uniform(size=300) < table["busy"].to_numpy()).astype(int))
    return ModelPackage(estimator, encoder, REFERENCE), table


@pytest.fixture(scope="module")
def stored() -> tuple[dict[str, bytes], ModelPackage, pa.Table]:
    package, table = trained()
    return package.dump(), package, table


Stored = tuple[dict[str, bytes], ModelPackage, pa.Table]


def test_a_stored_package_scores_and_remembers_what_the_original_did(stored: Stored) -> None:
    files, package, table = stored
    loaded = load_package(files, package_digest(files))
    assert np.array_equal(loaded.score(table), package.score(table))
    assert loaded.encoder == package.encoder
    assert loaded.reference == package.reference


def test_scores_are_probabilities_of_the_positive_class(stored: Stored) -> None:
    _, package, table = stored
    scores = package.score(table)
    assert scores.shape == (300,)
    assert ((scores >= 0) & (scores <= 1)).all()
    busy = table["busy"].to_numpy()
    assert scores[busy > 0.8].mean() > scores[busy < 0.2].mean()


def test_rows_score_the_same_alone_in_batches_and_all_at_once(stored: Stored) -> None:
    _, package, table = stored
    batches = [package.score(batch) for batch in table.to_batches(max_chunksize=7)]
    assert np.array_equal(np.concatenate(batches), package.score(table))


def test_no_rows_have_no_scores(stored: Stored) -> None:
    _, package, table = stored
    assert package.score(table.slice(0, 0)).shape == (0,)


@given(st.data())
def test_a_changed_byte_anywhere_is_refused(stored: Stored, data: st.DataObject) -> None:
    files, _, _ = stored
    name = data.draw(st.sampled_from(sorted(files)))
    position = data.draw(st.integers(0, len(files[name]) - 1))
    changed = bytearray(files[name])
    changed[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(TerminalError, match="the model's artifact is not the one that was registered"):
        load_package({**files, name: bytes(changed)}, package_digest(files))


def test_a_file_that_is_gone_added_or_renamed_is_refused(stored: Stored) -> None:
    files, _, _ = stored
    digest = package_digest(files)
    less = {name: content for name, content in files.items() if name != ESTIMATOR}
    swapped = {"reference.json": files["encoder.json"], "encoder.json": files["reference.json"], ESTIMATOR: b""}
    for changed in (less, {**files, "more": b""}, {**less, f"{ESTIMATOR}2": files[ESTIMATOR]}, swapped):
        with pytest.raises(TerminalError, match=f"allowed: {digest}; fix: restore the artifact, or roll back"):
            load_package(changed, digest)


def test_the_digest_does_not_depend_on_the_order_of_the_files(stored: Stored) -> None:
    files, _, _ = stored
    assert package_digest(dict(reversed(files.items()))) == package_digest(files)


class Homemade(ClassifierMixin, BaseEstimator):
    """An estimator nobody has vouched for."""

    def predict_proba(self, matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.full((len(matrix), 2), 0.5)


def test_a_type_nobody_trusts_is_refused_by_name_before_it_is_stored() -> None:
    package = ModelPackage(Homemade(), Encoder({}, {}), NO_REFERENCE)
    with pytest.raises(TerminalError) as caught:
        package.dump()
    assert "not trusted" in str(caught.value)
    assert f"received '{Homemade.__module__}.Homemade'; allowed: scikit-learn's own estimators, " in str(caught.value)


class Bomb:
    """Unpickling it creates a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def test_the_bomb_of_these_tests_does_go_off_when_unpickled(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Bomb(tmp_path / "mark")))
    assert (tmp_path / "mark").exists()


def bombs(mark: Path, original: bytes) -> dict[str, bytes]:
    """Ways of putting a pickle where the estimator is expected."""
    bomb = pickle.dumps(Bomb(mark))
    extended = io.BytesIO(original)
    with zipfile.ZipFile(extended, "a") as archive:
        archive.writestr("bomb.pkl", bomb)
    objects = io.BytesIO()
    array = np.empty(1, dtype=object)
    array[0] = Bomb(mark)
    np.save(objects, array, allow_pickle=True)
    inside = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(original)) as source, zipfile.ZipFile(inside, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name) if name == "schema.json" else objects.getvalue())
    return {"instead": bomb, "beside": extended.getvalue(), "for its arrays": inside.getvalue()}


@pytest.mark.parametrize("way", ["instead", "beside", "for its arrays"])
def test_a_pickle_put_into_the_registry_never_runs_even_with_a_fitting_digest(
    stored: Stored, tmp_path: Path, way: str
) -> None:
    files, _, table = stored
    evil = {**files, ESTIMATOR: bombs(tmp_path / "mark", files[ESTIMATOR])[way]}
    with pytest.raises(TerminalError):
        load_package(evil, package_digest(files))
    with contextlib.suppress(Exception):  # whatever it says, nothing may run
        load_package(evil, package_digest(evil)).score(table)
    assert not (tmp_path / "mark").exists()


def test_a_function_put_into_the_registry_is_not_loaded_even_with_a_fitting_digest(stored: Stored) -> None:
    files, _, _ = stored
    evil = {**files, ESTIMATOR: skops.io.dumps(FunctionTransformer(func=Path.touch))}
    with pytest.raises(TerminalError, match=r"the model's artifact was not loaded: .*pathlib\.touch"):
        load_package(evil, package_digest(evil))


def test_the_stored_files_hold_no_pickle(stored: Stored) -> None:
    files, _, _ = stored
    for name, content in files.items():
        if name == ESTIMATOR:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                parts = {part: archive.read(part) for part in archive.namelist()}
            assert all(part.endswith((".json", ".npy", ".npz")) for part in parts)
            for part, array in parts.items():
                if part.endswith(".npy"):
                    np.load(io.BytesIO(array), allow_pickle=False)
        else:
            json.loads(content)


def test_categories_are_coded_in_sorted_order_and_columns_in_declared_order() -> None:
    encoder = Encoder.fit(rows(["c", "a", None, "a"]), TYPES)
    assert encoder.categories == {"kind": ("a", "c")}
    assert encoder.category_positions == [1]
    matrix = encoder.matrix(rows(["a", "c"], [0.25, 0.75]))
    assert matrix.tolist() == [[0.25, 0.0, 0.0], [0.75, 1.0, 1.0]]
    assert matrix.dtype == np.float64


def test_categories_that_are_new_or_missing_are_missing() -> None:
    encoder = Encoder.fit(rows(["a", "b"]), TYPES)
    codes = encoder.matrix(rows(["b", "new", None, ""]))[:, 1]
    assert codes[0] == 1.0
    assert np.isnan(codes[1:]).all()


def test_missing_numbers_are_missing() -> None:
    encoder = Encoder.fit(rows(["a", "b"]), TYPES)
    busy = encoder.matrix(rows(["a", "b", "a"], [None, float("nan"), 0.5]))[:, 0]
    assert np.isnan(busy).tolist() == [True, True, False]


def test_a_category_without_any_value_in_training_is_always_missing() -> None:
    encoder = Encoder.fit(rows([None, None]), TYPES)
    assert np.isnan(encoder.matrix(rows(["a", None]))[:, 1]).all()


@pytest.mark.parametrize(("impute", "filled"), [("median", 0.3), ("mean", 0.4), ("most_frequent", 0.2)])
def test_what_is_missing_is_filled_by_the_statistic_of_the_training_rows(impute: Imputation, filled: float) -> None:
    table = rows(["a", "b", "b", None, "c"], [0.2, 0.2, None, 0.4, 0.8])
    encoder = Encoder.fit(table, TYPES, impute)
    matrix = encoder.matrix(rows(["c", "never met", None], [0.7, None, float("nan")]))
    assert np.allclose(matrix[:, 0], [0.7, filled, filled])
    assert matrix[:, 1].tolist() == [2.0, 1.0, 1.0]  # a category is filled by the most frequent one
    stored = Encoder.from_json(json.loads(json.dumps(encoder.to_json())))
    assert np.array_equal(stored.matrix(table), encoder.matrix(table))


@given(st.lists(st.one_of(st.none(), st.floats(-1e300, 1e300), st.just(float("nan"))), min_size=1, max_size=20))
def test_a_filled_value_is_between_those_of_the_training_and_present_ones_are_unchanged(
    busy: list[float | None],
) -> None:
    values = [value for value in busy if value is not None and not np.isnan(value)]
    table = rows(["a"] * len(busy), busy)
    for impute in get_args(Imputation):
        column = Encoder.fit(table, TYPES, impute).matrix(table)[:, 0]
        present = ~np.isnan(Encoder.fit(table, TYPES).matrix(table)[:, 0])
        assert column[present].tolist() == values
        if values:
            low, high = min(values), max(values)
            assert all(low <= value <= high or np.isclose(value, [low, high]).any() for value in column)
        else:
            assert np.isnan(column).all()


def test_an_encoder_that_fills_nothing_is_stored_as_before() -> None:
    assert Encoder.fit(rows(["a"]), TYPES).to_json() == {"types": TYPES, "categories": {"kind": ("a",)}}


def test_rows_that_the_estimator_refuses_are_one_line_with_each_feature_and_count() -> None:
    table = rows(["a", "b", "b"], [0.1, 0.2, 0.3])
    encoder = Encoder.fit(table, TYPES)
    package = ModelPackage(LogisticRegression().fit(encoder.matrix(table), [0, 1, 1]), encoder, NO_REFERENCE)
    with pytest.raises(TerminalError) as caught:
        package.score(rows(["a", "never met", None], [None, 0.5, 0.5]))
    assert "LogisticRegression: the estimator refused the rows by ValueError: Input X contains NaN" in str(caught.value)
    assert "'busy missing in 1 of 3 rows, kind missing or not in the training rows in 2 of 3 rows'" in str(caught.value)
    with pytest.raises(TerminalError, match="received 'busy infinite in 1 of 2 rows'; fix: bound the feature"):
        package.score(rows(["a", "b"], [float("inf"), 0.5]))


@given(st.lists(st.one_of(st.none(), st.text(max_size=3)), min_size=1, max_size=20))
def test_a_category_met_in_training_has_the_same_code_ever_after(kinds: list[str | None]) -> None:
    encoder = Encoder.fit(rows(kinds), TYPES)
    codes = encoder.matrix(rows(kinds))[:, 1]
    categories = encoder.categories["kind"]
    back = [None if np.isnan(code) else categories[int(code)] for code in codes]
    assert back == kinds
    batch = rows(kinds).to_batches()[0]
    assert np.array_equal(encoder.matrix(batch)[:, 1], codes, equal_nan=True)


def test_a_package_of_any_text_survives_storing(stored: Stored) -> None:
    table = rows(['ä"\n', "日本", "\\"])
    encoder = Encoder.fit(table, TYPES)
    estimator = LogisticRegression().fit(encoder.matrix(table), [0, 1, 1])
    files = ModelPackage(estimator, encoder, NO_REFERENCE).dump()
    assert load_package(files, package_digest(files)).encoder == encoder


def test_a_feature_the_rows_lack_is_named(stored: Stored) -> None:
    _, package, table = stored
    with pytest.raises(TerminalError, match="'busy'"):
        package.score(table.drop(["busy"]))
