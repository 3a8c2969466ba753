"""MLflow's own scoring server answers with the scores of a night."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import mlflow
import pandas as pd
import pytest
from servers import free_port, wait_for
from unit.registry.trainings import promoted
from unit.training.machines import machines

from nightshift.project import Project

CHAMPION = "models:/tiny@champion"


@pytest.fixture
def served(project: Project, tmp_path: Path) -> Iterator[str]:
    """The address of a server of the champion."""
    promoted(project, 2)
    port = free_port()
    command = ["-m", "mlflow", "models", "serve", "-m", CHAMPION, "--env-manager", "local", "-p", str(port)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # of an environment that is activated
    environment = os.environ | {"MLFLOW_TRACKING_URI": project.settings.tracking_uri, "PATH": path}
    log = tmp_path / "serve.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, *command], env=environment, stdout=output, stderr=output, start_new_session=True
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: is_ready(address), seconds=60, every=0.3, logs=tmp_path)
        yield address
    finally:
        os.killpg(server.pid, 15)
        server.wait(20)


def invoke(address: str, frame: pd.DataFrame) -> httpx.Response:
    return httpx.post(f"{address}/invocations", json={"dataframe_split": frame.to_dict("split", index=False)})


def is_ready(address: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{address}/ping").status_code == 200
    return False


def test_the_server_gives_the_scores_of_a_night(served: str, project: Project) -> None:
    champion = project.champions.require_champion()
    rows = machines(30, seed=9).drop_columns("label")
    scores = project.registry.package(champion.run_id, champion.digest).score(rows)
    answer = invoke(served, rows.to_pandas())
    assert [row["score"] for row in answer.json()["predictions"]] == scores.tolist()
    mlflow.set_tracking_uri(project.settings.tracking_uri)
    folder = Path(mlflow.artifacts.download_artifacts(CHAMPION))
    example = json.loads((folder / "serving_input_example.json").read_text())
    assert httpx.post(f"{served}/invocations", json=example).status_code == 200
    refused = invoke(served, pd.DataFrame({"kind": ["a"]}))
    assert refused.status_code == 400
    assert "busy" in refused.text
