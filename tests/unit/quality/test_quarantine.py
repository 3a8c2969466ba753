"""Rows that are set aside instead of stopping the night, and their release."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from nightshift.errors import DataError, NotYetAvailable, TerminalError
from nightshift.lake.files import local_path
from nightshift.lake.publish import publish
from nightshift.lake.read import read_dates
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import Layer, quarantine_table, raw_table
from nightshift.project import Project
from nightshift.quality import quarantine
from nightshift.quality.quarantine import quarantined_rows, release
from nightshift.settings import PROJECT, Settings
from nightshift.stages.audit import audit
from nightshift.stages.ingest import ingest
from nightshift.stages.publish import publish as publish_staged

NIGHT = date(2024, 1, 1)
LOAD = "load: {type: number, required: true, min: 0, max: 1}"
MACHINE = "machine: {type: string, required: true}"
QUARANTINE_COLUMNS = "load: {type: number, required: true, min: 0, max: 1, severity: quarantine}"


def declared(project: Project, old: str, new: str) -> Project:
    """The same installation with a column of the plan declared otherwise."""
    file = project.definition.folder / "model.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    return Project("tiny", project.settings)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An installation in which rows with an impossible load are set aside, up to a quarter of them."""
    source = Path(__file__).parents[2] / "models" / "tiny" / "model.yaml"
    folder = tmp_path / "models" / "tiny"
    folder.mkdir(parents=True)
    text = (
        source.read_text()
        .replace(LOAD, QUARANTINE_COLUMNS)
        .replace("    key: [machine]\n", "    key: [machine]\n    quarantine: {share: 0.25}\n", 1)
    )
    (folder / "model.yaml").write_text(text)
    return Project("tiny", Settings(home=PROJECT, var=tmp_path / "var", models_folder=tmp_path / "models"))


def land(project: Project, *rows: tuple[str, Any]) -> None:
    file = Path(local_path(project.settings.landing_uri)) / f"plan-{NIGHT}.csv.gz"
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = ["machine,load", *(f"{machine},{'' if load is None else load}" for machine, load in rows)]
    file.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))


def night(project: Project) -> tuple[str, ...]:
    """Ingest, audit and publish of the plan; the warnings."""
    audited = audit(project, ingest(project, NIGHT), NIGHT, "run 1")
    publish_staged(project, audited.locations)
    return audited.warnings


def published(project: Project) -> dict[str, float]:
    rows = read_dates(project.lake, raw_table(project.definition, "plan"), NIGHT, NIGHT)
    return dict(zip(rows["machine"].to_pylist(), rows["load"].to_pylist(), strict=True))


def quarantined(project: Project) -> list[dict[str, Any]]:
    spec = quarantine_table(project.definition, "plan")
    return read_dates(project.lake, spec, NIGHT, NIGHT).to_pylist() if project.lake.table_exists(spec.name) else []


GOOD = [("a", 0.1), ("b", 0.2), ("c", 0.3), ("d", 0.4), ("e", 0.5)]


def test_a_row_that_breaks_the_rule_is_set_aside_with_rule_value_and_reason(project: Project) -> None:
    land(project, *GOOD, ("x", 7.5))
    [warning] = night(project)
    assert published(project) == dict(GOOD)
    [row] = quarantined(project)
    assert (row["machine"], row["load"], row["quarantine_run"]) == ("x", 7.5, "run 1")
    assert (row["quarantine_column"], row["quarantine_value"]) == ("load", "7.5")
    assert row["quarantine_reason"] == "load is 7.5, outside 0 to 1"
    assert warning.startswith("raw.plan 2024-01-01: 1 warning in ")
    assert warning.endswith("load has 1 value outside 0 to 1, first 7.5; 1 rows set aside")


def test_every_row_is_in_exactly_one_of_the_two_tables(project: Project) -> None:
    land(project, *GOOD, ("x", None), ("y", -1))
    with pytest.raises(DataError):
        night(project)  # two of seven are more than a quarter
    land(project, *GOOD, *((f"more{n}", 0.5) for n in range(3)), ("x", None), ("y", -1))
    night(project)
    assert {row["machine"]: row["quarantine_reason"] for row in quarantined(project)} == {
        "x": "load is missing",
        "y": "load is -1.0, outside 0 to 1",
    }
    assert sorted(published(project)) == sorted([*(name for name, _ in GOOD), "more0", "more1", "more2"])


def test_too_many_rows_to_be_set_aside_fail_the_night_and_say_so(project: Project) -> None:
    land(project, *GOOD[:3], ("x", 7), ("y", 8))
    with pytest.raises(DataError, match=r"2 of 5 rows would be set aside, at most 25\.00% may be"):
        night(project)
    assert not project.lake.table_exists("raw.plan")
    assert not project.lake.table_exists("quarantine.plan")
    verdicts = {row["verdict"] for row in project.monitored(NIGHT, NIGHT) if row["subject"] == "raw.plan: load"}
    assert verdicts == {"pass", "fail"}


def test_a_rule_that_fails_the_night_still_does_beside_one_that_sets_rows_aside(project: Project) -> None:
    land(project, *GOOD, ("e", 0.6), ("x", 7))
    with pytest.raises(DataError, match="machine is the same in 2 rows"):
        night(project)
    assert not project.lake.table_exists("raw.plan")


def test_a_warning_publishes_every_row(project: Project) -> None:
    project = declared(project, QUARANTINE_COLUMNS, QUARANTINE_COLUMNS.replace("quarantine", "warn"))
    land(project, *GOOD, ("x", 7.5))
    [warning] = night(project)
    assert published(project) == dict([*GOOD, ("x", 7.5)])
    assert "set aside" not in warning
    warnings = [row for row in project.monitored(NIGHT, NIGHT) if row["verdict"] == "warn"]
    assert [(row["subject"], row["value"]) for row in warnings] == [("raw.plan: load", 1.0)]


def test_a_value_that_does_not_match_as_a_whole_is_set_aside(project: Project) -> None:
    project = declared(project, MACHINE, MACHINE.replace("}", ', pattern: "[a-z]", severity: quarantine}'))
    land(project, *GOOD, ("ab", 0.5))
    night(project)
    assert [row["quarantine_reason"] for row in quarantined(project)] == ["machine is 'ab', not of the form [a-z]"]


def test_the_next_good_file_empties_the_quarantine(project: Project) -> None:
    land(project, *GOOD, ("x", 7.5))
    night(project)
    land(project, *GOOD, ("x", 0.75))
    assert night(project) == ()
    assert quarantined(project) == []
    assert published(project)["x"] == 0.75


def test_the_same_night_twice_leaves_the_same_tables(project: Project) -> None:
    land(project, *GOOD, ("x", 7.5))
    night(project)
    before = published(project), quarantined(project)
    night(project)
    assert (published(project), quarantined(project)) == before


def test_quarantined_rows_are_listed_by_date_rule_and_column(project: Project) -> None:
    land(project, *GOOD, *((f"more{n}", 0.5) for n in range(5)), ("x", 7.5), ("y", 8.5), ("z", None))
    night(project)
    groups = {
        (group.day, group.column, group.rows, group.first)
        for group in quarantined_rows(project.lake, project.definition)
    }
    assert groups == {(NIGHT, "load", 2, "7.5"), (NIGHT, "load", 1, None)}
    assert quarantined_rows(project.lake, project.definition, "failures") == []


def test_only_rows_that_satisfy_the_corrected_rule_are_released(project: Project) -> None:
    land(project, *GOOD, *((f"more{n}", 0.5) for n in range(5)), ("x", 7.5), ("y", 99))
    night(project)
    project = declared(project, QUARANTINE_COLUMNS, QUARANTINE_COLUMNS.replace("max: 1,", "max: 10,"))
    assert release(project.lake, project.definition, "plan", NIGHT) == (1, 1)
    assert published(project)["x"] == 7.5
    assert [row["machine"] for row in quarantined(project)] == ["y"]
    assert release(project.lake, project.definition, "plan", NIGHT) == (0, 1)
    assert len(published(project)) == 11
    assert release(project.lake, project.definition, "plan", NIGHT, force=True) == (1, 0)
    assert published(project)["y"] == 99
    assert quarantined(project) == []


def test_a_release_that_was_killed_half_way_loses_and_doubles_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(project, *GOOD, ("x", 7.5))
    night(project)

    def killed(lake: Any, spec: Any, staged: Any) -> int:
        if spec.layer is Layer.QUARANTINE:
            raise KeyboardInterrupt
        return publish(lake, spec, staged)

    with monkeypatch.context() as patch:
        patch.setattr(quarantine, "publish", killed)
        with pytest.raises(KeyboardInterrupt):
            release(project.lake, project.definition, "plan", NIGHT, force=True)
    assert release(project.lake, project.definition, "plan", NIGHT, force=True) == (1, 0)
    assert published(project) == dict([*GOOD, ("x", 7.5)])
    assert quarantined(project) == []


def test_nothing_to_release_and_a_doubled_key_are_one_clear_line(project: Project) -> None:
    land(project, *GOOD)
    night(project)
    with pytest.raises(NotYetAvailable, match="no row of 2024-01-01 is in quarantine"):
        release(project.lake, project.definition, "plan", NIGHT)
    land(project, *GOOD, ("x", 7.5))
    night(project)
    release(project.lake, project.definition, "plan", NIGHT, force=True)
    spec = quarantine_table(project.definition, "plan")
    # The same row comes into quarantine once more: a mistake of hands that publishing must not repeat.
    row = {"source_date": NIGHT, "machine": "x", "load": 0.5, **dict.fromkeys(list(spec.columns)[-5:], "by hand")}
    publish(
        project.lake,
        spec,
        stage_arrow(project.lake, spec, pa.Table.from_pylist([row], schema=spec.schema), NIGHT, NIGHT, {}),
    )
    with pytest.raises(TerminalError, match="has the key of a published row"):
        release(project.lake, project.definition, "plan", NIGHT)


def test_the_commands_list_and_release(project: Project) -> None:
    land(project, *GOOD, ("x", 7.5))
    night(project)
    environment = os.environ | project.settings.as_environment()

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / "nightshift"), "quarantine", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    [group] = json.loads(run("list", "tiny", "--format", "json").stdout)
    assert (group["source"], group["day"], group["column"], group["rows"]) == ("plan", str(NIGHT), "load", 1)
    stays = run("release", "tiny", "plan", "--date", str(NIGHT))
    assert stays.stdout.strip() == "0 rows of 2024-01-01 released into raw.plan, 1 stay in quarantine"
    forced = run("release", "tiny", "plan", "--date", str(NIGHT), "--force")
    assert forced.stdout.strip() == "1 rows of 2024-01-01 released into raw.plan, 0 stay in quarantine"
    none = run("release", "tiny", "plan", "--date", str(NIGHT))
    assert (none.returncode, none.stderr.count("\n")) == (2, 1)
    unknown = run("list", "tiny", "nonsense")
    assert (unknown.returncode, unknown.stderr.count("\n")) == (2, 1)
    assert "allowed: plan, failures" in unknown.stderr
