"""What docs/groceries.md leads a new user to write: a definition of at most sixty lines, and the commands to it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nightshift.cli import app
from nightshift.definition.load import load_definition
from nightshift.settings import PROJECT, get_settings

PAGE = (PROJECT / "docs" / "groceries.md").read_text()
[DEFINITION] = re.findall(r"```yaml\n(name: lapse\n.*?)```", PAGE, re.DOTALL)
[EDIT] = re.findall(r"\$ (sed .*?model\.yaml)\n", PAGE, re.DOTALL)
COMMANDS = re.findall(r"\$ \.venv/bin/nightshift (.*)", PAGE)
COMMENT = re.compile(r" *# .*")


def test_the_definition_is_short_and_valid(tmp_path: Path) -> None:
    assert len([line for line in DEFINITION.splitlines() if line]) <= 60
    file = tmp_path / "models" / "lapse" / "model.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(DEFINITION)
    definition = load_definition(file.parent)
    assert len(definition.feature_types) == 21
    assert definition.observations.within is not None and definition.label.window is not None


@pytest.mark.slow
def test_the_commands_of_the_page_lead_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHIFT_VAR", str(tmp_path / "var"))
    monkeypatch.setenv("NIGHTSHIFT_MODELS_FOLDER", str(tmp_path / "models"))
    get_settings.cache_clear()
    file = tmp_path / "models" / "lapse" / "model.yaml"
    land, new, validate = COMMANDS[:3]
    assert [land.split()[0], new.split()[0], validate] == ["land", "new", "validate lapse"]
    for command in (land, new):
        done = CliRunner().invoke(app, command.split())
        assert done.exit_code == 0, done.output
    subprocess.run(["bash", "-c", EDIT.replace("~/lapse/models", str(file.parent.parent))], check=True)
    checked = CliRunner().invoke(app, validate.split())
    assert checked.exit_code == 0, checked.output
    assert "lapse: 1 source, 21 features" in checked.output
    written = [COMMENT.sub("", line) for line in file.read_text().splitlines()]
    proposed = [line for line in written if line and not line.startswith("owner: ")]
    assert proposed == [line for line in DEFINITION.splitlines() if not line.startswith("owner: ")]
    get_settings.cache_clear()
