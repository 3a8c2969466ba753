"""The commands about versions, as users call them."""

from __future__ import annotations

import os
import pwd
from dataclasses import replace

from nightshift.lake.tables import scores_table
from nightshift.project import Project
from nightshift.registry.store import CHAMPION
from nightshift.stages.decide import decide
from unit.cli.commands import Command
from unit.registry.trainings import NOTE, Start, artifact, check_sound, trained
from unit.tables import day, publish_rows

ME = pwd.getpwuid(os.getuid()).pw_name


def test_rolling_back_is_one_command_that_names_the_version_and_the_user(
    project: Project, start: Start, process: Command, nightshift: Command
) -> None:
    first, second = start(3, 8)
    columns = {"score_date": "date", "machine": "string", "model_version": "integer"}
    publish_rows(project.lake, replace(scores_table(project.definition), columns=columns), {day(9): [("a", 2)]})
    ended = process("rollback", "tiny", "--reason", "late [flights] are missed")
    assert ended.out == (
        "tiny: version 1 is the champion from 2024-01-10 on, in place of version 2; "
        "nights that are published stay as they are\n"
    )
    assert (ended.code, ended.err) == (0, "")
    check_sound(project)

    now = nightshift("champion", "tiny").out.splitlines()
    assert now[0] == "tiny: version 1 is the champion"
    assert now[1].startswith("since     2024-01-10, recorded 20")
    assert now[2] == f"why       rolled_back by {ME}, in place of version 2: late [flights] are missed"
    assert first.digest in now[3]
    assert now[3].endswith(f"MLflow run {first.run_id}")

    then = nightshift("champion", "tiny", "--at", "2024-01-09").out.splitlines()
    assert then[:3] == [
        "tiny: version 2 was the champion on 2024-01-09, by the effective dates of the events",
        "until     2024-01-10",
        "scores    of 2024-01-09: by version 2",
    ]
    assert then[4:] == [
        "why       promoted by run 8, in place of version 1: reason 8",
        f'evidence  {{"gate": "{NOTE}", "digest": "{second.digest}"}}, MLflow run {second.run_id}',
    ]
    assert "scores    of 2024-01-08: not published\n" in nightshift("champion", "tiny", "--at", "2024-01-08").out
    before = nightshift("champion", "tiny", "--at", "2024-01-02")
    assert (before.code, before.out, before.err.count("\n")) == (2, "", 1)
    assert "allowed: 2024-01-03 or later" in before.err


def test_a_refusal_is_one_line_and_changes_nothing(project: Project, start: Start, nightshift: Command) -> None:
    first, _ = start(3, 4)
    project.registry.register(trained(project, 5, "").run_id, "by hand")
    (artifact(project, first.run_id) / "encoder.json").unlink()
    for words, line in (
        (["--to", "9"], "no such version"),
        (["--to", "2"], "it is already the champion"),
        (["--to", "3"], "it never passed the gate"),
        ([], "the model's artifact is not the one that was registered"),
    ):
        ended = nightshift("rollback", "tiny", *words)
        assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
        assert line in ended.err
    check = nightshift("champion", "tiny")
    assert check.out.startswith("tiny: version 2 is the champion\n")
    assert nightshift("rollback", "tiny", "--to", "3", "--force").code == 0
    assert project.champions.require_champion().number == 3


def test_every_version_and_every_event_is_shown(project: Project, start: Start, nightshift: Command) -> None:
    start(3, 8)
    project.champions.roll_back("me", reason="worse [again]", effective=project.champions.events()[-1].effective)
    shown = nightshift("versions", "tiny").out
    versions, events = shown.split("\nevents\n")
    rows = [[cell.strip() for cell in line.strip("│┃ ").split("│")] for line in versions.splitlines() if "│" in line]
    # The second was gone back from before a night was scored by it: it never was the champion of any.
    assert [(row[0], row[1], row[3], row[4], row[5], row[6]) for row in rows] == [
        ("1", "2024-01-03", "2024-01-03 to before 2024-01-08; since 2024-01-08", "current", "roc_auc 0.7", "reason 3"),
        ("2", "2024-01-08", "", "current", "roc_auc 0.7", "reason 8"),
    ]
    kinds = [line.split("│")[3].strip() for line in events.splitlines() if "│" in line]
    assert kinds == ["registered", "promoted", "registered", "promoted", "rolled_back"]
    assert "worse [again]" in events


def test_a_champion_alias_that_was_set_in_mlflow_is_said_and_left_alone_until_a_night_records_it(
    project: Project, start: Start, nightshift: Command
) -> None:
    start(3, 4)
    project.registry.client.set_registered_model_alias("tiny", CHAMPION, "1")
    events = project.champions.events()
    for command in ("champion", "versions", "status"):
        ended = nightshift(command, "tiny")
        said = "points to version 1, according to the events to 2" in ended.err
        assert (ended.code, ended.err.count("\n"), said) == ((0, 0, False) if command == "status" else (0, 1, True))
    assert project.champions.events() == events
    decide(project, day(5), "night 5")
    ended = nightshift("champion", "tiny")
    assert "why       changed_elsewhere by unknown, in place of version 2: noticed by night 5" in ended.out
    assert ended.err == ""


def test_no_champion_yet_is_one_line(nightshift: Command) -> None:
    for words in (["champion", "tiny"], ["champion", "tiny", "--at", "2024-01-03"], ["rollback", "tiny"]):
        ended = nightshift(*words)
        assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)


def test_the_challenger_is_shown_and_can_be_retired(project: Project, start: Start, nightshift: Command) -> None:
    start(3)
    assert nightshift("retire", "tiny").out == "tiny: there is no challenger\n"
    project.challengers.register_challenger(trained(project, 4).run_id, NOTE, "run 4")
    shown = nightshift("versions", "tiny").out
    assert "challenger since 2024-01-04" in shown and "challenging" in shown
    ended = nightshift("retire", "tiny", "--reason", "its scores are late")
    assert ended.out == "tiny: version 2 is retired as challenger; the version and its rows are kept\n"
    event = project.champions.events()[-1]
    assert (event.event, event.actor, event.reason, event.to_version) == ("retired", ME, "its scores are late", 2)
    assert "challenger since" not in nightshift("versions", "tiny").out
    check_sound(project)
