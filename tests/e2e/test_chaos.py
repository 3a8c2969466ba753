"""Tasks of nights and trainings that are killed at random instants, while their clock jumps: nothing differs."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from chaos.attempts import Attempts, start_fork_server
from chaos.clock import Clock, compile_library
from chaos.installation import Installation, check

pytestmark = [pytest.mark.slow, pytest.mark.spark, pytest.mark.timeout(1800)]


def test_killed_tasks_leave_the_tables_of_undisturbed_ones(tmp_path: Path) -> None:
    library = compile_library(tmp_path)
    start_fork_server(library)
    undisturbed = Installation(Attempts(tmp_path / "undisturbed"), "by approval", nights=1)
    assert undisturbed.run(lambda: None) == []
    folder, seconds = tmp_path / "killed", undisturbed.attempts.seconds
    clock = Clock(folder / "clock", random.Random(20)) if library else None
    attempts = Attempts(folder, random.Random(20), most_kills=1, seconds=seconds, clock=clock)
    killed = Installation(attempts, "by approval", nights=1)
    assert killed.run(lambda: None) == []
    assert check(killed, undisturbed) == []
    assert killed.attempts.counts.kills.total() > 5
    assert not clock or killed.attempts.counts.jumps.total() > 5
