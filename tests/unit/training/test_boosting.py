"""LightGBM and XGBoost: fitted, stored and loaded as scikit-learn's estimators are, by themselves and in pipelines."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import r2_score, roc_auc_score

from nightshift.definition.load import load_definition
from nightshift.definition.model import ModelDefinition
from nightshift.errors import TerminalError
from nightshift.registry.package import ModelPackage, load_package, package_digest
from nightshift.settings import PROJECT
from nightshift.training.estimator import estimator_problems
from nightshift.training.fit import fit
from nightshift.training.unmet import with_unmet_values_filled
from unit.conftest import Edit
from unit.examples import examples
from unit.training.machines import machines
from unit.training.test_fit import BOOSTING

DECLARED = "{class: sklearn.linear_model.LogisticRegression, params: {C: 1.0}}"
CLASSIFIERS = {
    "lightgbm": "{class: lightgbm.LGBMClassifier, params: {n_estimators: 5, min_child_samples: 5}}",
    "xgboost": "{class: xgboost.XGBClassifier, params: {n_estimators: 5}}",
}
KINDS = {
    **CLASSIFIERS,
    "lightgbm on two threads": CLASSIFIERS["lightgbm"].replace("5}}", "5, num_threads: 2}}"),
    "xgboost on two threads": CLASSIFIERS["xgboost"].replace("5}}", "5, n_jobs: 2}}"),
    "lightgbm by samples": CLASSIFIERS["lightgbm"].replace("5}}", "5, subsample: 0.5, subsample_freq: 1}}"),
    "xgboost by samples": CLASSIFIERS["xgboost"].replace("5}}", "5, subsample: 0.5}}"),
    "lightgbm with dart": CLASSIFIERS["lightgbm"].replace("5}}", "5, boosting_type: dart}}"),
    "xgboost with dart": CLASSIFIERS["xgboost"].replace("5}}", "5, booster: dart, rate_drop: 0.5}}"),
    "xgboost linear": "{class: xgboost.XGBClassifier, params: {n_estimators: 5, booster: gblinear}}",
    "xgboost forest": "{class: xgboost.XGBRFClassifier, params: {n_estimators: 5}}",
    "xgboost of two classes": CLASSIFIERS["xgboost"].replace("5}}", "5, objective: multi:softprob, num_class: 2}}"),
}
REGRESSORS = {
    "lightgbm": "{class: lightgbm.LGBMRegressor, params: {n_estimators: 30}}",
    "xgboost": "{class: xgboost.XGBRegressor, params: {n_estimators: 30}}",
    "lightgbm absolute": "{class: lightgbm.LGBMRegressor, params: {n_estimators: 60, objective: mae}}",
    "xgboost gamma": "{class: xgboost.XGBRegressor, params: {n_estimators: 30, objective: reg:gamma}}",
    "xgboost quantile": "{class: xgboost.XGBRegressor, params: {objective: reg:quantileerror, quantile_alpha: 0.5}}",
}
PIPELINE = """
from lightgbm import LGBMClassifier
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder
from xgboost import XGBClassifier


def make_estimator(params, seed, categories):
    columns = ColumnTransformer(
        [("categories", OneHotEncoder(handle_unknown="ignore"), categories)],
        remainder=make_pipeline(SimpleImputer(), StandardScaler()),
    )
    return make_pipeline(STEPS)
"""
PIPELINES = {
    "lightgbm": "columns, LGBMClassifier(n_estimators=5, min_child_samples=5)",
    "xgboost": "columns, XGBClassifier(n_estimators=5)",
    "scikit-learn": "columns, LogisticRegression()",
    "nested": "columns, make_pipeline(SelectKBest(f_classif, k=3), LGBMClassifier(n_estimators=5))",
    "without a seed": "TargetEncoder(), PCA(2, svd_solver='randomized'), XGBClassifier(n_estimators=5, subsample=0.5)",
}


def gaps(rows: pa.Table) -> pa.Table:
    """The rows, some of which lack values."""
    for name in ("busy", "kind"):
        values = rows[name].to_pylist()
        column = pa.array([None if place % 9 == 0 else value for place, value in enumerate(values)])
        rows = rows.set_column(rows.schema.get_field_index(name), name, column)
    return rows


def minutes(count: int = 400, seed: int = 1) -> pa.Table:
    """The busier a machine, the longer it is out of service; and one kind of machine longer than the others."""
    rows, random = machines(count, seed), np.random.default_rng(seed)
    longer = 9 * (rows["kind"].to_numpy(zero_copy_only=False) == "b")
    label = 1 + 20 * rows["busy"].to_numpy() + longer + random.exponential(2, count)
    return rows.set_column(rows.schema.get_field_index("label"), "label", pa.array(label))


def loaded(package: ModelPackage) -> ModelPackage:
    files = package.dump()
    return load_package(files, package_digest(files))


@pytest.fixture
def without_fills(edit: Edit) -> Callable[[str], ModelDefinition]:
    """The tiny definition with another estimator, and missing values passed to it."""

    def change(estimator: str) -> ModelDefinition:
        edit("  impute: median\n", "")
        return edit(DECLARED, estimator)

    return change


@pytest.fixture
def pipeline(models: Path) -> Callable[[str], ModelDefinition]:
    """The tiny definition with an `estimator.py` that makes a pipeline of these steps."""

    def write(steps: str) -> ModelDefinition:
        file = models / "tiny" / "model.yaml"
        file.write_text(file.read_text().replace(DECLARED, "{}"))
        (models / "tiny" / "estimator.py").write_text(PIPELINE.replace("STEPS", steps))
        return load_definition(models / "tiny")

    return write


@pytest.mark.parametrize("estimator", KINDS.values(), ids=KINDS)
def test_a_model_scores_the_same_when_loaded_and_is_the_same_when_fitted_again(
    without_fills: Callable[[str], ModelDefinition], estimator: str
) -> None:
    definition, unseen = without_fills(estimator), gaps(machines(60, seed=2))
    first, second = (fit(definition, gaps(machines())) for _ in range(2))
    assert np.array_equal(loaded(first).score(unseen), first.score(unseen))
    assert package_digest(first.dump()) == package_digest(second.dump()) == package_digest(loaded(first).dump())
    scores = first.score(machines())
    assert ((scores >= 0) & (scores <= 1)).all()
    assert roc_auc_score(machines()["label"].to_numpy(), scores) > 0.65


@pytest.mark.parametrize("estimator", REGRESSORS.values(), ids=REGRESSORS)
def test_a_regressor_predicts_the_same_when_loaded(of_number: Callable[..., ModelDefinition], estimator: str) -> None:
    definition = of_number((DECLARED, estimator), ("  impute: median\n", ""))
    package, unseen = fit(definition, gaps(minutes())), minutes(80, seed=2)
    assert np.array_equal(loaded(package).score(unseen), package.score(unseen))
    assert r2_score(unseen["label"].to_numpy(), package.score(unseen)) > 0.5


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_the_scores_are_those_of_the_librarys_own_estimator(
    without_fills: Callable[[str], ModelDefinition], kind: str
) -> None:
    """Fitted by the library alone, with the categories as codes and what makes it repeatable."""
    import lightgbm
    import xgboost

    package, rows = fit(without_fills(CLASSIFIERS[kind]), gaps(machines())), gaps(machines())
    matrix, labels = package.encoder.matrix(rows), rows["label"].to_numpy().astype(int)
    theirs: Any
    if kind == "lightgbm":
        fixed = {"deterministic": True, "force_row_wise": True, "n_jobs": 1, "verbosity": -1}
        theirs = lightgbm.LGBMClassifier(n_estimators=5, min_child_samples=5, random_state=0, **fixed)
        theirs.fit(matrix, labels, categorical_feature=[1])
    else:
        theirs = xgboost.XGBClassifier(
            n_estimators=5, random_state=0, enable_categorical=True, feature_types=["q", "c", "q"]
        ).fit(matrix, labels)
    assert np.array_equal(package.score(rows), theirs.predict_proba(matrix)[:, 1].astype(float))


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_missing_values_and_new_categories_get_a_score_and_need_no_fill(
    without_fills: Callable[[str], ModelDefinition], kind: str
) -> None:
    definition, rows = without_fills(CLASSIFIERS[kind]), machines()
    package = fit(definition, rows)
    unfilled, sentence = with_unmet_values_filled(definition, package, rows, rows)
    assert unfilled is package and not sentence
    missing, new = (rows.set_column(1, "kind", pa.array([kind] * len(rows), pa.string())) for kind in (None, "zz"))
    assert np.array_equal(package.score(missing), package.score(new))


@pytest.mark.parametrize("kind", CLASSIFIERS)
@given(values=st.lists(st.one_of(st.none(), st.floats(width=32)), min_size=2, max_size=12))
@examples(max_examples=30)
def test_rows_score_the_same_alone_and_together(fitted: dict[str, ModelPackage], kind: str, values: list[Any]) -> None:
    finite = [None if value is None or not np.isfinite(value) else value for value in values]
    rows = machines(len(values)).set_column(0, "busy", pa.array(finite, pa.float64()))
    package = fitted[kind]
    alone = [package.score(rows.slice(place, 1))[0] for place in range(len(values))]
    assert alone == package.score(rows).tolist()


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelPackage]:
    source = PROJECT / "tests" / "models" / "tiny" / "model.yaml"
    packages = {}
    for kind, estimator in CLASSIFIERS.items():
        folder = tmp_path_factory.mktemp(kind) / "tiny"
        folder.mkdir()
        text = source.read_text().replace(DECLARED, estimator).replace("  impute: median\n", "")
        (folder / "model.yaml").write_text(text)
        packages[kind] = loaded(fit(load_definition(folder), machines()))
    return packages


@pytest.mark.parametrize("steps", PIPELINES.values(), ids=PIPELINES)
def test_a_pipeline_is_stored_without_pickle_and_is_the_same_when_fitted_again(
    pipeline: Callable[[str], ModelDefinition], steps: str
) -> None:
    definition, unseen = pipeline(steps), machines(60, seed=2)
    first, second = (fit(definition, gaps(machines())) for _ in range(2))
    assert np.array_equal(loaded(first).score(unseen), first.score(unseen))
    assert package_digest(first.dump()) == package_digest(second.dump())
    assert first.score(unseen).std() > 0.02  # it learned something


def test_the_files_of_a_pipeline_are_its_transformers_and_its_last_step(
    pipeline: Callable[[str], ModelDefinition],
) -> None:
    files = fit(pipeline(PIPELINES["lightgbm"]), machines()).dump()
    names = {"transformers.skops", "estimator.lightgbm.txt", "estimator.json", "encoder.json", "reference.json"}
    assert set(files) == names
    assert files["estimator.lightgbm.txt"].startswith(b"tree\nversion=")
    assert set(json.loads(files["estimator.json"])["libraries"]) == {"lightgbm", "scikit-learn", "skops"}


PROCESS = """
import sys
from pathlib import Path
from nightshift.definition.load import load_definition
from nightshift.registry.package import package_digest
from nightshift.training.fit import fit
from unit.training.machines import machines
from unit.training.test_fit import BOOSTING

padding = [object() for _ in range(9999)]
for folder in sys.argv[1:]:
    print(package_digest(fit(load_definition(Path(folder)), machines(2000)).dump()))
"""


@pytest.mark.slow
def test_another_process_makes_the_same_models(models: Path, edit: Edit, tmp_path: Path) -> None:
    declared, folders = DECLARED, []
    for estimator in (BOOSTING, *CLASSIFIERS.values()):
        definition, declared = edit(declared, estimator), estimator
        folders.append(shutil.copytree(definition.folder, tmp_path / str(len(folders)) / definition.folder.name))
    # Sums that are made in parallel depend on the number of threads.
    threads = {name: value for name, value in os.environ.items() if name.startswith("OMP_")}
    environment = threads | {"PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join([str(PROJECT / "tests"), *sys.path])}
    command = [sys.executable, "-c", PROCESS, *map(str, folders)]
    digests = subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout.split()
    assert digests == [package_digest(fit(load_definition(folder), machines(2000)).dump()) for folder in folders]


def test_the_seed_is_that_of_the_definition(edit: Edit) -> None:
    packages = []
    declared = DECLARED
    for kind in ("lightgbm by samples", "xgboost by samples"):
        definition, declared = edit(declared, KINDS[kind]), KINDS[kind]
        packages.append(fit(definition, machines()).score(machines()))
        seeded = edit('cadence: "0 7 * * 1"', 'cadence: "0 7 * * 1"\n  seed: 7')
        assert not np.array_equal(fit(seeded, machines()).score(machines()), packages[-1])
        edit("\n  seed: 7", "")


LIGHTGBM, XGBOOST = "class: lightgbm.LGBMClassifier", "class: xgboost.XGBClassifier"
MISTAKES = {
    f"{LIGHTGBM}, params: {{num_leafs: 3}}": "LightGBM has no parameter 'num_leafs'; write 'num_leaves'",
    f"{XGBOOST}, params: {{max_dept: 3}}": "XGBoost does not use the parameter 'max_dept'; write 'max_depth'",
    f"{XGBOOST}, params: {{booster: gblinear, max_depth: 3}}": "XGBoost does not use the parameter 'max_depth'",
    f"{LIGHTGBM}, params: {{max_depth: deep}}": 'Parameter max_depth should be of type int, got "deep"',
    f"{XGBOOST}, params: {{max_depth: deep}}": "Invalid Parameter format for max_depth expect int but value='deep'",
    f"{LIGHTGBM}, params: {{objective: bin}}": "Unknown objective type name: bin",
    f"{XGBOOST}, params: {{objective: bin}}": "Unknown objective function: `bin`",
    f"{XGBOOST}, params: {{n_estimators: 0}}": "'n_estimators' is 0; write 1 or more",
    f"{LIGHTGBM}, params: {{n_estimators: 0}}": "Number of boosting rounds must be greater than 0",
    f"{LIGHTGBM}, params: {{n_jobs: -1}}": "the number of threads differs between machines: n_jobs is -1; write 1",
    f"{XGBOOST}, params: {{n_jobs: 0}}": "the number of threads differs between machines: n_jobs is 0; write 1",
    f"{LIGHTGBM}, params: {{early_stopping_round: 5}}": "For early stopping, at least one dataset",
    f"{XGBOOST}, params: {{early_stopping_rounds: 5}}": "Must have at least 1 validation dataset for early stopping",
    f"{LIGHTGBM}, params: {{monotone_constraints: [1]}}": "monotone_constraints.size",
    "class: lightgbm.LGBMClasifier": "no such class",
    "class: lightgbm.LGBMRanker": "the class gives no probabilities",
    "class: xgboost.Booster": "no scikit-learn-compatible class",
}


@pytest.mark.parametrize(("declared", "says"), MISTAKES.items(), ids=MISTAKES)
def test_a_mistake_is_one_line_of_the_definition_before_anything_is_fitted(
    edit: Edit, capfd: pytest.CaptureFixture[str], declared: str, says: str
) -> None:
    definition = edit(DECLARED, f"{{{declared}}}")
    [problem] = estimator_problems(definition)
    assert capfd.readouterr() == ("", "")
    assert says in str(problem) and "\n" not in str(problem)
    assert f"{definition.folder / 'model.yaml'}:" in str(problem) and "training.estimator." in str(problem)


def test_declared_constraints_and_aliases_are_passed_on(edit: Edit) -> None:
    rising = "params: {n_estimators: 20, monotone_constraints: [1, 0, 0]"
    declared = DECLARED
    for kind, alias in ((LIGHTGBM, "num_leaf: 4"), (XGBOOST, "max_leaves: 4")):
        estimator = f"{{{kind}, {rising}, {alias}}}}}"
        package, declared = fit(edit(declared, estimator), machines()), estimator
        rows = machines(1)
        ladder = pa.concat_tables([rows.set_column(0, "busy", pa.array([step / 20])) for step in range(21)])
        assert (np.diff(package.score(ladder)) >= 0).all()


@pytest.mark.parametrize("made", ["LGBMClassifier(objective=mine)", "XGBClassifier(objective=mine)"])
def test_a_function_among_the_parameters_is_refused_by_name(
    pipeline: Callable[[str], ModelDefinition], made: str
) -> None:
    definition = pipeline(f"columns, {made.replace('mine', 'make_pipeline')}")
    with pytest.raises(TerminalError, match="the parameter 'objective' is a function, which cannot be stored"):
        fit(definition, machines())


def test_a_booster_within_another_estimator_is_refused_by_name(pipeline: Callable[[str], ModelDefinition]) -> None:
    definition = pipeline(
        "OneHotEncoder(), __import__('sklearn.ensemble').ensemble.BaggingClassifier(LGBMClassifier())"
    )
    with pytest.raises(
        TerminalError, match=r"not trusted .*'lightgbm\.sklearn\.LGBMClassifier'.*last step of such a pi"
    ):
        fit(definition, machines())


@pytest.mark.parametrize(("kind", "library"), [(LIGHTGBM, "lightgbm"), (XGBOOST, "xgboost")])
def test_a_library_that_is_not_installed_is_one_line(
    edit: Edit, monkeypatch: pytest.MonkeyPatch, kind: str, library: str
) -> None:
    definition = edit(DECLARED, f"{{{kind}}}")
    package = fit(definition, machines())
    files = package.dump()
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(TerminalError, match=rf"{library} is not installed; .*fix: pip install -r requirements\.txt"):
        fit(definition, machines())
    with pytest.raises(TerminalError, match=f"the model's library cannot be imported: .*pip install {library}=="):
        load_package(files, package_digest(files))


def test_infinite_values_that_xgboost_refuses_are_one_line(edit: Edit) -> None:
    definition = edit(DECLARED, f"{{{XGBOOST}}}")
    rows = machines()
    infinite = rows.set_column(0, "busy", pa.array([float("inf"), *rows["busy"].to_pylist()[1:]]))
    with pytest.raises(TerminalError, match=r"the estimator refused the training data: .*contains `inf`") as caught:
        fit(definition, infinite)
    assert "busy infinite in 1 of " in str(caught.value) and "workspace" not in str(caught.value)


WARNED = {
    f"{LIGHTGBM}, params: {{n_estimators: 30, bagging_fraction: 0.5, subsample: 0.4}}": "bagging_fraction is set=",
    f"{XGBOOST}, params: {{n_estimators: 30, device: cuda}}": "Device is changed from GPU to CPU",
    "class: sklearn.neural_network.MLPClassifier, params: {max_iter: 2}": "Stochastic Optimizer: Maximum iter",
}


@pytest.mark.parametrize(("declared", "warning"), WARNED.items(), ids=WARNED)
def test_warnings_are_lines_of_progress_once_and_information_is_none(
    edit: Edit, capfd: pytest.CaptureFixture[str], declared: str, warning: str
) -> None:
    lines: list[str] = []
    fit(edit(DECLARED, f"{{{declared}}}"), machines(), progress=lines.append)
    assert len(lines) == 1 and lines[0].startswith(f"the estimator warns: {warning}")
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_neither_library_is_imported_unless_a_model_needs_it() -> None:
    code = (
        "import sys, nightshift.stages.train, nightshift.registry.package, nightshift.training.estimator\n"
        "sys.exit(bool({'lightgbm', 'xgboost'} & set(sys.modules)))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0
