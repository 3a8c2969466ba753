"""Tasks of nights and trainings that are killed at random instants: nothing differs from undisturbed ones."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from chaos.attempts import Attempts, start_fork_server
from chaos.installation import Installation, check

pytestmark = [pytest.mark.slow, pytest.mark.spark]


def test_killed_tasks_leave_the_tables_of_undisturbed_ones(tmp_path: Path) -> None:
    start_fork_server()
    undisturbed = Installation(Attempts(tmp_path / "undisturbed"), "by approval", nights=1)
    assert undisturbed.run(lambda: None) == []
    attempts = Attempts(tmp_path / "killed", random.Random(20), most_kills=1, seconds=undisturbed.attempts.seconds)
    killed = Installation(attempts, "by approval", nights=1)
    assert killed.run(lambda: None) == []
    assert check(killed, undisturbed) == []
    assert killed.attempts.counts.kills.total() > 5
