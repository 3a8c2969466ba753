"""MLflow's database is there whole or not at all, whenever the process that makes it is killed."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from nightshift.registry.database import UNFINISHED, open_client
from nightshift.settings import PROJECT, Settings
from unit.registry.trainings import PROCESSES

pytestmark = pytest.mark.slow


def test_a_database_whose_making_was_killed_is_made_by_the_next(tmp_path: Path) -> None:
    settings = Settings(home=PROJECT, var=tmp_path / "var")
    folder = settings.var_path / "mlflow"
    instants = random.Random(1)
    for _ in range(4):
        process = PROCESSES.Process(target=open_client, args=(settings,))
        process.start()
        deadline = time.monotonic() + 60
        while not list(folder.glob(f"{UNFINISHED}*/made.db")) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.join(instants.uniform(0, 1))
        process.kill()
        process.join()
        assert not (folder / "mlflow.db").exists() or process.exitcode == 0
        (folder / "mlflow.db").unlink(missing_ok=True)
    experiments = open_client(settings).search_experiments()
    assert [experiment.name for experiment in experiments] == ["Default"]
    assert [path.name for path in folder.iterdir()] == ["mlflow.db"]
