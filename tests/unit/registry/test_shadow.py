"""A challenger's nights in shadow: when they are compared, with what, what becomes of it, and what a kill leaves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from nightshift.lake.publish import publish
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import TableSpec, features_table, raw_table, scores_table, shadow_table
from nightshift.loop import Loop
from nightshift.loop.promotion import SHADOW_PAGE
from nightshift.settings import PROJECT, Settings
from nightshift.training.lineage import Lineage
from unit.registry.test_challengers import challenger, check
from unit.registry.trainings import NOTE, Trained, killed, promoted, told, trained
from unit.tables import day

SHADOW = "{shadow: {nights: 5, within: 9, metric: brier, margin: 0.01}}"
NAMES = [f"{'abc'[number % 3]}{number:02d}" for number in range(90)]
BETTER, WORSE = 0.05, 0.45
CHAMPION = 0.25  # how far its scores are off


@pytest.fixture
def loop(models: Path, tmp_path: Path, empty_mlflow: Path) -> Loop:
    """Of the tiny model with a shadow: a champion as of the third, and a challenger as of the fourth."""
    return made(models, tmp_path, empty_mlflow, SHADOW)


def made(models: Path, tmp_path: Path, empty_mlflow: Path, promotion: str) -> Loop:
    file, folder = models / "tiny" / "model.yaml", tmp_path / "var" / "mlflow"
    file.write_text(f"{file.read_text()}\npromotion: {promotion}\n")
    folder.mkdir(parents=True)
    shutil.copy(empty_mlflow, folder)
    loop = Loop("tiny", Settings(home=PROJECT, var=tmp_path / "var", models_folder=models))
    promoted(loop, 3)
    challenge(loop, 4)
    return loop


def challenge(loop: Loop, number: int) -> Trained:
    """A training of the n-th that passed, and is the challenger."""
    one = trained(loop, number)
    texts = dict.fromkeys(("first", "holdout", "last", "definition", "data", "revision", "changed", "lock"), "")
    lineage = Lineage(
        **texts, as_of=str(day(number)), reason="", snapshots={}, rows=100, positives=40, seed=0, libraries={},
        python="", machine="",
    )  # fmt: skip
    loop.registry.log_lineage(one.run_id, lineage.to_json(), {})
    loop.register(one, NOTE, f"run {number}")
    return one


def put(loop: Loop, spec: TableSpec, number: int, rows: dict, split: dict[str, str | int] | None = None) -> None:
    night = day(number)
    columns = {name: rows.get(name, pa.nulls(len(NAMES))) for name in spec.columns} | {spec.date_column: [night] * 90}
    data = pa.table(columns, schema=None).select(list(spec.columns)).cast(spec.schema)
    publish(loop.lake, spec, stage_arrow(loop.lake, spec, data, night, night, {}, split or {}))


def outcome(loop: Loop, numbers: Iterable[int], *, failing: bool | None = None) -> None:
    """What became of the machines of some nights; of all of them the same if told so."""
    for number in numbers:
        failed = chances(number) > np.random.default_rng(number).uniform(size=90)
        known = np.full(90, failing) if failing is not None else failed
        put(loop, raw_table(loop.definition, "failures"), number, {"machine": NAMES, "failed": known})


def chances(number: int) -> np.ndarray:
    return np.random.default_rng(1000 + number).uniform(size=90)


def scores(number: int, off: float, seed: int) -> np.ndarray:
    return np.clip(chances(number) + off * np.random.default_rng(seed + number).normal(size=90), 0, 1)


def score(
    loop: Loop, numbers: Iterable[int], off: float | None, *, champion: int = 1, version: int = 2, snapshot: int = 7
) -> None:
    """Nights that the champion scored, and the challenger if it was not off altogether."""
    for number in numbers:
        made_by = {"machine": NAMES, "scored_at": [datetime(2024, 1, number, 6, tzinfo=UTC)] * 90}
        rows = {"score": scores(number, CHAMPION, 5), "model_version": [champion] * 90, "features_snapshot": [7] * 90}
        put(loop, scores_table(loop.definition), number, made_by | rows)
        if off is not None:
            own = {"score": scores(number, off, 6), "model_version": [version] * 90}
            own |= {"features_snapshot": [snapshot] * 90}
            put(loop, shadow_table(loop.definition), number, made_by | own, {"model_version": version})


def rows(loop: Loop, number: int) -> dict[str, dict]:
    found = [row for row in loop.monitored(day(number), day(number)) if row["monitor"] == "shadow"]
    assert {row["subject"] for row in found} <= {"challenger 2"} and {row["model_version"] for row in found} <= {2}
    return {row["statistic"]: row for row in found}


def page(loop: Loop, number: int) -> Path:
    run = loop.registry.version(number).run_id
    return Path(loop.settings.artifact_root) / "tiny" / run / "artifacts" / SHADOW_PAGE


def test_nothing_is_decided_before_enough_nights_have_outcomes(loop: Loop) -> None:
    score(loop, range(5, 11), BETTER)
    outcome(loop, range(5, 9))
    said = loop.judge_challenger(day(10), "test")  # the ninth is due, and has not landed
    assert said == "challenger 2: 4 of 5 nights that can be compared, of 6 that were scored"
    assert challenger(loop) == 2
    kept = rows(loop, 10)
    assert (kept["nights"]["value"], kept["nights"]["threshold"], kept["nights"]["verdict"]) == (4, 5, "unknown")
    assert kept["verdict"]["verdict"] == "unknown"
    assert not page(loop, 2).exists()


def test_outcomes_that_are_not_final_by_the_night_do_not_count(loop: Loop) -> None:
    score(loop, range(5, 11), BETTER)
    outcome(loop, range(5, 11))
    assert "4 of 5 nights" in loop.judge_challenger(day(9), "test")


def test_a_better_challenger_is_promoted_from_the_next_night_on_with_a_report(loop: Loop) -> None:
    score(loop, range(5, 11), BETTER)
    outcome(loop, range(5, 10))
    said = loop.judge_challenger(day(10), "test")
    assert said.startswith("challenger 2: promoted, 5 nights against version 1: brier 0.")
    assert told(loop)[-1] == ("promoted", 1, 2)
    event = loop.champions.events()[-1]
    assert (event.effective, event.actor) == (day(11), "test")
    evidence = json.loads(event.evidence)
    assert evidence["report"] == SHADOW_PAGE and evidence["gate"] == "passed"
    assert event.reason == evidence["shadow"] and "95% sure above +0.0" in event.reason
    kept = rows(loop, 10)
    assert {"nights", "rows", "classes", "scores", "against_champion.brier", "verdict"} == set(kept)
    assert {row["verdict"] for row in kept.values()} == {"pass"}
    assert kept["against_champion.brier"]["sample_size"] == 450
    assert kept["against_champion.brier"]["threshold"] == -0.01
    assert page(loop, 2).read_text().count("<svg") == 4
    assert "tiny: version 2 in shadow" in page(loop, 2).read_text()
    check(loop)


def test_a_worse_challenger_is_retired_and_the_champion_stays(loop: Loop) -> None:
    score(loop, range(5, 11), WORSE)
    outcome(loop, range(5, 10))
    assert loop.judge_challenger(day(10), "test").startswith("challenger 2: retired, 5 nights against version 1: ")
    assert told(loop)[-1] == ("retired", None, 2)
    assert loop.registry.require_champion().number == 1
    assert rows(loop, 10)["verdict"]["verdict"] == "fail"
    assert "refused" in page(loop, 2).read_text()
    check(loop)


@pytest.mark.parametrize("off", [BETTER, WORSE])
def test_looking_again_changes_nothing(loop: Loop, off: float) -> None:
    score(loop, range(5, 11), off)
    outcome(loop, range(5, 10))
    loop.judge_challenger(day(10), "test")
    before, kept = loop.champions.events(), rows(loop, 10)
    for number in (9, 10, 11):
        assert loop.judge_challenger(day(number), "again") == "no challenger is to be judged by its nights"
    assert (loop.champions.events(), rows(loop, 10)) == (before, kept)


def test_the_oldest_nights_decide_whenever_they_are_looked_at(loop: Loop) -> None:
    """Looking until it suits would promote by chance."""
    score(loop, range(5, 10), WORSE)
    score(loop, range(10, 13), BETTER)
    outcome(loop, range(5, 13))
    assert "retired, 5 nights" in loop.judge_challenger(day(13), "test")


def test_only_nights_that_both_scored_from_the_same_features_are_compared(loop: Loop) -> None:
    score(loop, [5], None)
    score(loop, [6], WORSE, snapshot=8)
    score(loop, [7], WORSE, champion=3)
    score(loop, range(8, 13), BETTER)
    outcome(loop, range(5, 13))
    assert "4 of 5 nights" in loop.judge_challenger(day(12), "test")
    assert "promoted, 5 nights" in loop.judge_challenger(day(13), "test")
    assert rows(loop, 13)["rows"]["value"] == 450


def test_after_going_back_the_nights_against_the_champion_before_do_not_count(loop: Loop) -> None:
    promoted(loop, 5)
    challenge(loop, 6)  # version 4
    score(loop, range(7, 12), WORSE, champion=3, version=4)
    outcome(loop, range(7, 12))
    loop.champions.roll_back("me")
    assert "challenger 4: 0 of 5 nights" in loop.judge_challenger(day(12), "test")
    assert challenger(loop) == 4


def test_a_challengers_nights_are_not_another_ones(loop: Loop) -> None:
    score(loop, range(5, 10), WORSE)
    outcome(loop, range(5, 10))
    challenge(loop, 9)
    assert "challenger 3: 0 of 5 nights" in loop.judge_challenger(day(10), "test")


def test_where_the_outcomes_tell_nothing_further_nights_are_waited_for(loop: Loop) -> None:
    score(loop, range(5, 12), BETTER)
    outcome(loop, range(5, 10), failing=True)
    assert "5 of 5 nights that can be compared" in loop.judge_challenger(day(10), "test")
    assert challenger(loop) == 2
    outcome(loop, [10])
    assert "promoted, 6 nights" in loop.judge_challenger(day(11), "test")


def test_a_challenger_that_cannot_be_compared_in_time_is_retired(loop: Loop) -> None:
    score(loop, range(5, 9), BETTER)
    score(loop, range(9, 14), None)
    outcome(loop, range(5, 13))
    assert "4 of 5 nights" in loop.judge_challenger(day(12), "test")
    said = loop.judge_challenger(day(13), "test")
    assert said == "challenger 2: retired, too late: 4 of 5 nights that can be compared, of 9 that were scored"
    event = loop.champions.events()[-1]
    assert (event.event, event.to_version) == ("retired", 2)
    assert event.reason == "too late: 4 of 5 nights that can be compared, of 9 that were scored"
    assert rows(loop, 13)["verdict"]["detail"] == event.reason
    check(loop)


def test_the_time_of_a_challenger_that_learned_long_ago_begins_when_it_is_there(loop: Loop) -> None:
    score(loop, range(5, 14), None)
    outcome(loop, range(5, 13))
    challenge(loop, 4)
    assert "0 of 5 nights that can be compared, of 0 that were scored" in loop.judge_challenger(day(13), "test")
    assert challenger(loop) == 3


def test_every_slice_must_hold(models: Path, tmp_path: Path, empty_mlflow: Path) -> None:
    sliced = SHADOW.replace("}}", ", slices: {columns: [kind], minimum: 50, regression: 0.02}}}")
    loop = made(models, tmp_path, empty_mlflow, sliced)
    score(loop, range(5, 11), BETTER)
    outcome(loop, range(5, 10))
    kinds = np.array([name[0] for name in NAMES])
    for number in range(5, 10):
        own = {"score": np.where(kinds == "c", 1 - chances(number), chances(number)), "machine": NAMES}
        own |= {"model_version": [2] * 90, "features_snapshot": [7] * 90}
        put(loop, shadow_table(loop.definition), number, own, {"model_version": 2})
        put(loop, features_table(loop.definition), number, {"machine": NAMES, "kind": kinds})
    assert "retired" in loop.judge_challenger(day(10), "test")
    kept = rows(loop, 10)
    verdicts = {kind: kept[f"slices.kind={kind}"]["verdict"] for kind in "abc"}
    assert verdicts == {"a": "pass", "b": "pass", "c": "fail"}


@pytest.mark.parametrize("promotion", ["auto", "{approval: {timeout: 1d}}"])
def test_who_is_not_in_shadow_is_not_judged_by_nights(
    models: Path, tmp_path: Path, empty_mlflow: Path, promotion: str
) -> None:
    loop = made(models, tmp_path, empty_mlflow, promotion)
    before = told(loop)
    assert challenger(loop) == (None if promotion == "auto" else 2)
    score(loop, range(5, 11), BETTER, champion=loop.registry.require_champion().number)
    outcome(loop, range(5, 10))
    assert loop.judge_challenger(day(10), "test") == "no challenger is to be judged by its nights"
    assert told(loop) == before


def test_the_first_version_of_all_is_not_kept_in_the_shadow_of_nobody(loop: Loop) -> None:
    loop.registry.client.delete_registered_model("tiny")
    version, what = loop.register(trained(loop, 8), NOTE, "run 8")
    assert (version.number, what) == (1, "champion")
    assert loop.register(trained(loop, 9), NOTE, "run 9")[1] == "challenger"


def judge(settings: Settings) -> None:
    Loop("tiny", settings).judge_challenger(day(10), "test")


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
def test_a_verdict_that_was_killed_is_completed_by_running_it_again(loop: Loop, off: float, step: str) -> None:
    score(loop, range(5, 11), off)
    outcome(loop, range(5, 10))
    killed(step, 1, judge, loop.settings)
    loop.judge_challenger(day(10), "test")
    assert told(loop)[4:] == [("promoted", 1, 2) if off == BETTER else ("retired", None, 2)]
    assert rows(loop, 10)["verdict"]["verdict"] == ("pass" if off == BETTER else "fail")
    assert page(loop, 2).exists()
    check(loop)
