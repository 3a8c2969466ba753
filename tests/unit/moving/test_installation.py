"""What a move refuses before it copies anything, and what it copies again."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nightshift.errors import TerminalError
from nightshift.moving.files import copy_folder
from nightshift.moving.installation import move, read_settings
from nightshift.settings import Settings

PLACES = {
    "NIGHTSHIFT_LANDING": "s3://bucket/landing",
    "NIGHTSHIFT_WAREHOUSE": "s3://bucket/warehouse",
    "NIGHTSHIFT_MLFLOW_URI": "postgresql+psycopg2://night@db/mlflow",
    "NIGHTSHIFT_MLFLOW_ARTIFACTS": "s3://bucket/mlflow",
    "NIGHTSHIFT_QUALITY_DOCS": "s3://bucket/quality",
}


def written(file: Path, lines: dict[str, str]) -> Path:
    file.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    return file


def test_settings_are_those_of_the_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHIFT_STATE", "s3://old/state")
    settings = read_settings(written(tmp_path / "target.env", PLACES | {"NIGHTSHIFT_SPARK__MASTER": "yarn"}))
    assert (settings.warehouse, settings.spark.master, settings.state) == ("s3://bucket/warehouse", "yarn", None)
    assert os.environ["NIGHTSHIFT_STATE"] == "s3://old/state"


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (PLACES | {"NIGHTSHIFT_WHAREHOUSE": "/x"}, r"no such setting; .*did you mean NIGHTSHIFT_WAREHOUSE\?"),
        (PLACES | {"NIGHTSHIFT_SPARK__MASTR": "yarn"}, r"did you mean NIGHTSHIFT_SPARK__MASTER\?"),
        (PLACES | {"NIGHTSHIFT_ENTIRELY_OTHER": "/x"}, "no such setting; .*docs/settings.md"),
        (
            PLACES | {"NIGHTSHIFT_SPARK__DRIVER_WAITS": "soon"},
            "NIGHTSHIFT_SPARK__DRIVER_WAITS: Input should be a valid",
        ),
        (PLACES | {"NIGHTSHIFT_SPARK": "{"}, "NIGHTSHIFT_SPARK: it is not JSON"),
        (PLACES | {"NIGHTSHIFT_STATE": ""}, "NIGHTSHIFT_STATE: it is empty"),
        (PLACES | {"AWS_REGION": "eu-central-1"}, "set those of AWS in this environment"),
        (
            {name: value for name, value in PLACES.items() if name != "NIGHTSHIFT_WAREHOUSE"},
            "a place is not named; received 'no NIGHTSHIFT_WAREHOUSE'; fix: add it, or NIGHTSHIFT_VAR",
        ),
    ],
)
def test_a_file_that_does_not_say_where_to_is_refused(tmp_path: Path, lines: dict[str, str], says: str) -> None:
    with pytest.raises(TerminalError, match=says) as refusal:
        read_settings(written(tmp_path / "target.env", lines))
    assert str(tmp_path / "target.env") in str(refusal.value)


def test_a_line_without_a_value_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path / "target.env", PLACES)
    file.write_text(file.read_text() + "NIGHTSHIFT_STATE\n")
    with pytest.raises(TerminalError, match="no variable of Nightshift's with its value; received 'NIGHTSHIFT_STATE'"):
        read_settings(file)


def test_a_folder_for_everything_names_every_place(tmp_path: Path) -> None:
    settings = read_settings(written(tmp_path / "target.env", {"NIGHTSHIFT_VAR": str(tmp_path / "new")}))
    assert Path(settings.warehouse_uri) == tmp_path / "new" / "warehouse"


@pytest.mark.parametrize(
    ("same", "name"),
    [
        (("var",), "NIGHTSHIFT_WAREHOUSE"),
        (("warehouse",), "NIGHTSHIFT_WAREHOUSE"),
        (("mlflow_artifacts",), "NIGHTSHIFT_MLFLOW_ARTIFACTS"),
        (("mlflow_uri",), "NIGHTSHIFT_MLFLOW_URI"),
        (("catalog",), "NIGHTSHIFT_CATALOG"),
    ],
)
def test_a_place_of_the_old_installation_is_refused_untouched(tmp_path: Path, same: tuple[str, ...], name: str) -> None:
    old = Settings(var=tmp_path / "old")
    places = {
        "var": old.var,
        "warehouse": old.warehouse_uri,
        "mlflow_artifacts": old.artifact_root,
        "mlflow_uri": old.tracking_uri,
        "catalog": {"uri": old.catalog_uri},
    }
    new = Settings(**({"var": tmp_path / "new"} | {key: places[key] for key in same}))
    with pytest.raises(TerminalError, match="has the same place as the old one") as refusal:
        move(old, new, [], lambda line: None)
    assert refusal.value.where == name
    assert list(tmp_path.iterdir()) == []


def test_what_landed_again_meanwhile_is_copied_again(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    (old / "a.csv").write_text("1")
    (old / "b.csv").write_text("1")
    long_ago = datetime.now(UTC) - timedelta(days=1)
    for name in ("a.csv", "b.csv"):
        os.utime(old / name, (long_ago.timestamp(),) * 2)
    copy_folder(str(old), str(new), lambda line: None)
    (old / "a.csv").write_text("2")
    (new / "b.csv").write_text("x")  # newer and of the same size: taken for the copy
    os.utime(old / "a.csv", ((datetime.now(UTC) + timedelta(hours=1)).timestamp(),) * 2)
    copy_folder(str(old), str(new), lambda line: None)
    assert [(new / name).read_text() for name in ("a.csv", "b.csv")] == ["2", "x"]
