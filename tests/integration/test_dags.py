"""DAGs as Airflow parses them: from any definition, lightly, and one broken definition harms no other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from nightshift.settings import PROJECT

PROBE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from nightshift_airflow.bundle import ModelsBundle

bundle = ModelsBundle(name="models")
bundle.initialize()
preloaded = set(sys.modules)
bag = DagBag(str(bundle.path))
imported = {name for name in set(sys.modules) - preloaded if not name.startswith("unusual_prefix_")}
heavy = {"pandas", "pyspark", "mlflow", "sklearn", "great_expectations"} & set(sys.modules)
dags = {
    dag_id: {
        "tasks": {
            t.task_id: {"pool": t.pool, "retries": t.retries, "next": sorted(t.downstream_task_ids)} for t in dag.tasks
        },
        "timetable": type(dag.timetable).__name__, "doc": dag.doc_md or "", "tags": sorted(dag.tags),
        "owner": dag.owner, "params": sorted(dag.params),
    }
    for dag_id, dag in bag.dags.items()
}
errors = {path.rsplit("/", 1)[-1]: text for path, text in bag.import_errors.items()}
print("RESULT" + json.dumps({"dags": dags, "errors": errors, "heavy": sorted(heavy), "imported": sorted(imported)}))
"""


# Airflow is imported once, which takes seconds: each program runs in a fork of this process.
FORKING = """
import json, os, sys, traceback
import airflow.dag_processing.dagbag
from nightshift_airflow.preload import preload_parsing

preload_parsing()

def run(program, environment, folder, output):
    with open(output, "w") as stream:
        os.dup2(stream.fileno(), 1), os.dup2(stream.fileno(), 2)
    os.environ.update(environment)
    os.chdir(folder)
    try:
        exec(program, {})
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(0)

for line in sys.stdin:
    if (child := os.fork()) == 0:
        run(**json.loads(line))
    os.waitpid(child, 0)
    print("ENDED", flush=True)
"""


class ForkServer:
    """A process in which Airflow is imported.

    Args:
        home: Airflow's home.
    """

    def __init__(self, home: Path) -> None:
        environment = os.environ | {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        }
        command, self._log = [sys.executable, "-c", FORKING], home / "log"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                command, env=environment, cwd=home, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )

    def run(self, program: str, environment: dict[str, str], folder: Path) -> str:
        """Runs a program in a fork; what it wrote."""
        assert self.process.stdin is not None and self.process.stdout is not None
        output = folder / "output"
        case = {"program": program, "environment": environment, "folder": str(folder), "output": str(output)}
        self.process.stdin.write(json.dumps(case) + "\n")
        self.process.stdin.flush()
        assert any(line == "ENDED\n" for line in self.process.stdout), self._log.read_text()[-3000:]
        return output.read_text()


Parse = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def fork_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    server = ForkServer(tmp_path_factory.mktemp("airflow"))
    yield server
    server.process.communicate()


@pytest.fixture
def parse(fork_server: ForkServer, tmp_path: Path) -> Parse:
    """Runs a program over the models of a folder; its result."""

    def run(models: Path, program: str = PROBE) -> dict[str, Any]:
        environment = {"NIGHTSHIFT_MODELS_FOLDER": str(models), "NIGHTSHIFT_VAR": str(tmp_path / "var")}
        text = fork_server.run(program, environment, tmp_path)
        lines = [line for line in text.splitlines() if line.startswith("RESULT")]
        assert lines, text[-3000:]
        return dict(json.loads(lines[0].removeprefix("RESULT")))

    return run


@pytest.fixture
def broken(models: Path) -> Path:
    folder = models / "broken"
    folder.mkdir()
    text = (models / "tiny" / "model.yaml").read_text().replace("name: tiny", "name: broken")
    (folder / "model.yaml").write_text(text.replace("agg: rate", "agg: median"))
    return models


def test_a_definition_makes_three_dags(models: Path, parse: Parse) -> None:
    found = parse(models)
    assert found["errors"] == {}
    assert set(found["dags"]) == {"tiny.score", "tiny.monitor", "tiny.train"}
    score = found["dags"]["tiny.score"]
    assert score["timetable"] == "NightTimetable"
    assert list(score["tasks"]) == [
        "raw.wait", "raw.ingest", "raw.audit", "raw.publish",
        "features.features", "features.audit", "features.publish",
        "scores.score", "scores.audit", "scores.publish",
    ]  # fmt: skip
    names = list(score["tasks"])
    for task, following in pairwise(names):
        assert following in score["tasks"][task]["next"]
    assert score["tasks"]["features.features"]["pool"] == score["tasks"]["scores.score"]["pool"] == "nightshift_spark"
    assert all(task["retries"] == 7 for task in score["tasks"].values())
    assert found["dags"]["tiny.monitor"]["timetable"] == "PartitionedAssetTimetable"
    monitor = {name: task["next"] for name, task in found["dags"]["tiny.monitor"]["tasks"].items()}
    assert monitor == {
        "drift": ["decide"], "estimate": ["decide"], "outcomes": ["decide"],
        "decide": ["report", "request_training"], "report": [], "request_training": [],
    }  # fmt: skip
    assert found["dags"]["tiny.train"]["params"] == ["as_of", "reason"]
    for dag in found["dags"].values():
        assert dag["owner"] == "tests" and "tiny" in dag["tags"] and "Whether a machine fails" in dag["doc"]


APPROVAL, SHADOW = "{approval: {timeout: 2d}}", "{shadow: {nights: 7, metric: roc_auc, margin: 0.05}}"


@pytest.mark.parametrize(
    ("promotion", "train", "monitor", "says"),
    [
        ("auto", ["train", "gate", "register"], [], "Then it is the champion."),
        (
            APPROVAL,
            ["train", "gate", "register", "approval", "conclude"],
            [],
            "without an answer within 2d it is to refuse",
        ),
        (SHADOW, ["train", "gate", "register"], ["shadow"], "roc_auc not worse than the champion by 0.05, 95% sure"),
    ],
)
def test_who_promotes_is_in_the_dags_of_those_who_declare_it(
    models: Path, parse: Parse, promotion: str, train: list[str], monitor: list[str], says: str
) -> None:
    file = models / "tiny" / "model.yaml"
    file.write_text(f"{file.read_text()}\npromotion: {promotion}\n")
    found = parse(models)
    assert found["errors"] == {} and found["heavy"] == []
    tasks = found["dags"]["tiny.train"]["tasks"]
    assert list(tasks) == train and all(following in tasks[task]["next"] for task, following in pairwise(train))
    assert set(found["dags"]["tiny.monitor"]["tasks"]) - {
        "drift",
        "estimate",
        "outcomes",
        "decide",
        "report",
        "request_training",
    } == {*monitor}
    assert set(monitor) < set(found["dags"]["tiny.monitor"]["tasks"]["outcomes"]["next"])
    assert says in found["dags"]["tiny.train"]["doc"]


def test_a_model_that_is_fitted_again_has_a_task_for_it_between_gate_and_register(models: Path, parse: Parse) -> None:
    file = models / "tiny" / "model.yaml"
    file.write_text(file.read_text().replace("training:\n", "training:\n  refit: true\n"))
    found = parse(models)
    assert found["errors"] == {} and found["heavy"] == []
    dag = found["dags"]["tiny.train"]
    assert {name: task["next"] for name, task in dag["tasks"].items()} == {
        "train": ["gate"],
        "gate": ["refit"],
        "refit": ["register"],
        "register": [],
    }
    assert "A model that passes is fitted again with the rows of the holdout." in dag["doc"]


def test_the_examples_make_their_dags_without_heavy_imports(parse: Parse) -> None:
    models = PROJECT / "include" / "models"
    found = parse(models)
    names = [folder.name for folder in models.iterdir()]
    assert "flight_delay" in names
    assert set(found["dags"]) == {f"{name}.{verb}" for name in names for verb in ("score", "monitor", "train")}
    assert found["heavy"] == []


def test_a_fork_of_the_dag_processor_imports_nothing_to_parse_a_model_again(parse: Parse) -> None:
    parse(PROJECT / "include" / "models")
    assert parse(PROJECT / "include" / "models")["imported"] == []


def test_a_broken_definition_is_an_import_error_of_its_own_file_only(broken: Path, parse: Parse) -> None:
    found = parse(broken)
    assert set(found["dags"]) == {"tiny.score", "tiny.monitor", "tiny.train"}
    assert set(found["errors"]) == {"broken.py"}
    last = found["errors"]["broken.py"].strip().splitlines()[-1]
    assert "model.yaml:" in last and "features.aggregates.machine_failures.agg" in last and "'median'" in last


def test_a_removed_model_takes_its_file_along(models: Path, parse: Parse) -> None:
    parse(models)
    (models / "tiny" / "model.yaml").unlink()
    assert parse(models)["dags"] == {}


def test_two_declarations_of_a_source_are_import_errors_of_the_models_concerned(models: Path, parse: Parse) -> None:
    text = (models / "tiny" / "model.yaml").read_text()
    copies = {
        "twin": text.replace("min: 0, max: 1", "min: 0, max: 2"),
        "apart": text.replace("plan:", "roster:").replace("source: plan", "source: roster")
        .replace("failures:\n    desc", "results:\n    desc").replace("source: failures", "source: results"),
    }  # fmt: skip
    for name, content in copies.items():
        (models / name).mkdir()
        (models / name / "model.yaml").write_text(content.replace("name: tiny", f"name: {name}"))
    result = parse(models)
    assert set(result["dags"]) == {"apart.score", "apart.monitor", "apart.train"}
    assert set(result["errors"]) == {"tiny.py", "twin.py"}
    for error in result["errors"].values():
        last = error.strip().splitlines()[-1]
        assert all(f"{models / name / 'model.yaml'}:" in last for name in ("tiny", "twin"))


TRIGGERS = """
import json
import pendulum
from datetime import UTC, datetime, timedelta
from airflow.timetables.base import TimeRestriction
from airflow.api_fastapi.core_api.datamodels.dag_run import TriggerDAGRunPostBody
from airflow.serialization.serialized_objects import DagSerialization
from nightshift_airflow.factory import build_dags

def trigger(dag, logical_date=None, key=None):
    try:
        run = TriggerDAGRunPostBody(logical_date=logical_date, partition_key=key).validate_context(dag)
        return str(run["partition_date"] if key else run["logical_date"])
    except ValueError as error:  # which the API answers with, and the UI shows
        return f"refused: {error}"

answers, now, dags = {}, datetime.now(UTC), build_dags("tiny")
for verb in ("train", "score"):
    dag = DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(dags[f"tiny.{verb}"]))))
    dates = {"none": None, "past": datetime(2024, 2, 1, tzinfo=UTC), "now": now, "future": now + timedelta(days=1)}
    answers |= {f"{verb} {name}": trigger(dag, day) for name, day in dates.items()}
# Not a night that begins while this runs.
coming = str((now + timedelta(hours=1)).date() + timedelta(days=1))
keys = {"night": "2024-02-01", "coming night": coming, "no night": "tomorrow"}
answers |= {name: trigger(dag, key=key) for name, key in keys.items()}
restriction = TimeRestriction(earliest=pendulum.datetime(2024, 2, 1), latest=None, catchup=True)
run = dag.timetable.next_dagrun_info_v2(last_dagrun_info=None, restriction=restriction)
answers["scheduled"] = f"{run.partition_key} at {run.run_after}"
print("RESULT" + json.dumps(answers))
"""


@pytest.mark.parametrize(("at", "end"), [("06:00", None), ("00:00", "2024-03-01")])
def test_a_run_that_would_never_start_is_refused_where_it_is_triggered(
    models: Path, parse: Parse, at: str, end: str | None
) -> None:
    """At midnight, a date and the cutoff of its night are the same instant."""
    file = models / "tiny" / "model.yaml"
    text = file.read_text().replace('at: "06:00"', f'at: "{at}"')
    file.write_text(text.replace("available: {after: 1h}", "available: {after: 0h}"))
    if end:
        file.write_text(file.read_text().replace("  start: 2024-01-01\n", f"  start: 2024-01-01\n  end: {end}\n"))
    answers = parse(models, TRIGGERS)
    for verb in ("train", "score"):
        assert answers[f"{verb} none"] == "None" and answers[f"{verb} past"].startswith("2024-02-01")
        future, now = answers[f"{verb} future"], answers[f"{verb} now"]
        assert future.startswith("refused: the logical date is in the future: the run would wait for it and hold back")
        assert "; allowed: 20" in future and "fix: leave the logical date empty" in future
        if end:
            assert now.startswith("refused: the logical date is after `schedule.end`: the run would never start")
            assert "allowed: 2024-03-01T23:59:59+00:00 or earlier" in now
        else:
            assert now.startswith("20")
    assert answers["night"].startswith("2024-02-01")
    assert answers["scheduled"] == f"2024-02-01 at 2024-02-01 {at}:00+00:00"
    coming = answers["coming night"]
    assert coming.startswith("refused: the night has not come: its run would wait for files and hold back others")
    assert "; allowed: 20" in coming and "fix: trigger it after its cutoff, 20" in coming and f"T{at}:00" in coming
    assert "does not match" in answers["no night"]


WEEKLY_PARTITIONS = """
import json
from datetime import UTC, datetime
from airflow.timetables.base import TimeRestriction
from airflow.api_fastapi.core_api.datamodels.dag_run import TriggerDAGRunPostBody
from airflow.serialization.serialized_objects import DagSerialization
from nightshift_airflow.factory import build_dags

dag = DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(build_dags("tiny")["tiny.score"]))))
timetable, answers = dag.timetable, {}
span = {"earliest": datetime(2024, 3, 1, tzinfo=UTC), "latest": datetime(2024, 4, 1, 12, tzinfo=UTC)}
answers["backfill"] = {i.partition_key: str(i.run_after) for i in timetable.iter_partition_dagrun_infos(**span)}
restriction, run, scheduled = TimeRestriction(dag.start_date, dag.end_date, catchup=True), None, {}
while run := timetable.next_dagrun_info_v2(last_dagrun_info=run, restriction=restriction):
    scheduled[run.partition_key] = str(run.run_after)
answers["scheduled"] = scheduled
for key in ("2024-03-11", "2024-03-12"):
    try:
        TriggerDAGRunPostBody(logical_date=None, partition_key=key).validate_context(dag)
        answers[key] = "accepted"
    except ValueError as error:  # which the API answers with, and the UI shows
        answers[key] = str(error)
print("RESULT" + json.dumps(answers | {"doc": dag.doc_md}))
"""


def test_a_cron_has_runs_of_its_dates_alone_at_its_time_when_clocks_change(models: Path, parse: Parse) -> None:
    """The clocks of New York change on 10 March."""
    file = models / "tiny" / "model.yaml"
    text = file.read_text().replace('at: "06:00"', 'cron: "0 6 * * 1"').replace("timezone: UTC", "timezone: US/Eastern")
    text = text.replace("start: 2024-01-01", "start: 2024-02-27\n  end: 2024-04-01")
    file.write_text(text.replace("holdout: 5d", "holdout: 35d"))
    answers = parse(models, WEEKLY_PARTITIONS)
    assert answers["backfill"] == answers["scheduled"] == {
        "2024-03-04": "2024-03-04 11:00:00+00:00",
        "2024-03-11": "2024-03-11 10:00:00+00:00",
        "2024-03-18": "2024-03-18 10:00:00+00:00",
        "2024-03-25": "2024-03-25 10:00:00+00:00",
        "2024-04-01": "2024-04-01 10:00:00+00:00",
    }  # fmt: skip
    assert answers["2024-03-11"] == "accepted"
    assert answers["2024-03-12"].startswith("no night: `0 6 * * 1` does not name this Tuesday; received '2024-03-12'; ")
    assert "allowed: 2024-03-11, 2024-03-18; fix: give a date that `schedule.cron` names" in answers["2024-03-12"]
    assert "at 06:00 US/Eastern of the dates that the cron `0 6 * * 1` names" in answers["doc"]
    assert "with a partition key such as `2024-03-04`" in answers["doc"]


def test_a_fork_looks_for_no_garbage_among_what_was_imported_before(fork_server: ForkServer, tmp_path: Path) -> None:
    counts = "import gc; print(gc.get_freeze_count(), len(gc.get_objects()))"
    imported, examined = map(int, fork_server.run(counts, {}, tmp_path).split())
    assert imported > 10 * examined
