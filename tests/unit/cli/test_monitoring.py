from __future__ import annotations

import json
from pathlib import Path

import pytest

from nightshift.project import Project
from unit.cli.commands import Command
from unit.monitoring.test_night_stages import drift, version
from unit.tables import day

RANGE = ("replay-policy", "tiny", "--from", "2024-01-02", "--to", "2024-01-31")


@pytest.fixture
def history(project: Project) -> Project:
    version(project, 1)
    for number, verdict in enumerate(["pass", "warn", "warn", "pass", "warn"], 2):
        drift(project, number, verdict)
    return project


def test_a_month_is_a_row_and_the_requests_are_listed(history: Project, nightshift: Command) -> None:
    ended = nightshift(*RANGE)
    assert ended.code == 0
    assert "2024-01" in ended.out and "drift 3" in ended.out and "cooldown 2" in ended.out
    assert "tiny: 1 of 5 nights request a training: 2024-01-03" in ended.out
    assert history.monitored(day(1), day(31), "decision") == []


def test_another_policy_is_read_from_a_file(history: Project, nightshift: Command, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("nights: 2\nof_last: 2\ncooldown: 1d\n")
    ended = nightshift(*RANGE, "--policy", str(file), "--nightly", "--format", "json")
    decisions = json.loads(ended.out)
    assert [(row["night"], row["action"]) for row in decisions] == [
        ("2024-01-02", "nothing"), ("2024-01-03", "nothing"), ("2024-01-04", "request"),
        ("2024-01-05", "nothing"), ("2024-01-06", "nothing"),
    ]  # fmt: skip
    assert {row["version"] for row in decisions} == {1}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("cooldown: 7d\nbudgett: 2\n", "policy.yaml:2: budgett: unknown key; received 'budgett'"),
        ("nights: 2\n", "policy.yaml:1: cooldown: missing key"),
        ("cooldown: 7d\nnights: 4\n", "policy.yaml:2: nights: can never be reached"),
        ("cooldown: 7d\nperformance: {metric: rmse}\n", "policy.yaml:2: performance.metric: is not a metric"),
        ("- 1\n", "policy.yaml:1: not a mapping"),
    ],
)
def test_a_fault_of_the_policy_file_is_one_line(
    history: Project, nightshift: Command, tmp_path: Path, content: str, says: str
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(content)
    ended = nightshift(*RANGE, "--policy", str(file))
    assert ended.code == 2
    assert says in ended.err
    assert len(ended.err.strip().splitlines()) == 1


def test_without_a_measured_night_there_is_nothing_to_decide(project: Project, nightshift: Command) -> None:
    assert "tiny: 0 of 0 nights request a training" in nightshift(*RANGE).out
