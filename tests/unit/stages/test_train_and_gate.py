"""Trainings of a model that predicts a number, from published features to a champion: real Iceberg, real MLflow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from prepared import PreparedInstallation
from sklearn.metrics import mean_absolute_error
from typer.testing import CliRunner

from nightshift.cli import app
from nightshift.definition.load import definition_hash
from nightshift.definition.prediction import NUMBER
from nightshift.errors import TerminalError
from nightshift.lake.publish import publish
from nightshift.lake.read import read_dates
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import features_table, monitoring_table, raw_table, scores_table
from nightshift.project import Project
from nightshift.registry.bins import CategoryBins
from nightshift.registry.package import TASK
from nightshift.registry.reference import SCORES
from nightshift.replay.landing import land
from nightshift.replay.summary import nights_table
from nightshift.settings import PROJECT, Settings, get_settings
from nightshift.stages.gate import GATE_PAGE, gate
from nightshift.stages.register import promote
from nightshift.stages.reproduce import reproduce
from nightshift.stages.train import StoredModel, train
from nightshift.stages.trial import try_training
from nightshift.status import night_statuses
from nightshift.training.results import GateReport
from nightshift.types import Measurement
from unit.stages.minutes import (
    A_DAY,
    AGAINST,
    AS_OF,
    FIRST,
    LABEL,
    LAST,
    TYPED,
    OfNumber,
    champion_of_month,
    month,
    publish_days,
    run,
)
from unit.training.test_estimator import PIPELINE
from unit.training.test_fit import DECLARED

pytestmark = pytest.mark.usefixtures("smoke_in_this_process")

OfMonth = Callable[..., Project]


@pytest.fixture
def of_month(of_number: OfNumber, prepared_installation: PreparedInstallation) -> OfMonth:
    """The model with a month to learn from: texts of its definition are replaced by others, and rows spoilt."""
    return lambda *more, **spoilt: month(prepared_installation, of_number(TYPED, LABEL, *more), **spoilt)


@pytest.fixture
def project(of_month: OfMonth) -> Project:
    return of_month(AGAINST)


@pytest.fixture
def champion(of_number: OfNumber, prepared_installation: PreparedInstallation) -> tuple[Project, StoredModel]:
    project, stored, _ = champion_of_month(prepared_installation, of_number(TYPED, LABEL, AGAINST))
    return project, stored


def test_a_number_is_learned_judged_promoted_and_made_again(champion: tuple[Project, StoredModel]) -> None:
    project, trained = champion
    assert project.champions.require_champion().number == 1

    package = project.registry.package(trained.run_id, trained.digest)
    assert package.prediction is NUMBER and TASK in project.registry.package_files(trained.run_id, trained.digest)
    told, _ = project.registry.lineage(trained.run_id)
    outcomes = read_dates(project.lake, raw_table(project.definition, "failures"), FIRST, LAST)
    dates = outcomes["source_date"].to_numpy()
    learned = outcomes["failed"].to_numpy()[
        (dates >= np.datetime64("2024-01-06")) & (dates < np.datetime64("2024-01-26"))
    ]
    assert told["positives"] is None and told["rows"] == len(learned) == 20 * A_DAY
    assert told["mean"] == pytest.approx(learned.mean()) and told["median"] == pytest.approx(np.median(learned))

    judged = read_dates(project.lake, features_table(project.definition), date(2024, 1, 26), LAST)
    labels = {(row["source_date"], row["machine"]): row["failed"] for row in outcomes.to_pylist()}
    there = [labels[row["score_date"], row["machine"]] for row in judged.to_pylist()]
    metrics = project.registry.metrics(trained.run_id)
    assert metrics["holdout_mae"] == pytest.approx(mean_absolute_error(there, package.score(judged)))
    assert {"holdout_rmse", "holdout_r2", "holdout_bias"} <= set(metrics) and "holdout_roc_auc" not in metrics
    assert metrics["importance.busy"] > 0.5 > metrics["importance.kind"] > 0
    assert metrics["importance.machine_failures_3d"] == 0

    rows = read_dates(project.lake, monitoring_table(project.definition), AS_OF, AS_OF).to_pylist()
    [baseline] = [row for row in rows if row["statistic"] == "baseline.mae"]
    constant = mean_absolute_error(there, np.full(len(there), told["median"]))
    assert f"against a constant's {constant:.3f}" in baseline["detail"]
    page = project.registry.client.mlflow.download_artifacts(trained.run_id, GATE_PAGE)
    assert "Predicted against actual" in Path(page).read_text()

    again = reproduce(project, 1, lambda line: None)
    assert again.identical, again.differences


def test_a_trial_judges_as_a_training_would_and_leaves_nothing(champion: tuple[Project, StoredModel]) -> None:
    project, _ = champion
    before, runs = folder_listing(project), project.registry.client.search_runs(["1"])
    trial = try_training(project, AS_OF, lambda line: None)
    assert folder_listing(project) == before
    judged = run(project)[1]  # a training that is stored: of the same rows, against the same champion
    assert [(r.rule, r.value, r.passed) for r in trial.judgement.report.results] == [
        (r.rule, r.value, r.passed) for r in judged.results
    ]
    assert trial.judgement.against == "against version 1" and "Challenger against champion" in trial.judgement.page
    by_metric = {compared.metric: compared for compared in trial.metrics()}
    assert by_metric["mae"].model == by_metric["mae"].champion == judged.metrics["mae"]
    assert by_metric["mae"].constant > by_metric["mae"].model
    assert len(project.registry.client.search_runs(["1"])) == len(runs) + 1  # that of the training alone
    assert len(project.registry.versions()) == 1


def test_a_trial_needs_no_mlflow(of_number: OfNumber, tmp_path: Path) -> None:
    models = of_number(TYPED, LABEL, AGAINST).folder.parent
    project = Project("tiny", Settings(home=PROJECT, var=tmp_path / "var", models_folder=models))
    publish_days(project, FIRST, LAST)
    before = folder_listing(project)
    trial = try_training(project, AS_OF, lambda line: None)
    assert trial.judgement.report.passed and trial.judgement.against == "no champion to compare with"
    assert folder_listing(project) == before


def test_the_commands_try_and_train_say_what_the_gate_said(
    project: Project, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in project.settings.as_environment().items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    run_command = CliRunner().invoke
    tried = run_command(app, ["try", "tiny", "--as-of", str(AS_OF)])
    assert tried.exit_code == 0, tried.output
    page = project.settings.var_path / "trials" / f"tiny-{AS_OF}.html"
    for text in ("trained on 800 labelled rows of 2024-01-06 to 2024-01-25", "baseline.mae", "passed: ", str(page)):
        assert text in tried.stdout, text
    assert "Predicted against actual" in page.read_text() and not project.registry.versions()
    trained = run_command(app, ["train", "tiny", "--as-of", str(AS_OF), "--reason", "first"])
    assert trained.exit_code == 0 and "tiny: version 1 is the champion" in trained.stdout
    assert project.registry.version(1).tags["nightshift.reason"] == "first"

    file = models / "tiny" / "model.yaml"
    file.write_text(file.read_text().replace("minimum: {mae: 99}", "minimum: {mae: 0.01}"))
    for command, last in (("try", "nothing is registered"), ("train", "tiny: no version is registered")):
        refused = run_command(app, [command, "tiny", "--as-of", str(AS_OF)])
        assert refused.exit_code == 1 and "refused: mae" in refused.stdout and last in refused.stdout
    assert list(project.registry.versions()) == [1]
    get_settings.cache_clear()


def folder_listing(project: Project) -> list[tuple[str, int]]:
    """Every file of an installation with its size, without those that SQLite has beside an open database."""
    files = [file for file in project.settings.var_path.rglob("*") if file.is_file()]
    files = [file for file in files if not file.name.endswith(("-shm", "-wal"))]
    return sorted((str(file), file.stat().st_size) for file in files)


def test_a_worse_model_is_refused_and_a_better_one_takes_its_place(project: Project, models: Path) -> None:
    file = models / "tiny" / "model.yaml"
    good = file.read_text()
    mean = good.replace(
        "sklearn.linear_model.Ridge", "sklearn.ensemble.RandomForestRegressor, params: {max_depth: 1, n_estimators: 5}"
    )

    def again(text: str, as_of: date) -> tuple[Project, StoredModel, GateReport]:
        file.write_text(text)
        fresh = Project("tiny", project.settings)
        return fresh, *run(fresh, as_of)

    first, trained, report = again(mean, AS_OF)
    assert report.passed, report.summary()
    promote(first, trained, report.summary())

    better, trained, report = again(good, AS_OF)
    assert report.passed and report.difference is not None and report.difference.value > 0.5
    assert promote(better, trained, report.summary()).number == 2

    worse, trained, report = again(mean, AS_OF)
    assert [one.rule for one in report.results if one.passed is False] == ["against_champion.mae"]
    assert "mae" in report.summary() and "against the champion's" in report.summary()
    with pytest.raises(TerminalError, match="only a model that passed the gate"):
        promote(worse, trained, "no")
    assert worse.champions.require_champion().number == 2


def test_a_champion_that_predicts_something_else_is_not_compared_with_and_not_gone_back_to(
    champion: tuple[Project, StoredModel], models: Path
) -> None:
    project, _ = champion
    file = models / "tiny" / "model.yaml"
    condition = file.read_text().replace("  expression: failed\n  type: number\n", "  expression: failed > 12\n")
    condition = condition.replace("minimum: {mae: 99}", "minimum: {roc_auc: 0.5}").replace(
        "metric: mae", "metric: brier"
    )
    file.write_text(condition.replace("sklearn.linear_model.Ridge", "sklearn.linear_model.LogisticRegression"))
    other = Project("tiny", project.settings)
    trained, report = run(other)
    assert report.passed and report.difference is None
    assert promote(other, trained, report.summary()).number == 2
    [verdict] = [row for row in other.monitored(AS_OF, AS_OF) if row["statistic"] == "verdict"]
    assert verdict["detail"].startswith("version 1 predicts a number, but the label is a condition")
    with pytest.raises(TerminalError, match="it predicts a number, but the label is a condition"):
        other.champions.roll_back("me", 1)
    assert other.champions.require_champion().number == 2


def test_a_version_of_the_definitions_own_code_is_made_again_from_the_code_as_it_was(
    of_month: OfMonth, models: Path
) -> None:
    code = models / "tiny" / "estimator.py"
    code.write_text(PIPELINE)
    project = of_month((DECLARED, "{params: {alpha: 0.1}}"))
    trained, report = run(project)
    assert report.passed, report.summary()
    promote(project, trained, report.summary())
    assert project.registry.client.get_run(trained.run_id).data.params == {"estimator": "estimator.py", "alpha": "0.1"}
    told, files = project.registry.lineage(trained.run_id)
    assert files["estimator.py"].decode() == PIPELINE and told["definition"] == definition_hash(project.definition)

    code.write_text(PIPELINE.replace("Ridge(**params, random_state=seed)", "Ridge(alpha=100.0)"))
    again = Project("tiny", project.settings)
    assert definition_hash(again.definition) != told["definition"]
    assert reproduce(again, 1, lambda line: None).identical
    other = train(again, AS_OF, "test", lambda line: None)
    assert other.digest != trained.digest


def test_code_that_could_not_be_loaded_for_scoring_is_refused_and_leaves_nothing(
    of_month: OfMonth, models: Path
) -> None:
    own = "from sklearn.linear_model import Ridge\n\n\nclass Mine(Ridge): ...\n\n\n"
    made = "def make_estimator(params, seed, categories):\n    return Mine()\n"
    (models / "tiny" / "estimator.py").write_text(own + made)
    project = of_month((DECLARED, "{params: {}}"))
    with pytest.raises(TerminalError, match=r"holds a type that is not trusted .*received 'estimator\.Mine'"):
        train(project, AS_OF, "test", lambda line: None)
    check_nothing_is_left(project)


def test_the_accuracy_of_a_night_is_its_absolute_error(project: Project) -> None:
    scores, plan = scores_table(project.definition), raw_table(project.definition, "plan")
    row = {"score": 12.5, "model_version": 1, "features_snapshot": 1, "scored_at": datetime(2024, 1, 31, tzinfo=UTC)}
    for spec, made in (
        (scores, {"score_date": AS_OF, "machine": "a", **row}),
        (plan, {"source_date": AS_OF, "machine": "a", "load": 0.5}),
    ):
        data = pa.Table.from_pylist([made], schema=spec.schema)
        publish(project.lake, spec, stage_arrow(project.lake, spec, data, AS_OF, AS_OF, {}))
    project.record("outcome", AS_OF, [Measurement("night", "mae", 3.25), Measurement("night", "rmse", 4.5)], "test")
    [status] = night_statuses(project)
    assert (status.accuracy, status.metric) == (3.25, "MAE")
    table = nights_table("tiny", [status])
    [*_, accuracy] = table.columns
    assert [str(text) for text in (accuracy.header, *accuracy.cells)] == ["MAE", "3.250"]


def test_nights_are_compared_with_all_observations_of_the_training_also_those_without_an_outcome(
    of_month: OfMonth,
) -> None:
    project = of_month(unlabelled="c")
    trained = train(project, AS_OF, "test", lambda line: None)
    package = project.registry.package(trained.run_id, trained.digest)
    assert project.registry.lineage(trained.run_id)[0]["rows"] == 20 * 27  # of the 40 machines of a day, 13 are of `c`
    kinds, scores = package.reference.column("kind"), package.reference.column(SCORES)
    assert kinds is not None and scores is not None and isinstance(kinds.bins, CategoryBins)
    rows_of_kinds = dict(zip(kinds.bins.values, kinds.counts, strict=False))
    assert rows_of_kinds == {"a": 20 * 14, "b": 20 * 13, "c": 20 * 13}
    assert (sum(kinds.counts), sum(scores.counts)) == (20 * A_DAY, 5 * A_DAY)
    gate(project, trained, AS_OF, "test")
    assert promote(project, trained, "").number == 1
    assert reproduce(project, 1, lambda line: None).identical


# Bad input.


def test_a_feature_without_any_value_is_left_out_and_said(of_month: OfMonth) -> None:
    project = of_month(features={"machine_failures_3d": None})
    said: list[str] = []
    trained = train(project, AS_OF, "test", said.append)
    assert "the feature 'machine_failures_3d' has no value in any training row: " in "\n".join(said)
    package = project.registry.package(trained.run_id, trained.digest)
    assert list(package.encoder.types) == ["busy", "kind"]
    assert project.registry.lineage(trained.run_id)[0]["without"] == ["machine_failures_3d"]
    assert project.registry.run_tags(trained.run_id)["nightshift.without"] == "machine_failures_3d"
    report = gate(project, trained, AS_OF, "test").report
    assert report.passed, report.summary()
    page = Path(project.registry.client.mlflow.download_artifacts(trained.run_id, GATE_PAGE)).read_text()
    assert "machine_failures_3d: no value in any row of the training period" in page
    promote(project, trained, report.summary())
    assert reproduce(project, 1, lambda line: None).identical


def check_nothing_is_left(project: Project) -> None:
    """A training that failed has ended its run, keeps no snapshot and registered nothing."""
    [run] = project.registry.client.search_runs([project.registry._experiment()])
    assert run.info.status == "FAILED"
    assert not project.registry.versions() and project.registry.champion() is None
    for table in (features_table(project.definition).name, "raw.failures"):
        assert not [name for name in project.lake.table(table).refs() if name.startswith("nightshift.")]


@pytest.mark.parametrize(
    ("spoilt", "more", "says"),
    [
        (
            {"features": {"busy": None, "kind": None, "machine_failures_3d": float("nan")}},
            (),
            r"model\.yaml: features: no feature has a value in any row .*received '800 rows, features busy, kind, ",
        ),
        ({"label": 7.0}, (), r"a regressor needs observations of different labels; .*labels \[7\.0\]"),
        ({"label": None}, (), r"no observation has a label; received '\d+ observations"),
        (
            {"label": float("nan")},
            (),
            r"label\.expression: 800 of 800 labels are no finite numbers, features\.tiny from 2024-.*received nan",
        ),
        ({"label": float("inf")}, (), r"800 of 800 labels are no finite numbers.*received inf; .*fix: write an expr"),
        (
            {},
            (("  period: 20d\n", "  period: 2d\n"),),
            r"training\.min_rows: too few labelled rows to train on; received 80; allowed: at least 100",
        ),
    ],
    ids=["no features", "one label", "no labels", "nan", "infinite", "few rows"],
)
def test_what_cannot_be_learned_from_ends_the_training_with_a_reason_and_leaves_nothing(
    of_month: OfMonth,
    spoilt: dict[str, Any],
    more: tuple[tuple[str, str], ...],
    says: str,
) -> None:
    project = of_month(*more, **spoilt)
    with pytest.raises(TerminalError, match=says):
        train(project, AS_OF, "test", lambda line: None)
    check_nothing_is_left(project)


def test_how_many_rows_are_enough_to_learn_from_can_be_told(of_month: OfMonth) -> None:
    project = of_month(("  period: 20d\n", "  period: 2d\n  min_rows: 80\n"))
    assert run(project)[1].rows == 5 * A_DAY


def test_the_gate_judges_on_the_sample_of_the_holdout_that_the_training_read(of_month: OfMonth) -> None:
    project = of_month()
    training = project.definition.training.model_copy(update={"max_holdout_rows": 2 * A_DAY})  # of 5 days
    project.definition = project.definition.model_copy(update={"training": training})
    _, report = run(project)
    assert A_DAY < report.rows < 3 * A_DAY
    assert try_training(project, AS_OF, lambda line: None).judgement.report.rows == report.rows


def test_a_model_that_says_the_same_of_every_row_is_refused(of_month: OfMonth) -> None:
    lasso = (DECLARED, "{class: sklearn.linear_model.Lasso, params: {alpha: 1.0e+9}}")
    _, report = run(of_month(lasso))
    assert [one.rule for one in report.results if not one.passed] == ["scores"]
    assert "the model does not distinguish rows" in report.summary()


BEYOND = """
import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LinearRegression


def make_estimator(params, seed, categories):
    return TransformedTargetRegressor(
        LinearRegression(), func=np.exp, inverse_func=np.exp, check_inverse=False
    )
"""


def test_a_model_that_predicts_what_is_no_finite_number_is_refused_by_the_gate(of_month: OfMonth, models: Path) -> None:
    (models / "tiny" / "estimator.py").write_text(BEYOND)
    project = of_month((DECLARED, "{params: {}}"))
    _, report = run(project)
    assert [one.rule for one in report.results if not one.passed] == ["scores"]
    assert "scores are no finite numbers" in report.summary()


def test_a_feature_that_knows_the_label_is_warned_of_and_the_model_is_not_promoted(of_month: OfMonth) -> None:
    project = of_month(leak=True)
    trained, report = run(project)
    assert [one.rule for one in report.results if not one.passed] == ["leak"]
    assert "is too good to be true (0.999 or more): does a feature know the label?" in report.summary()
    with pytest.raises(TerminalError, match="only a model that passed the gate"):
        promote(project, trained, report.summary())
    assert project.champions.events()[-1].event == "refused" and project.registry.champion() is None


def test_a_training_names_the_landed_nights_that_nobody_built(project: Project) -> None:
    later = date(2024, 2, 3)
    land(project, later)
    lines: list[str] = []
    train(project, later, "test", lines.append)
    # The month was built up to 30 January; with room for the window of three days.
    assert lines[0] == (
        "not learned from: dates that have landed and are not built; to build them: "
        "nightshift build tiny --from 2024-01-28 --to 2024-02-02"
    )
