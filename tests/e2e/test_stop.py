"""Ctrl-C of `make run`: the last of the end-to-end tests, since it takes away their Airflow."""

from __future__ import annotations

import pytest

from e2e.conftest import MakeRun
from nightshift.replay.servers import running
from nightshift.settings import Settings

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(3600)]


def test_no_process_survives_ctrl_c_and_it_is_no_error(settings: Settings, make_run: MakeRun) -> None:
    assert running(settings.var_path), "the servers are not up"
    assert make_run.interrupt() == 0, make_run.output
    assert "`make run` continues from here" in make_run.output
    assert [process.cmdline() for process in running(settings.var_path)] == []
