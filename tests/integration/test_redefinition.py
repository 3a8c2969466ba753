"""A feature is redefined between nights: nothing is scored, trained or compared across its two definitions."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import nullcontext as nothing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from nights import run_night, score_night, stage
from typer.testing import CliRunner

from nightshift.cli import app
from nightshift.errors import TerminalError
from nightshift.features.recorded_recipes import FEATURES_OF_VERSION
from nightshift.lake import files
from nightshift.lake.read import read_dates
from nightshift.lake.staging import load_staged, published_inputs
from nightshift.lake.tables import features_table, raw_table, scores_table
from nightshift.project import Project
from nightshift.replay.landing import land
from nightshift.settings import PROJECT, Settings, get_settings
from nightshift.stages.gate import gate
from nightshift.stages.history import build_history
from nightshift.stages.leakcheck import check_leaks
from nightshift.stages.publish import publish
from nightshift.stages.rebuild import definition_of, describe_outdated, rebuild
from nightshift.stages.register import promote
from nightshift.stages.skew import check_skew
from nightshift.stages.train import train
from nightshift.status import night_statuses
from nightshift.training.results import GateReport

pytestmark = pytest.mark.spark

FIRST, BUILT = date(2024, 1, 1), date(2024, 1, 30)
NIGHT, REDEFINED, LATER = date(2024, 1, 31), date(2024, 2, 1), date(2024, 2, 2)
PERCENT = ("expression: load,", "expression: load * 100,")


@dataclass(frozen=True)
class Story:
    """What happened from the first champion to the one that learned the new definition.

    Attributes:
        refusal: Why the first training after the redefinition was refused.
        rebuilt: What was computed again.
        report: The gate's report of the second version.
        against: The champion that it was compared with, as the gate recorded it.
    """

    project: Project
    refusal: str
    rebuilt: str
    report: GateReport
    against: str


def edit(settings: Settings, old: str, new: str) -> Project:
    file = settings.models_path / "tiny" / "model.yaml"
    text = file.read_text()
    assert text.count(old) == 1, old
    file.write_text(text.replace(old, new))
    return Project("tiny", settings)


def trained_version(project: Project, as_of: date) -> GateReport:
    stored = train(project, as_of, "test", lambda line: None)
    report = gate(project, stored, as_of, f"train-{as_of}", lambda line: None).report
    assert report.passed, report.summary()
    promote(project, stored, report.summary())
    return report


@pytest.fixture(scope="module")
def listings_lag() -> Iterator[None]:
    """Listings show nothing of the warehouse, as those of an object store may for a while: no night depends on them."""
    listed = files._file_infos
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_file_infos", lambda uri: {} if "/warehouse/" in uri else listed(uri))
        yield


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, jobs_in_this_process: None, listings_lag: None) -> Story:
    folder = tmp_path_factory.mktemp("redefinition")
    models = Path(shutil.copytree(PROJECT / "tests" / "models", folder / "models"))
    settings = Settings(home=PROJECT, var=folder / "var", models_folder=models)
    project = Project("tiny", settings)
    land(project, NIGHT)
    build_history(project, FIRST, BUILT, lambda line: None)
    trained_version(project, BUILT)
    run_night(project, NIGHT)

    project = edit(settings, *PERCENT)
    run_night(project, REDEFINED)
    with pytest.raises(TerminalError) as refusal:
        train(project, REDEFINED, "test", lambda line: None)
    rebuilt = rebuild(project, lambda line: None).nights.rebuilt
    report = trained_version(project, REDEFINED)
    rows = project.monitored(REDEFINED, REDEFINED, "gate")
    [against] = [row["detail"] for row in rows if row["statistic"] == "verdict"]
    run_night(project, LATER)
    return Story(project, str(refusal.value), rebuilt, report, against)


def scores(project: Project, night: date) -> dict[str, float]:
    rows = read_dates(project.lake, scores_table(project.definition), night, night).to_pylist()
    return {row["machine"]: row["score"] for row in rows}


def expected_scores(project: Project, night: date, version: int, percent: bool) -> dict[str, float]:
    """What a version says of a night's published features, which are in percent, as it learned them."""
    rows = read_dates(project.lake, features_table(project.definition), night, night)
    busy = rows["busy"].to_numpy()
    assert busy.max() > 1
    place = rows.column_names.index("busy")
    learned = rows.set_column(place, "busy", [busy if percent else busy / 100])
    registered = project.registry.version(version)
    package = project.registry.package(registered.run_id, registered.digest)
    return dict(zip(rows["machine"].to_pylist(), package.score(learned).tolist(), strict=True))


def busy(project: Project, night: date) -> np.ndarray:
    rows = read_dates(project.lake, features_table(project.definition), night, night)
    return rows.sort_by("machine")["busy"].to_numpy()


def test_the_old_champion_goes_on_by_its_own_definition(story: Story) -> None:
    assert scores(story.project, REDEFINED) == pytest.approx(expected_scores(story.project, REDEFINED, 1, False))
    inputs = published_inputs(story.project.lake, scores_table(story.project.definition), REDEFINED)
    assert inputs[FEATURES_OF_VERSION] == "1"


def test_the_published_features_are_those_of_the_current_definition(story: Story) -> None:
    busy = read_dates(story.project.lake, features_table(story.project.definition), REDEFINED, REDEFINED)["busy"]
    assert 1 < np.max(busy.to_numpy()) <= 100


def test_drift_is_measured_over_the_features_that_were_scored(story: Story) -> None:
    """The new definition is no drift: what the old champion was given has not moved."""
    drift = story.project.monitored(REDEFINED, REDEFINED, "drift")
    [busy] = [row for row in drift if row["subject"] == "busy" and row["statistic"] == "psi"]
    assert busy["verdict"] == "pass" and busy["value"] < 1


def test_a_training_across_both_is_refused_and_says_what_to_rebuild(story: Story) -> None:
    assert "2024-01-07 to 2024-01-31" in story.refusal
    assert "were computed by another definition of busy" in story.refusal
    assert "nightshift build tiny" in story.refusal


def test_just_the_nights_of_the_other_definition_are_computed_again(story: Story) -> None:
    assert story.rebuilt == (
        "31 nights (2024-01-01 to 2024-01-31), of another definition of busy, computed again by the current one"
    )
    assert rebuild(story.project, print).nights.changes == {}


def test_the_gate_compares_with_what_the_champion_would_have_said(story: Story) -> None:
    """Both learned the same but for the unit, so they are about equally good, and neither is compared unfairly."""
    assert story.against.startswith("against version 1, which learned another definition of busy: ")
    assert story.report.metrics["roc_auc"] > 0.6


def test_the_new_champion_scores_by_the_new_definition(story: Story) -> None:
    assert scores(story.project, LATER) == pytest.approx(expected_scores(story.project, LATER, 2, True))
    inputs = published_inputs(story.project.lake, scores_table(story.project.definition), LATER)
    assert FEATURES_OF_VERSION not in inputs


def test_recipes_are_recorded_with_nights_and_versions(story: Story) -> None:
    inputs = published_inputs(story.project.lake, features_table(story.project.definition), LATER)
    lineage, _ = story.project.registry.lineage(story.project.registry.version(2).run_id)
    assert json.loads(inputs["recipes"]) == lineage["recipes"]


def test_status_and_versions_show_the_definition_they_stand_on(story: Story) -> None:
    assert [(status.night, status.definition) for status in night_statuses(story.project)] == [
        (NIGHT, "another definition of busy"),
        (REDEFINED, "another definition of busy"),
        (LATER, "current"),
    ]
    versions = story.project.registry.versions().values()
    assert [definition_of(story.project, version) for version in versions] == [
        "another definition of busy",
        "current",
    ]


def test_checks_of_a_night_name_the_definition_instead_of_cells(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = story.project.settings
    file = settings.models_path / "tiny" / "model.yaml"
    good = file.read_text()
    try:
        project = edit(settings, PERCENT[1], "expression: load * 1000,")
        for comparison in (check_skew(project, LATER, print), check_leaks(project, [LATER], print)):
            assert (comparison.differences, comparison.redefined) == ((), ("busy",))
            assert comparison.cells == 60 * 2
        for name, value in settings.as_environment().items():
            monkeypatch.setenv(name, value)
        get_settings.cache_clear()
        result = CliRunner().invoke(app, ["skew", "tiny", "--night", str(LATER)])
        assert result.exit_code == 1
        assert "the definition of busy has changed since: not compared; fix: nightshift build tiny" in result.output
        outdated = [
            "the features of 33 nights (2024-01-01 to 2024-02-02) were computed by another definition of busy; "
            "fix: nightshift build tiny",
            "version 2, the champion, learned another definition of busy; it is scored by its own definition",
        ]
        result = CliRunner().invoke(app, ["validate", "tiny"])
        assert (result.exit_code, result.output.splitlines()[1:]) == (0, [f"tiny: {line}" for line in outdated])
        result = CliRunner().invoke(app, ["status", "tiny"])
        assert (result.exit_code, result.output.splitlines()[-2:]) == (0, outdated)
    finally:
        file.write_text(good)
        get_settings.cache_clear()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("      load: {type: number, required: true", "      burden: {type: number, required: true", "no plan.load"),
        ("load: {type: number,", "load: {type: string,", "no plan.load"),
    ],
)
def test_what_the_champion_learned_and_no_longer_lands_is_refused_in_a_line(
    story: Story, old: str, new: str, reason: str
) -> None:
    settings = story.project.settings
    file = settings.models_path / "tiny" / "model.yaml"
    good = file.read_text()
    try:
        changed = good.replace(old, new).replace(", min: 0, max: 1", "")
        file.write_text(changed.replace(PERCENT[1], "expression: length(machine),"))
        project = Project("tiny", settings)
        publish(project, stage(project, "features", LATER))
        with pytest.raises(TerminalError) as refusal:
            stage(project, "score", LATER)
    finally:
        file.write_text(good)
        rebuild(Project("tiny", settings), lambda line: None)
    text = str(refusal.value)
    assert "\n" not in text and f"{reason} as it was declared" in text and "tiny.train" in text


def test_another_reading_of_a_source_is_mixed_with_none_and_built_again(story: Story) -> None:
    """One load of each day is written as missing from now on: the features of all nights are computed from that."""
    settings = story.project.settings
    file = settings.models_path / "tiny" / "model.yaml"
    good, before = file.read_text(), busy(story.project, NIGHT)
    try:
        edit(settings, "load: {type: number, required: true, min: 0, max: 1}", "load: {type: number}")
        values = read_dates(story.project.lake, raw_table(story.project.definition, "plan"), FIRST, LATER)["load"]
        words = json.dumps([f"{value:.4f}" for value in values.to_pylist()[::60]])
        path = "    path: plan-{date}.csv.gz\n"
        project = edit(settings, path, f"{path}    csv: {{null: {words}}}\n")
        for refused in (lambda: train(project, LATER, "test", print), lambda: stage(project, "features", LATER)):
            with pytest.raises(TerminalError) as refusal:
                refused()
            assert "raw.plan of 2024-01-01 to 2024-02-02 was read by another definition of" in str(refusal.value)
            assert "fix: nightshift build tiny" in str(refusal.value)
        assert len(rebuild(project, lambda line: None).nights.changes) == 33
        values = read_dates(project.lake, raw_table(project.definition, "plan"), FIRST, LATER)["load"]
        assert values.null_count >= 33
        assert np.isnan(busy(project, NIGHT)).any() and not np.isnan(before).any()
        publish(project, stage(project, "features", LATER))
        refused = "no plan.load, plan.machine as it was declared"
        with pytest.raises(TerminalError, match=refused):
            stage(project, "score", LATER)
        [line] = describe_outdated(project)
        assert "version 2, the champion, learned another definition of" in line
        assert "it cannot score: " in line and refused in line
    finally:
        file.write_text(good)
        rebuild(Project("tiny", settings), lambda line: None)
    assert busy(Project("tiny", settings), NIGHT) == pytest.approx(before)


def test_a_feature_that_is_added_or_removed_does_not_stop_the_champion(story: Story) -> None:
    settings = story.project.settings
    file = settings.models_path / "tiny" / "model.yaml"
    good = file.read_text()
    kind = '    kind: {expression: "substring(machine, 1, 1)", type: category, description: Kind of machine}\n'
    added = kind.replace("kind:", "letters:").replace("substring(machine, 1, 1)", "machine")
    assert good.count(kind) == 1
    try:
        for text, own in ((good.replace(kind, kind + added), None), (good.replace(kind, ""), "2")):
            file.write_text(text)
            project = Project("tiny", settings)
            before = scores(project, LATER)
            score_night(project, LATER, "again")
            assert scores(project, LATER) == pytest.approx(before)
            [*_, location] = stage(project, "score", LATER)
            assert load_staged(location).inputs.get(FEATURES_OF_VERSION) == own
            with pytest.raises(TerminalError, match="another definition of letters") if own is None else nothing():
                train(project, LATER, "test", lambda line: None)
    finally:
        file.write_text(good)


def test_a_label_that_is_redefined_is_said_by_the_gate_and_by_the_versions(story: Story) -> None:
    settings = story.project.settings
    file = settings.models_path / "tiny" / "model.yaml"
    good = file.read_text()
    try:
        project = edit(settings, "  expression: failed\n", "  expression: not failed\n")
        assert definition_of(project, project.registry.version(2)) == "another definition of the label"
        stored = train(project, LATER, "label", lambda line: None)
        gate(project, stored, LATER, "label", lambda line: None)
        rows = project.monitored(LATER, LATER, "gate")
        [detail] = [row["detail"] for row in rows if row["statistic"] == "verdict"]
        assert detail.startswith("against version 2, which learned another definition of the label")
    finally:
        file.write_text(good)
