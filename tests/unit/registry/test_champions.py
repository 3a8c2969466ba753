"""Who is the champion, who was, going back, and what a kill leaves: real MLflow, real tables, real processes."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from prepared import PreparedInstallation

from nightshift.definition.load import load_definition
from nightshift.errors import NotYetAvailable, TerminalError
from nightshift.lake.tables import scores_table
from nightshift.project import Project
from nightshift.registry import changes
from nightshift.registry.champions import Champions
from nightshift.registry.store import CHAMPION, DIGEST, GATE
from nightshift.stages.register import promote as promote_model
from unit.registry.trainings import (
    NOTE,
    Start,
    artifact,
    at_once,
    check_sound,
    killed,
    promote,
    promoted,
    recorded_changes,
    roll_back,
    trained,
)
from unit.tables import day, publish_rows

FIRST = [("registered", None, 1), ("promoted", None, 1)]
SECOND = [("registered", None, 2), ("promoted", 1, 2)]
THIRD = [("registered", None, 3), ("promoted", 2, 3)]


def champion(project: Project) -> int:
    return project.champions.require_champion().number


def point(project: Project, number: int) -> None:
    """What somebody does in MLflow's UI."""
    project.registry.client.set_registered_model_alias("tiny", CHAMPION, str(number))


def scored(project: Project, *nights: date) -> None:
    spec = replace(
        scores_table(project.definition), columns={"score_date": "date", "machine": "string", "score": "number"}
    )
    publish_rows(project.lake, spec, {night: [("a", 0.5)] for night in nights})


# ---- promoting


def test_a_promotion_is_two_events_that_say_why_and_on_what_it_rests(project: Project, start: Start) -> None:
    [model] = start(3)
    registered, raised = project.champions.events()
    assert recorded_changes(project) == FIRST
    for event in (registered, raised):
        assert (event.actor, event.reason, event.effective) == ("run 3", "reason 3", day(3))
        assert event.mlflow_run == model.run_id
        assert event.parsed_evidence == {"gate": NOTE, "digest": model.digest}
    check_sound(project)


def test_registering_again_changes_nothing_not_even_when(project: Project, start: Start) -> None:
    first, _ = start(3, 4)
    before = project.champions.events()
    assert promote_model(project, first, NOTE, "run 3").number == 1
    assert project.champions.events() == before
    assert champion(project) == 2


def test_registering_again_does_not_undo_a_rollback(project: Project, start: Start) -> None:
    _, second = start(3, 4)
    project.champions.roll_back("me")
    assert promote_model(project, second, NOTE, "run 4").number == 2
    assert champion(project) == 1
    check_sound(project)


def test_what_the_gate_refused_is_kept_once_and_is_no_version(project: Project) -> None:
    model = trained(project, 5, "refused")
    for _ in range(2):
        project.champions.record_refusal(model.run_id, "too bad", "run 5")
    [event] = project.champions.events()
    assert (event.event, event.to_version, event.mlflow_run, event.actor) == ("refused", None, model.run_id, "run 5")
    assert event.parsed_evidence == {"gate": "too bad"}
    with pytest.raises(TerminalError, match="passed the gate"):
        promote_model(project, model, "by force", "run 5")
    assert project.registry.versions() == {}


PROMOTING = [
    ("the version is there", 1),
    ("an event is kept", 1),
    ("an event is kept", 2),
    ("the alias is moved", 1),
    ("the mark is set", 1),
]


@pytest.mark.parametrize(("step", "count"), PROMOTING)
def test_a_promotion_that_was_killed_is_completed_by_running_it_again(
    project: Project, start: Start, step: str, count: int
) -> None:
    *_, model = start(3, unregistered=(4,))
    killed(step, count, promote, project.settings, model, "run 4")
    assert promote_model(project, model, NOTE, "run 4").number == 2
    assert recorded_changes(project) == FIRST + SECOND
    check_sound(project)


def test_the_first_promotion_of_all_may_be_killed_before_it_made_a_version(project: Project, start: Start) -> None:
    [model] = start(unregistered=(3,))
    killed("the model is there", 1, promote, project.settings, model, "run 3")
    with pytest.raises(NotYetAvailable, match="no champion"):
        project.champions.reconcile_and_get_champion("me")
    promote_model(project, model, NOTE, "run 3")
    assert recorded_changes(project) == FIRST
    check_sound(project)


@pytest.mark.parametrize(("step", "count"), PROMOTING)
def test_a_promotion_that_was_killed_does_not_confuse_the_next_one(
    project: Project, start: Start, step: str, count: int
) -> None:
    first, second = start(unregistered=(3, 4))
    killed(step, count, promote, project.settings, first, "run 3")
    promote_model(project, second, NOTE, "run 4")
    decided = (step, count) not in PROMOTING[:2]  # with its event, whatever became of the alias
    assert [event for event, _, _ in recorded_changes(project)].count("promoted") == (2 if decided else 1)
    promote_model(project, first, NOTE, "run 3")
    promote_model(project, second, NOTE, "run 4")
    assert [event for event, _, _ in recorded_changes(project)].count("promoted") == 2
    check_sound(project)


def test_an_interrupted_promotion_is_finished_by_whoever_looks_next(project: Project, start: Start) -> None:
    *_, model = start(3, unregistered=(4,))
    killed("an event is kept", 2, promote, project.settings, model, "run 4")
    assert champion(project) == 1
    version, event = project.champions.reconcile_and_get_champion("me")
    assert (version.number, event.event, event.actor) == (2, "promoted", "run 4")
    check_sound(project)


def test_promotions_at_once_make_a_version_a_run_and_one_of_them_the_champion(project: Project, start: Start) -> None:
    first, second = start(unregistered=(3, 4))
    jobs = [
        (promote, project.settings, model, f"run {number}") for number, model in ((3, first), (4, second), (3, first))
    ]
    at_once(*jobs)
    assert sorted(event for event, _, _ in recorded_changes(project)) == ["promoted"] * 2 + ["registered"] * 2
    assert {version.run_id for version in project.registry.versions().values()} == {first.run_id, second.run_id}
    check_sound(project)


# ---- going back


def test_going_back_goes_to_the_champion_before_and_then_further(project: Project, start: Start) -> None:
    start(3, 4, 5)
    rollback = project.champions.roll_back("me", reason="worse")
    assert (rollback.event, rollback.from_version, rollback.to_version, rollback.actor, rollback.reason) == (
        "rolled_back", 3, 2, "me", "worse",
    )  # fmt: skip
    assert champion(project) == 2
    assert project.champions.roll_back("me").to_version == 1  # never to the one that was gone back from
    with pytest.raises(TerminalError, match=r"there is no previous champion.*--to"):
        project.champions.roll_back("me")
    assert recorded_changes(project)[-2:] == [("rolled_back", 3, 2), ("rolled_back", 2, 1)]
    check_sound(project)


def test_the_same_may_be_done_again_and_is_kept_again(project: Project, start: Start) -> None:
    start(3, 4)
    for to in (1, 2, 1, 2):
        project.champions.roll_back("me", to)
    assert recorded_changes(project)[4:] == [("rolled_back", 2, 1), ("rolled_back", 1, 2)] * 2
    check_sound(project)


def test_the_next_promotion_follows_the_one_that_was_gone_back_to(project: Project, start: Start) -> None:
    start(3, 4)
    project.champions.roll_back("me")
    promoted(project, 5)
    assert recorded_changes(project)[-1] == ("promoted", 1, 3)
    assert project.champions.roll_back("me").to_version == 1
    check_sound(project)


def test_going_back_counts_from_the_night_after_the_newest_scored_one(project: Project, start: Start) -> None:
    start(3, 4)
    scored(project, day(6), day(9), day(7))
    assert project.champions.roll_back("me").effective == day(10)
    assert project.champions.roll_back("me", 2, effective=day(8)).effective == day(8)


@pytest.mark.parametrize("step", ["an event is kept", "the alias is moved", "the mark is set"])
@pytest.mark.parametrize("to", [None, 2])
def test_going_back_that_was_killed_is_finished_by_the_next_call_and_goes_no_further(
    project: Project, start: Start, step: str, to: int | None
) -> None:
    start(3, 4, 5)
    killed(step, 1, roll_back, project.settings, to)
    if step == "the mark is set":  # it was done, only nobody said so
        project.champions.reconcile_aliases("me")
    else:
        assert project.champions.roll_back("me", to).to_version == 2
    assert champion(project) == 2
    assert recorded_changes(project)[6:] == [("rolled_back", 3, 2)]
    check_sound(project)


def test_going_back_does_not_take_a_promotion_for_done_that_was_just_finished(project: Project, start: Start) -> None:
    *_, model = start(3, 4, unregistered=(5,))
    killed("an event is kept", 2, promote, project.settings, model, "run 5")
    with pytest.raises(TerminalError, match="version 3 became the champion just now"):
        project.champions.roll_back("me")
    assert recorded_changes(project) == FIRST + SECOND + THIRD
    assert project.champions.roll_back("me").to_version == 2
    check_sound(project)


def test_a_promotion_and_going_back_at_once_leave_one_champion(project: Project, start: Start) -> None:
    *_, model = start(3, 4, unregistered=(5,))
    at_once((promote, project.settings, model, "run 5"), (roll_back, project.settings, 1))
    assert sorted(event for event, _, _ in recorded_changes(project)[4:]) == ["promoted", "registered", "rolled_back"]
    check_sound(project)


# ---- what is refused, before anything changes


@pytest.fixture
def three(prepared_installation: PreparedInstallation, project: Project) -> Project:
    """Two promoted versions, and a third that was registered without a gate."""

    def prepare() -> None:
        promoted(project, 3, 4)
        project.registry.register(trained(project, 5, "").run_id, "by hand")

    prepared_installation.start("three", prepare)
    return project


def refusal(project: Project, to: int, *, force: bool = False) -> str:
    before = project.champions.events()
    with pytest.raises(TerminalError) as caught:
        project.champions.roll_back("me", to, force=force)
    assert project.champions.events() == before
    assert champion(project) == 2
    return str(caught.value)


@pytest.mark.parametrize("force", [False, True])
def test_a_version_that_is_not_there_or_is_the_champion_is_refused(three: Project, force: bool) -> None:
    assert refusal(three, 9, force=force) == "tiny: no such version; received 9; allowed: 1, 2, 3"
    assert refusal(three, 2, force=force).startswith("tiny, version 2: it is already the champion")


@pytest.mark.parametrize("force", [False, True])
def test_a_version_whose_artifact_is_gone_or_changed_is_refused(three: Project, force: bool) -> None:
    folder = artifact(three, three.registry.version(1).run_id)
    file = folder / "encoder.json"
    content = file.read_bytes()
    file.write_bytes(content + b" ")
    assert "the model's artifact is not the one that was registered" in refusal(three, 1, force=force)
    file.unlink()
    assert "the model's artifact is not the one that was registered" in refusal(three, 1, force=force)
    folder.rename(folder.with_name("elsewhere"))
    assert "the model's artifact cannot be read" in refusal(three, 1, force=force)
    folder.with_name("elsewhere").rename(folder)
    file.write_bytes(content)
    assert three.champions.roll_back("me", 1, force=force).to_version == 1


@pytest.mark.parametrize("force", [False, True])
def test_a_version_whose_digest_was_changed_with_its_artifact_is_refused(three: Project, force: bool) -> None:
    unjudged = three.registry.version(2)
    three.registry.client.set_model_version_tag("tiny", "1", DIGEST, unjudged.digest)
    assert "its digest in MLflow is not the one it was registered with" in refusal(three, 1, force=force)
    three.registry.client.delete_model_version_tag("tiny", "1", DIGEST)
    assert "it has no digest" in refusal(three, 1, force=force)


def test_a_version_that_never_passed_its_gate_needs_force(three: Project) -> None:
    assert "it never passed the gate; received 'it was never judged'; allowed: passed" in refusal(three, 3)
    three.registry.client.set_model_version_tag("tiny", "3", GATE, "refused")
    assert "received 'refused'" in refusal(three, 3)
    rollback = three.champions.roll_back("me", 3, force=True)
    assert rollback.parsed_evidence["forced"] is True
    assert champion(three) == 3


LOAD = "      load: {type: number, required: true, min: 0, max: 1}\n"
BUSY = "    busy: {expression: load, type: number, description: Planned load}\n"
UNCOMPUTABLE = (
    "tiny/model.yaml: sources: version 1 learned features that can no longer be computed; received 'no plan.load as"
)
TWO_KEYS = [
    ("  key: [machine]\n\nlabel", "  key: [machine, load]\n\nlabel"),
    ("failed: {type: boolean}", "load: {type: number}\n      failed: {type: boolean}"),
]


@pytest.mark.parametrize(
    ("edits", "problem"),
    [
        ([(BUSY, "")], ""),
        ([(BUSY, BUSY.replace("load,", "load * 100,"))], ""),
        ([(BUSY, BUSY.replace("load,", "length(machine),")), (LOAD, "")], UNCOMPUTABLE),
        ([(LOAD, "      load: {type: number, from: weight}\n")], UNCOMPUTABLE),
        (TWO_KEYS, "version 1 scores other observations; received "),
    ],
)
def test_a_version_of_an_earlier_definition_is_gone_back_to_as_long_as_its_features_can_be_computed(
    three: Project, models: Path, edits: list[tuple[str, str]], problem: str
) -> None:
    file = models / "tiny" / "model.yaml"
    text = file.read_text()
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    file.write_text(text)
    three.champions = Champions(three.registry, three.lake, load_definition(models / "tiny"))
    if problem:
        text = refusal(three, 1)
        assert problem in text and "\n" not in text and "tiny.train" in text
    assert three.champions.roll_back("me", 1, force=bool(problem)).to_version == 1


# ---- a champion is retired


def test_only_the_champion_is_retired_by_its_number(three: Project) -> None:
    before = three.champions.events()
    with pytest.raises(TerminalError, match="tiny, version 1: it is not the champion; allowed: version 2"):
        three.champions.retire(1, "me", "")
    assert three.champions.events() == before


def test_a_retired_champion_scores_no_night_and_can_come_back(three: Project) -> None:
    event = three.champions.retire(2, "me", "lost")
    assert (event.event, event.from_version, event.to_version, event.reason) == ("champion_retired", 2, None, "lost")
    assert three.registry.champion() is None
    with pytest.raises(TerminalError, match="no champion: version 2 was retired by me; fix: trigger the DAG tiny"):
        three.champions.require_champion()
    with pytest.raises(TerminalError, match="it is not the champion; allowed: none"):
        three.champions.retire(2, "me", "again")
    assert three.champions.roll_back("me", 1).to_version == 1
    assert recorded_changes(three)[4:] == [("champion_retired", 2, None), ("rolled_back", None, 1)]


def test_a_retirement_that_was_interrupted_is_finished(three: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(three.registry, "set_champion_alias", lambda number: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            three.champions.retire(2, "me", "lost")
    assert champion(three) == 2
    assert three.champions.retire(2, "me", "lost").event == "champion_retired"
    assert three.registry.champion() is None
    assert recorded_changes(three)[4:] == [("champion_retired", 2, None)]


# ---- MLflow and the events say different things


def test_a_champion_made_in_mlflow_is_kept_as_an_event_once_with_a_warning(
    project: Project, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    start(3, 4, 5)
    point(project, 1)
    with caplog.at_level(logging.WARNING):
        version, event = project.champions.reconcile_and_get_champion("me")
    assert version.number == 1
    assert (event.event, event.actor, event.reason) == ("changed_elsewhere", "unknown", "noticed by me")
    [warning] = caplog.messages
    assert "points to version 1, according to the events to 3: it was changed elsewhere" in warning
    caplog.clear()
    assert project.champions.reconcile_and_get_champion("somebody else")[1] == event
    assert caplog.messages == []
    assert recorded_changes(project)[6:] == [("changed_elsewhere", 3, 1)]


def test_a_champion_made_in_mlflow_is_noticed_by_a_promotion_and_by_going_back(project: Project, start: Start) -> None:
    start(3, 4)
    point(project, 1)
    promoted(project, 5)
    assert recorded_changes(project)[4:] == [("changed_elsewhere", 2, 1), ("registered", None, 3), ("promoted", 1, 3)]
    point(project, 2)
    assert project.champions.roll_back("me").to_version == 3
    assert recorded_changes(project)[7:] == [("changed_elsewhere", 3, 2), ("rolled_back", 2, 3)]


def test_a_champion_from_before_there_were_events_is_known_since_it_was_trained(project: Project) -> None:
    project.registry.register(trained(project, 3).run_id, NOTE)
    point(project, 1)
    scored(project, day(20))
    version, event = project.champions.reconcile_and_get_champion("me")
    assert (version.number, event.event, event.from_version, event.effective) == (1, "changed_elsewhere", None, day(3))


def test_a_champion_that_was_taken_away_in_mlflow_is_noticed_and_can_be_restored(
    project: Project, start: Start
) -> None:
    start(3, 4)
    project.registry.client.delete_registered_model_alias("tiny", CHAMPION)
    with pytest.raises(TerminalError, match=r"version 2, .* has lost .*nightshift rollback tiny --to 2"):
        project.champions.reconcile_and_get_champion("me")
    assert recorded_changes(project)[4:] == [("changed_elsewhere", 2, None)]
    assert project.champions.roll_back("me").to_version == 2
    assert champion(project) == 2


def test_a_change_that_was_interrupted_yields_to_what_somebody_did_since(project: Project, start: Start) -> None:
    *_, model = start(3, 4, unregistered=(5,))
    killed("an event is kept", 2, promote, project.settings, model, "run 5")
    point(project, 1)
    assert project.champions.reconcile_and_get_champion("me")[0].number == 1
    assert recorded_changes(project)[4:] == [*THIRD, ("changed_elsewhere", 3, 1)]


def test_events_of_an_mlflow_that_is_gone_do_not_make_a_champion_in_the_new_one(project: Project, start: Start) -> None:
    start(3, 4)
    project.registry.client.delete_registered_model("tiny")
    project.champions.reconcile_aliases("me")
    project.champions.reconcile_aliases("me")
    assert recorded_changes(project)[4:] == [("changed_elsewhere", 2, None)]
    assert project.registry.champion() is None
    promoted(project, 5)
    # No number is given twice: rows of tables name the version that scored them by its number.
    assert recorded_changes(project)[5:] == [("registered", None, 3), ("promoted", None, 3)]
    assert champion(project) == 3


# ---- who was it when


def test_the_champion_of_a_date_is_told_by_effective_dates_whatever_the_clock_says(
    project: Project, start: Start
) -> None:
    start(3, 8)
    project.champions.roll_back("me", reason="worse", effective=day(10))
    versions = [project.champions.reign_on(day(number)).version for number in (3, 7, 8, 9, 10, 31)]
    assert versions == [1, 1, 2, 2, 1, 1]
    assert project.champions.reign_on(day(9)).until == day(10)
    assert project.champions.reign_on(day(31)).event.reason == "worse"
    with pytest.raises(NotYetAvailable, match=r"2024-01-02; allowed: 2024-01-03 or later"):
        project.champions.reign_on(day(2))


def test_the_clock_may_be_set_back_between_two_changes(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead, real = datetime.now(UTC) + timedelta(hours=1), changes.append_event
    with monkeypatch.context() as patch:
        patch.setattr(changes, "append_event", lambda lake, event: real(lake, replace(event, recorded_at=ahead)))
        promoted(project, 3)
    promoted(project, 4)
    assert recorded_changes(project)[-1] == ("promoted", 1, 2)
    assert project.champions.events()[-1].recorded_at > ahead
    check_sound(project)
