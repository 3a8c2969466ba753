"""The challenger: how it comes to be, what becomes of it, and what a kill leaves: real MLflow, real processes."""

from __future__ import annotations

import logging

import pytest

from nightshift.errors import TerminalError
from nightshift.lake.catalog import Lake
from nightshift.project import Project
from nightshift.registry.challengers import Answer
from nightshift.registry.events import RegistryEvent, challenger_changes, current_challenger
from nightshift.registry.store import CHALLENGER
from nightshift.settings import Settings
from unit.registry.test_champions import FIRST, point, scored
from unit.registry.trainings import (
    NOTE,
    Start,
    at_once,
    challenged,
    check_sound,
    killed,
    promote,
    promoted,
    recorded_changes,
)
from unit.tables import day

YES, NO = Answer(True, "ada", "looks right"), Answer(False, "ada", "slices")


def challenge(settings: Settings, run: str, actor: str) -> None:
    Project("tiny", settings).challengers.register_challenger(run, NOTE, actor)


def retire(settings: Settings, number: int) -> None:
    Project("tiny", settings).challengers.retire(number, "run 9", "worse")


def raise_(settings: Settings, number: int) -> None:
    Project("tiny", settings).challengers.promote(number, "run 9", "better")


def answer(settings: Settings, run: str, given: Answer) -> None:
    Project("tiny", settings).challengers.apply_answer(run, given, "run 9")


def challenger(project: Project) -> int | None:
    version = project.registry.challenger()
    return version.number if version else None


def check(project: Project) -> None:
    """MLflow and the events say the same of both, before and after somebody looks."""
    for _ in range(2):
        check_sound(project)
        events = project.champions.events()
        assert challenger(project) == current_challenger(events)
        if changes_of_challenger := challenger_changes(events):
            assert project.registry.confirmed_event(CHALLENGER) == changes_of_challenger[-1][0].event_id
        project.champions.reconcile_aliases("somebody")


# ---- coming


def test_what_challenges_is_a_version_with_an_event_that_says_why_and_the_champion_stays(
    project: Project, start: Start
) -> None:
    *_, model = start(3, challengers=(4,))
    assert recorded_changes(project) == [*FIRST, ("registered", None, 2), ("challenging", None, 2)]
    event = project.champions.events()[-1]
    assert (event.actor, event.reason, event.effective, event.mlflow_run) == ("run 4", "reason 4", day(4), model.run_id)
    told_of = {"gate": NOTE, "digest": project.registry.version(2).digest, "first_night": str(day(4))}
    assert event.parsed_evidence == told_of
    assert (project.champions.require_champion().number, challenger(project)) == (1, 2)
    challenger_and_event = project.challengers.reconcile_and_get_challenger("me")
    assert challenger_and_event and (challenger_and_event[0].number, challenger_and_event[1]) == (2, event)
    check(project)


def test_challenging_again_changes_nothing_whatever_became_of_it(project: Project, start: Start) -> None:
    *_, model = start(3, challengers=(4,))
    for step in (lambda: None, lambda: project.challengers.retire(2, "me", "")):
        step()
        before = project.champions.events()
        assert project.challengers.register_challenger(model.run_id, NOTE, "run 4").number == 2
        assert project.champions.events() == before
    assert challenger(project) is None
    check(project)


def test_a_newer_challenger_retires_the_older_one(project: Project, start: Start) -> None:
    start(3, challengers=(4, 5))
    assert recorded_changes(project)[4:] == [("registered", None, 3), ("retired", None, 2), ("challenging", None, 3)]
    retired = project.champions.events()[-2]
    assert (retired.actor, retired.reason, retired.effective) == ("run 5", "version 3 is newer", day(5))
    assert challenger(project) == 3
    check(project)


def test_an_older_training_that_is_registered_late_does_not_displace_a_newer_one(
    project: Project, start: Start
) -> None:
    *_, older = start(3, unregistered=(4,))
    project.registry.register(older.run_id, NOTE)  # and killed before anything else
    challenged(project, 5)
    assert project.challengers.register_challenger(older.run_id, NOTE, "run 4").number == 2
    assert recorded_changes(project)[-2:] == [("registered", None, 2), ("retired", None, 2)]
    assert challenger(project) == 3
    check(project)


def test_a_version_that_is_promoted_at_once_retires_an_older_challenger(project: Project, start: Start) -> None:
    start(3, challengers=(4,))
    promoted(project, 5)
    assert recorded_changes(project)[4:] == [("registered", None, 3), ("retired", None, 2), ("promoted", 1, 3)]
    assert (project.champions.require_champion().number, challenger(project)) == (3, None)
    check(project)


# ---- going


def test_a_challenger_that_is_promoted_is_the_champion_from_the_next_night_on_and_challenges_no_more(
    project: Project,
    start: Start,
) -> None:
    start(3, challengers=(4,))
    scored(project, day(8), day(9))
    change = project.challengers.promote(2, "run 9", "better", {"shadow": "7 nights"}, against=1)
    assert change and (
        change.event,
        change.from_version,
        change.to_version,
        change.effective,
    ) == ("promoted", 1, 2, day(10))
    assert (change.actor, change.reason, change.parsed_evidence["shadow"]) == (
        "run 9",
        "better",
        "7 nights",
    )
    assert (project.champions.require_champion().number, challenger(project)) == (2, None)
    assert project.challengers.promote(2, "run 9", "better") is None
    assert len(recorded_changes(project)) == 5
    check(project)


def test_a_promotion_that_was_decided_against_another_champion_is_not_made(project: Project, start: Start) -> None:
    start(3, 4, challengers=(5,))
    project.champions.roll_back("me")
    assert project.challengers.promote(3, "run 9", "better", against=2) is None
    assert (project.champions.require_champion().number, challenger(project)) == (1, 3)
    check(project)


def test_a_challenger_that_is_retired_stays_a_version(project: Project, start: Start) -> None:
    start(3, challengers=(4,))
    change = project.challengers.retire(None, "me", "not needed")
    assert change and (
        change.event,
        change.to_version,
        change.actor,
        change.reason,
    ) == ("retired", 2, "me", "not needed")
    assert project.challengers.retire(None, "me", "") is None
    assert challenger(project) is None and project.challengers.reconcile_and_get_challenger("me") is None
    assert list(project.registry.versions()) == [1, 2]
    check(project)


def test_who_is_meant_must_be_the_challenger(project: Project, start: Start) -> None:
    start(3, challengers=(4, 5))
    before = recorded_changes(project)
    assert project.challengers.retire(2, "me", "") is None
    assert project.challengers.promote(2, "me", "") is None
    assert recorded_changes(project) == before


# ---- an answer


def test_an_approval_is_kept_with_the_person_and_the_version_is_promoted(project: Project, start: Start) -> None:
    *_, model = start(3, challengers=(4,))
    change = project.challengers.apply_answer(model.run_id, YES, "run 4")
    approved, raised = project.champions.events()[-2:]
    assert change == raised
    assert (approved.event, approved.to_version, approved.actor, approved.reason) == (
        "approved", 2, "ada", "looks right",
    )  # fmt: skip
    assert (raised.event, raised.from_version, raised.to_version) == ("promoted", 1, 2)
    assert (raised.actor, raised.reason) == ("run 4", "approved by ada")
    assert project.challengers.apply_answer(model.run_id, YES, "run 4") == raised
    check(project)


def test_a_refusal_is_kept_with_the_person_and_is_final(project: Project, start: Start) -> None:
    *_, model = start(3, challengers=(4,))
    change = project.challengers.apply_answer(model.run_id, NO, "run 4")
    assert (change.event, change.to_version, change.actor, change.reason) == (
        "declined",
        2,
        "ada",
        "slices",
    )
    assert project.challengers.apply_answer(model.run_id, NO, "run 4") == change
    with pytest.raises(TerminalError, match=r"version 2: the version is no longer the challenger.*rollback --to 2"):
        project.challengers.apply_answer(model.run_id, YES, "run 4")
    assert (project.champions.require_champion().number, challenger(project)) == (1, None)
    assert project.champions.roll_back("me", 2).to_version == 2
    check(project)


def test_the_first_version_of_all_can_wait_for_an_answer(project: Project, start: Start) -> None:
    *_, model = start(challengers=(3,))
    assert project.registry.champion() is None
    project.challengers.apply_answer(model.run_id, YES, "run 3")
    assert recorded_changes(project) == [
        ("registered", None, 1), ("challenging", None, 1), ("approved", None, 1), ("promoted", None, 1),
    ]  # fmt: skip
    check(project)


# ---- with a champion that changes


def test_going_back_leaves_the_challenger_where_it_is(project: Project, start: Start) -> None:
    start(3, 4, challengers=(5,))
    assert project.champions.roll_back("me").to_version == 1
    assert challenger(project) == 3
    check(project)


def test_going_back_never_goes_to_a_version_that_only_challenged(project: Project, start: Start) -> None:
    start(3, challengers=(4,))
    project.challengers.retire(2, "me", "")
    promoted(project, 5)
    assert project.champions.roll_back("me").to_version == 1
    check(project)


def test_a_challenger_can_be_made_the_champion_by_hand(project: Project, start: Start) -> None:
    start(3, challengers=(4,))
    assert project.champions.roll_back("me", 2).to_version == 2
    assert challenger(project) is None
    check(project)


def test_a_challenger_that_was_promoted_can_be_gone_back_from(project: Project, start: Start) -> None:
    *_, model = start(3, challengers=(4,))
    project.challengers.promote(2, "run 9", "better")
    assert project.champions.roll_back("me").to_version == 1
    assert project.challengers.register_challenger(model.run_id, NOTE, "run 4").number == 2
    assert project.champions.promote(model.run_id, NOTE, "run 4").number == 2
    assert (project.champions.require_champion().number, challenger(project)) == (1, None)
    check(project)


# ---- changed in MLflow itself


def set_challenger(project: Project, number: int) -> None:
    project.registry.client.set_registered_model_alias("tiny", CHALLENGER, str(number))


def test_a_challenger_that_was_made_or_taken_away_in_mlflow_is_kept_as_an_event_once_with_a_warning(
    project: Project, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    start(3, 4)
    set_challenger(project, 1)
    with caplog.at_level(logging.WARNING):
        project.champions.reconcile_aliases("me")
    [warning] = caplog.messages
    assert "alias `challenger` points to version 1, according to the events to none" in warning
    project.champions.reconcile_aliases("me")
    project.registry.client.delete_registered_model_alias("tiny", CHALLENGER)
    project.champions.reconcile_aliases("me")
    project.champions.reconcile_aliases("me")
    set_in_mlflow, deleted_in_mlflow = project.champions.events()[4:]
    assert (set_in_mlflow.event, set_in_mlflow.to_version, set_in_mlflow.actor, set_in_mlflow.reason) == (
        "challenging", 1, "unknown", "changed in MLflow, noticed by me",
    )  # fmt: skip
    assert (deleted_in_mlflow.event, deleted_in_mlflow.to_version, deleted_in_mlflow.actor) == ("retired", 1, "unknown")
    check(project)


def test_a_challenger_that_was_exchanged_in_mlflow_is_the_one_that_was_put_there(
    project: Project, start: Start
) -> None:
    start(3, 4, challengers=(5,))
    set_challenger(project, 1)
    project.champions.reconcile_aliases("me")
    assert recorded_changes(project)[6:] == [("challenging", 3, 1)]
    check(project)


def test_a_champion_is_never_its_own_challenger(project: Project, start: Start) -> None:
    start(3)
    set_challenger(project, 1)
    project.champions.reconcile_aliases("me")
    assert challenger(project) is None and recorded_changes(project) == FIRST
    check(project)


def test_a_challenger_that_was_made_the_champion_in_mlflow_challenges_no_more(project: Project, start: Start) -> None:
    start(3, challengers=(4,))
    point(project, 2)
    project.champions.reconcile_aliases("me")
    assert recorded_changes(project)[4:] == [("changed_elsewhere", 1, 2)]
    assert challenger(project) is None
    assert project.champions.require_champion().number == 2


def test_events_of_an_mlflow_that_is_gone_leave_no_challenger(project: Project, start: Start) -> None:
    start(3, challengers=(4,))
    project.registry.client.delete_registered_model("tiny")
    project.champions.reconcile_aliases("me")
    project.champions.reconcile_aliases("me")
    assert recorded_changes(project)[4:] == [("changed_elsewhere", 1, None), ("retired", None, 2)]
    promoted(project, 5)
    challenged(project, 6)
    assert challenger(project) == 4 and project.champions.require_champion().number == 3


# ---- killed

CHALLENGING = [
    ("the version is there", 1),
    ("an event is kept", 1),
    ("an event is kept", 2),
    ("the challenger's alias is moved", 1),
    ("the mark is set", 1),
    ("an event is kept", 3),
    ("the challenger's alias is moved", 2),
    ("the mark is set", 2),
]


@pytest.mark.parametrize(("step", "count"), CHALLENGING)
@pytest.mark.parametrize("reconciled", [False, True])
def test_a_challenge_that_was_killed_is_completed_by_running_it_again(
    project: Project, start: Start, step: str, count: int, reconciled: bool
) -> None:
    """Also if somebody looked in between."""
    *_, model = start(3, challengers=(4,), unregistered=(5,))
    killed(step, count, challenge, project.settings, model.run_id, "run 5")
    if reconciled:
        project.champions.reconcile_aliases("me")
    assert project.challengers.register_challenger(model.run_id, NOTE, "run 5").number == 3
    assert recorded_changes(project)[4:] == [("registered", None, 3), ("retired", None, 2), ("challenging", None, 3)]
    check(project)


@pytest.mark.parametrize(
    "step", ["an event is kept", "the alias is moved", "the mark is set", "the challenger's alias is moved"]
)
@pytest.mark.parametrize("again", [False, True])
def test_a_promotion_of_the_challenger_that_was_killed_is_finished_by_whoever_comes_next(
    project: Project, start: Start, step: str, again: bool
) -> None:
    start(3, challengers=(4,))
    killed(step, 1, raise_, project.settings, 2)
    if again:
        assert project.challengers.promote(2, "run 9", "better") is None  # it is done by now
    assert project.champions.reconcile_and_get_champion("me")[0].number == 2
    assert challenger(project) is None
    assert recorded_changes(project)[4:] == [("promoted", 1, 2)]
    check(project)


@pytest.mark.parametrize("step", ["an event is kept", "the challenger's alias is moved", "the mark is set"])
def test_a_retirement_that_was_killed_is_finished_by_whoever_comes_next(
    project: Project, start: Start, step: str
) -> None:
    start(3, challengers=(4,))
    killed(step, 1, retire, project.settings, 2)
    assert project.challengers.reconcile_and_get_challenger("me") is None
    assert project.challengers.retire(2, "run 9", "worse") is None
    assert recorded_changes(project)[4:] == [("retired", None, 2)]
    check(project)


@pytest.mark.parametrize(
    ("step", "count"),
    [
        ("an event is kept", 1),
        ("an event is kept", 2),
        ("the alias is moved", 1),
        ("the mark is set", 1),
        ("the challenger's alias is moved", 1),
        ("the mark is set", 2),
    ],
)
def test_an_approval_that_was_killed_is_completed_by_running_it_again(
    project: Project, start: Start, step: str, count: int
) -> None:
    *_, model = start(3, challengers=(4,))
    killed(step, count, answer, project.settings, model.run_id, YES)
    assert project.challengers.apply_answer(model.run_id, YES, "run 9").event == "promoted"
    assert recorded_changes(project)[4:] == [("approved", None, 2), ("promoted", 1, 2)]
    check(project)


def test_a_challenge_and_a_promotion_at_once_leave_a_sound_registry(project: Project, start: Start) -> None:
    *_, first, second = start(3, challengers=(4,), unregistered=(5, 6))
    at_once((challenge, project.settings, first.run_id, "run 5"), (promote, project.settings, second, "run 6"))
    assert [event for event, _, _ in recorded_changes(project)].count("promoted") == 2
    check(project)


# ---- the events alone


def test_the_challenger_follows_from_the_events(lake: Lake) -> None:
    def event(kind: str, version: int) -> RegistryEvent:
        return RegistryEvent("tiny", kind, day(1), "me", to_version=version)  # type: ignore[arg-type]

    def after(*kinds: tuple[str, int]) -> list[int | None]:
        return [version for _, version in challenger_changes([event(*model) for model in kinds])]

    assert after(("registered", 1), ("promoted", 1)) == []
    assert after(("challenging", 2), ("retired", 2), ("retired", 2)) == [2, None]
    assert after(("challenging", 2), ("retired", 1), ("declined", 2)) == [2, None]
    assert after(("challenging", 2), ("promoted", 3), ("rolled_back", 2)) == [2, None]
    assert after(("challenging", 2), ("approved", 2), ("promoted", 2), ("rolled_back", 1)) == [2, None]
    assert after(("challenging", 2), ("challenging", 3), ("retired", 2)) == [2, 3]
