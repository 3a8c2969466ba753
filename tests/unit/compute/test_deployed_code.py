"""What `nightshift deploy` uploads, and that it does so once."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nightshift.cli import app
from nightshift.compute import deployed_code
from nightshift.compute.deployed_code import code_of, deploy
from nightshift.errors import TerminalError
from nightshift.settings import PROJECT, EmrSettings, Settings, SparkSettings, get_settings


@pytest.fixture
def deploying(settings: Settings, models: Path, tmp_path: Path) -> Settings:
    spark, emr = SparkSettings(code=f"file://{tmp_path}/code"), EmrSettings(packages="image")
    return settings.model_copy(update={"models_folder": models, "spark": spark, "emr": emr})


def uploaded(settings: Settings) -> list[str]:
    lines: list[str] = []
    deploy(settings, lines.append)
    return lines


def test_code_is_uploaded_once(deploying: Settings) -> None:
    first, code = uploaded(deploying), code_of(deploying)
    folder = Path(code.folder.removeprefix("file://"))
    programs = sorted(path.name for path in (PROJECT / "spark_jobs").glob("*.py"))
    assert sorted(path.name for path in (folder / "spark_jobs").glob("*.py")) == programs
    assert f"uploaded {code.program('score')}" in first and first[-1].startswith(f"uploaded {code.archive} (")
    with tarfile.open(code.archive.removeprefix("file://")) as archive:
        names = set(archive.getnames())
    assert {"include/nightshift/compute/driver.py", "include/models/tiny/model.yaml", "spark_jobs/score.py"} <= names
    assert not [name for name in names if "__pycache__" in name]
    assert uploaded(deploying) == [f"there already: {code.folder}"]


def test_changed_code_goes_beside_the_code_that_jobs_run(deploying: Settings) -> None:
    deploy(deploying, lambda line: None)
    before = code_of(deploying)
    content = Path(before.archive.removeprefix("file://")).read_bytes()
    with (deploying.models_path / "tiny" / "model.yaml").open("a") as file:
        file.write("# changed")
    assert code_of(deploying).folder != before.folder
    assert any(line.startswith(f"uploaded {code_of(deploying).archive}") for line in uploaded(deploying))
    assert Path(before.archive.removeprefix("file://")).read_bytes() == content


def test_a_deployment_that_was_interrupted_is_no_deployment(deploying: Settings) -> None:
    deploy(deploying, lambda line: None)
    code = code_of(deploying)
    Path(code.archive.removeprefix("file://")).unlink()
    with pytest.raises(TerminalError, match="is not deployed; fix: nightshift deploy"):
        deployed_code.deployed_code(deploying)
    deploy(deploying, lambda line: None)
    assert deployed_code.deployed_code(deploying) == code


@pytest.mark.slow
def test_packages_run_wherever_they_are_unpacked(
    deploying: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a few packages instead of all."""
    few = tmp_path / "site-packages"
    for package in ("pyspark", "airflow", "light"):
        (few / package).mkdir(parents=True)
        (few / package / "__init__.py").write_text("value = 42")
    monkeypatch.setattr(deployed_code, "_site_packages", lambda: few)
    chosen = deploying.model_copy(update={"emr": EmrSettings(packages="archive")})
    lines, code = uploaded(chosen), code_of(chosen)
    assert code.packages and lines[0].startswith(f"uploaded {code.packages} (")
    with tarfile.open(code.packages.removeprefix("file://")) as archive:
        archive.extractall(tmp_path / "elsewhere", filter="tar")
    program = "import light, sys, json, ssl; print(light.value, sys.prefix)"
    python = tmp_path / "elsewhere" / "bin" / "python"
    done = subprocess.run([python, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["42", str(tmp_path / "elsewhere")]
    packages = tmp_path / "elsewhere" / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    assert [folder.name for folder in (packages / "site-packages").iterdir()] == ["light"]
    assert uploaded(chosen) == [f"there already: {code.packages}", f"there already: {code.folder}"]


def test_without_a_place_for_it_the_command_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NIGHTSHIFT_SPARK__CODE", raising=False)
    get_settings.cache_clear()
    with pytest.raises(TerminalError, match="NIGHTSHIFT_SPARK__CODE: jobs elsewhere need this installation's code"):
        CliRunner().invoke(app, ["deploy"], catch_exceptions=False)
