"""A challenger's nights in shadow: when they are compared, with what, what becomes of it, and what a kill leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from prepared import PreparedInstallation

from nightshift.lake.publish import publish
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import TableSpec, features_table, raw_table, scores_table, shadow_table
from nightshift.project import Project
from nightshift.settings import PROJECT, Settings
from nightshift.stages.register import register
from nightshift.stages.shadow import SHADOW_PAGE, judge_challenger
from nightshift.training.lineage import Lineage
from unit.registry.test_challengers import challenger, check
from unit.registry.trainings import NOTE, StoredModel, killed, promoted, recorded_changes, trained
from unit.tables import day

SHADOW = "{shadow: {nights: 5, within: 9, metric: brier, margin: 0.01}}"
NAMES = [f"{'abc'[number % 3]}{number:02d}" for number in range(90)]
BETTER, WORSE = 0.05, 0.45
CHAMPION = 0.25  # how far its scores are off
Compared = Callable[[float], None]


@pytest.fixture
def project(models: Path, prepared_installation: PreparedInstallation) -> Project:
    """Of the tiny model with a shadow: a champion as of the third, and a challenger as of the fourth."""
    return project_with(models, prepared_installation, SHADOW)


@pytest.fixture
def compared(project: Project, prepared_installation: PreparedInstallation) -> Compared:
    """Starts a test from six nights that both scored, the challenger so far off; five of them have outcomes."""

    def start(off: float) -> None:
        def prepare() -> None:
            score(project, range(5, 11), off)
            outcome(project, range(5, 10))

        prepared_installation.start((SHADOW, off), prepare)

    return start


def project_with(models: Path, installation: PreparedInstallation, promotion: str) -> Project:
    file = models / "tiny" / "model.yaml"
    file.write_text(f"{file.read_text()}\npromotion: {promotion}\n")
    project = Project("tiny", Settings(home=PROJECT, var=installation.var, models_folder=models))

    def prepare() -> None:
        promoted(project, 3)
        challenge(project, 4)

    installation.clear()
    installation.start(promotion, prepare)
    return project


def challenge(project: Project, number: int) -> StoredModel:
    """A training of the n-th that passed, and is the challenger."""
    model = trained(project, number)
    texts = dict.fromkeys(("first", "holdout", "last", "definition", "data", "revision", "changed", "lock"), "")
    lineage = Lineage(
        **texts, as_of=str(day(number)), reason="", snapshots={}, rows=100, positives=40, seed=0, libraries={},
        python="", machine="",
    )  # fmt: skip
    project.registry.log_lineage(model.run_id, lineage.to_json(), {})
    register(project, model, NOTE, f"run {number}")
    return model


def put(project: Project, spec: TableSpec, number: int, rows: dict, split: dict[str, str | int] | None = None) -> None:
    night = day(number)
    columns = {name: rows.get(name, pa.nulls(len(NAMES))) for name in spec.columns} | {spec.date_column: [night] * 90}
    data = pa.table(columns, schema=None).select(list(spec.columns)).cast(spec.schema)
    publish(project.lake, spec, stage_arrow(project.lake, spec, data, night, night, {}, split or {}))


def outcome(project: Project, numbers: Iterable[int], *, failing: bool | None = None) -> None:
    """What became of the machines of some nights; of all of them the same if told so."""
    for number in numbers:
        failed = chances(number) > np.random.default_rng(number).uniform(size=90)
        failures = np.full(90, failing) if failing is not None else failed
        put(project, raw_table(project.definition, "failures"), number, {"machine": NAMES, "failed": failures})


def chances(number: int) -> np.ndarray:
    return np.random.default_rng(1000 + number).uniform(size=90)


def scores(number: int, off: float, seed: int) -> np.ndarray:
    return np.clip(chances(number) + off * np.random.default_rng(seed + number).normal(size=90), 0, 1)


def score(
    project: Project,
    numbers: Iterable[int],
    off: float | None,
    *,
    champion: int = 1,
    version: int = 2,
    snapshot: int = 7,
) -> None:
    """Nights that the champion scored, and the challenger if it was not off altogether."""
    for number in numbers:
        provenance = {"machine": NAMES, "scored_at": [datetime(2024, 1, number, 6, tzinfo=UTC)] * 90}
        rows = {"score": scores(number, CHAMPION, 5), "model_version": [champion] * 90, "features_snapshot": [7] * 90}
        put(project, scores_table(project.definition), number, provenance | rows)
        if off is not None:
            columns = {"score": scores(number, off, 6), "model_version": [version] * 90}
            columns |= {"features_snapshot": [snapshot] * 90}
            put(project, shadow_table(project.definition), number, provenance | columns, {"model_version": version})


def rows(project: Project, number: int) -> dict[str, dict]:
    measured = [row for row in project.monitored(day(number), day(number)) if row["monitor"] == "shadow"]
    assert {row["subject"] for row in measured} <= {"challenger 2"} and {row["model_version"] for row in measured} <= {
        2
    }
    return {row["statistic"]: row for row in measured}


def page(project: Project, number: int) -> Path:
    run = project.registry.version(number).run_id
    return Path(project.settings.artifact_root) / "tiny" / run / "artifacts" / SHADOW_PAGE


def test_nothing_is_decided_before_enough_nights_have_outcomes(project: Project) -> None:
    score(project, range(5, 11), BETTER)
    outcome(project, range(5, 9))
    summary = judge_challenger(project, day(10), "test")  # the ninth is due, and has not landed
    assert summary == "challenger 2: 4 of 5 nights that can be compared, of 6 that were scored"
    assert challenger(project) == 2
    values = rows(project, 10)
    assert (values["nights"]["value"], values["nights"]["threshold"], values["nights"]["verdict"]) == (
        4,
        5,
        "unknown",
    )
    assert values["verdict"]["verdict"] == "unknown"
    assert not page(project, 2).exists()


def test_outcomes_that_are_not_final_by_the_night_do_not_count(project: Project) -> None:
    score(project, range(5, 11), BETTER)
    outcome(project, range(5, 11))
    assert "4 of 5 nights" in judge_challenger(project, day(9), "test")


def test_a_better_challenger_is_promoted_from_the_next_night_on_with_a_report(
    project: Project, compared: Compared
) -> None:
    compared(BETTER)
    summary = judge_challenger(project, day(10), "test")
    assert summary.startswith("challenger 2: promoted, 5 nights against version 1: brier 0.")
    assert recorded_changes(project)[-1] == ("promoted", 1, 2)
    event = project.champions.events()[-1]
    assert (event.effective, event.actor) == (day(11), "test")
    evidence = event.parsed_evidence
    assert evidence["report"] == SHADOW_PAGE and evidence["gate"] == "passed"
    assert event.reason == evidence["shadow"] and "95% sure above +0.0" in event.reason
    values = rows(project, 10)
    assert {"nights", "rows", "classes", "scores", "against_champion.brier", "verdict"} == set(values)
    assert {row["verdict"] for row in values.values()} == {"pass"}
    assert values["against_champion.brier"]["sample_size"] == 450
    assert values["against_champion.brier"]["threshold"] == -0.01
    assert page(project, 2).read_text().count("<svg") == 4
    assert "tiny: version 2 in shadow" in page(project, 2).read_text()
    check(project)


def test_a_worse_challenger_is_retired_and_the_champion_stays(project: Project, compared: Compared) -> None:
    compared(WORSE)
    assert judge_challenger(project, day(10), "test").startswith("challenger 2: retired, 5 nights against version 1: ")
    assert recorded_changes(project)[-1] == ("retired", None, 2)
    assert project.champions.require_champion().number == 1
    assert rows(project, 10)["verdict"]["verdict"] == "fail"
    assert "refused" in page(project, 2).read_text()
    check(project)


@pytest.mark.parametrize("off", [BETTER, WORSE])
def test_looking_again_changes_nothing(project: Project, compared: Compared, off: float) -> None:
    compared(off)
    judge_challenger(project, day(10), "test")
    before, values = project.champions.events(), rows(project, 10)
    for number in (9, 10, 11):
        assert judge_challenger(project, day(number), "again") == "no challenger is to be judged by its nights"
    assert (project.champions.events(), rows(project, 10)) == (before, values)


def test_the_oldest_nights_decide_whenever_they_are_looked_at(project: Project) -> None:
    """Looking until it suits would promote by chance."""
    score(project, range(5, 10), WORSE)
    score(project, range(10, 13), BETTER)
    outcome(project, range(5, 13))
    assert "retired, 5 nights" in judge_challenger(project, day(13), "test")


def test_only_nights_that_both_scored_from_the_same_features_are_compared(project: Project) -> None:
    score(project, [5], None)
    score(project, [6], WORSE, snapshot=8)
    score(project, [7], WORSE, champion=3)
    score(project, range(8, 13), BETTER)
    outcome(project, range(5, 13))
    assert "4 of 5 nights" in judge_challenger(project, day(12), "test")
    assert "promoted, 5 nights" in judge_challenger(project, day(13), "test")
    assert rows(project, 13)["rows"]["value"] == 450


def test_after_going_back_the_nights_against_the_champion_before_do_not_count(project: Project) -> None:
    promoted(project, 5)
    challenge(project, 6)  # version 4
    score(project, range(7, 12), WORSE, champion=3, version=4)
    outcome(project, range(7, 12))
    project.champions.roll_back("me")
    assert "challenger 4: 0 of 5 nights" in judge_challenger(project, day(12), "test")
    assert challenger(project) == 4


def test_a_challengers_nights_are_not_another_ones(project: Project) -> None:
    score(project, range(5, 10), WORSE)
    outcome(project, range(5, 10))
    challenge(project, 9)
    assert "challenger 3: 0 of 5 nights" in judge_challenger(project, day(10), "test")


def test_where_the_outcomes_tell_nothing_further_nights_are_waited_for(project: Project) -> None:
    score(project, range(5, 12), BETTER)
    outcome(project, range(5, 10), failing=True)
    assert "5 of 5 nights that can be compared" in judge_challenger(project, day(10), "test")
    assert challenger(project) == 2
    outcome(project, [10])
    assert "promoted, 6 nights" in judge_challenger(project, day(11), "test")


def test_a_challenger_that_cannot_be_compared_in_time_is_retired(project: Project) -> None:
    score(project, range(5, 9), BETTER)
    score(project, range(9, 14), None)
    outcome(project, range(5, 13))
    assert "4 of 5 nights" in judge_challenger(project, day(12), "test")
    summary = judge_challenger(project, day(13), "test")
    assert summary == "challenger 2: retired, too late: 4 of 5 nights that can be compared, of 9 that were scored"
    event = project.champions.events()[-1]
    assert (event.event, event.to_version) == ("retired", 2)
    assert event.reason == "too late: 4 of 5 nights that can be compared, of 9 that were scored"
    assert rows(project, 13)["verdict"]["detail"] == event.reason
    check(project)


def test_the_time_of_a_challenger_that_learned_long_ago_begins_when_it_is_there(project: Project) -> None:
    score(project, range(5, 14), None)
    outcome(project, range(5, 13))
    challenge(project, 4)
    assert "0 of 5 nights that can be compared, of 0 that were scored" in judge_challenger(project, day(13), "test")
    assert challenger(project) == 3


def test_every_slice_must_hold(models: Path, prepared_installation: PreparedInstallation) -> None:
    sliced = SHADOW.replace("}}", ", slices: {columns: [kind], minimum: 50, regression: 0.02}}}")
    project = project_with(models, prepared_installation, sliced)
    score(project, range(5, 11), BETTER)
    outcome(project, range(5, 10))
    kinds = np.array([name[0] for name in NAMES])
    for number in range(5, 10):
        columns = {"score": np.where(kinds == "c", 1 - chances(number), chances(number)), "machine": NAMES}
        columns |= {"model_version": [2] * 90, "features_snapshot": [7] * 90}
        put(project, shadow_table(project.definition), number, columns, {"model_version": 2})
        put(project, features_table(project.definition), number, {"machine": NAMES, "kind": kinds})
    assert "retired" in judge_challenger(project, day(10), "test")
    values = rows(project, 10)
    verdicts = {kind: values[f"slices.kind={kind}"]["verdict"] for kind in "abc"}
    assert verdicts == {"a": "pass", "b": "pass", "c": "fail"}


@pytest.mark.parametrize("promotion", ["auto", "{approval: {timeout: 1d}}"])
def test_who_is_not_in_shadow_is_not_judged_by_nights(
    models: Path, prepared_installation: PreparedInstallation, promotion: str
) -> None:
    project = project_with(models, prepared_installation, promotion)
    before = recorded_changes(project)
    assert challenger(project) == (None if promotion == "auto" else 2)
    score(project, range(5, 11), BETTER, champion=project.champions.require_champion().number)
    outcome(project, range(5, 10))
    assert judge_challenger(project, day(10), "test") == "no challenger is to be judged by its nights"
    assert recorded_changes(project) == before


def test_the_first_version_of_all_is_not_kept_in_the_shadow_of_nobody(project: Project) -> None:
    project.registry.client.delete_registered_model("tiny")
    first = register(project, trained(project, 8), NOTE, "run 8")
    assert (first.version.number, first.role) == (3, "champion")
    assert register(project, trained(project, 9), NOTE, "run 9").role == "challenger"


def judge(settings: Settings) -> None:
    judge_challenger(Project("tiny", settings), day(10), "test")


@pytest.mark.parametrize("off", [BETTER, WORSE])
@pytest.mark.parametrize(
    "step",
    [
        "the values are kept",
        "the page is left",
        "an event is kept",
        "the challenger's alias is moved",
        "the mark is set",
    ],
)
def test_a_verdict_that_was_killed_is_completed_by_running_it_again(
    project: Project, compared: Compared, off: float, step: str
) -> None:
    compared(off)
    killed(step, 1, judge, project.settings)
    judge_challenger(project, day(10), "test")
    assert recorded_changes(project)[4:] == [("promoted", 1, 2) if off == BETTER else ("retired", None, 2)]
    assert rows(project, 10)["verdict"]["verdict"] == ("pass" if off == BETTER else "fail")
    assert page(project, 2).exists()
    check(project)
