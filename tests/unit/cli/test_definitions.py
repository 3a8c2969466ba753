"""What `nightshift validate` says of the expectations that a definition names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nightshift.cli import app
from nightshift.quality.compile import custom_expectations, expectation_problems
from nightshift.settings import get_settings
from unit.conftest import Edit
from unit.definition.test_shared_sources import share
from unit.quality.test_compile import CUSTOM

PLAN = "min: 0, max: 1}\n"


def declared(*expectations: str) -> str:
    return PLAN + "    expectations:\n" + "".join(f"      - {text}\n" for text in expectations)


def test_every_impossible_expectation_is_named_with_its_place(edit: Edit) -> None:
    definition = edit(
        PLAN,
        declared(
            "{type: ExpectNothing}",
            "{type: ExpectColumnMaxToBeBetween, arguments: {column: load, most: 3}}",
            "{type: ExpectColumnMedianToBeBetween, arguments: {column: load, max_value: 3}}",
        ),
    )
    first, second = map(str, expectation_problems(definition))
    assert first.startswith(f"{definition.folder / 'model.yaml'}: sources.plan.expectations: no such expectation; ")
    assert "sources.plan.expectations: the expectation does not take these arguments: " in second


def test_expectations_of_features_and_scores_are_checked_too(edit: Edit) -> None:
    parts = [f"  {table}: {{expectations: [{{type: ExpectNothing}}]}}\n" for table in ("features", "scores")]
    problems = [str(problem) for problem in expectation_problems(edit("gate:", f"quality:\n{''.join(parts)}\ngate:"))]
    assert ["quality.features.expectations" in problems[0], "quality.scores.expectations" in problems[1]] == [
        True,
        True,
    ]


@pytest.fixture
def installed(models: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The models that the command line sees."""
    monkeypatch.setenv("NIGHTSHIFT_MODELS_FOLDER", str(models))
    get_settings.cache_clear()
    yield models
    get_settings.cache_clear()


def test_validate_names_the_faults_of_expectations_and_fails(installed: Path) -> None:
    file = installed / "tiny" / "model.yaml"
    good = file.read_text()
    (installed / "tiny" / "expectations.py").write_text(CUSTOM)
    file.write_text(
        good.replace(PLAN, declared("{type: ExpectColumnMaxToBeRound, arguments: {column: load, digits: x}}"))
    )
    ended = CliRunner().invoke(app, ["validate", "tiny"])
    assert ended.exit_code == 2
    assert "sources.plan.expectations: the expectation does not take these arguments: " in ended.stderr
    assert "value is not a valid integer" in ended.stderr
    file.write_text(good.replace(PLAN, declared("{type: ExpectColumnMaxToBeRound, arguments: {column: load}}")))
    ended = CliRunner().invoke(app, ["validate", "tiny"])
    assert (ended.exit_code, ended.stderr) == (0, "")


def test_expectations_of_a_shared_source_are_beside_its_file(installed: Path) -> None:
    folder = share(installed, "plan")
    file = folder / "plan.yaml"
    expectation = "expectations: [{type: ExpectColumnMaxToBeRound, arguments: {column: load}}]\n"
    file.write_text(file.read_text() + expectation)
    ended = CliRunner().invoke(app, ["validate", "tiny"])
    assert ended.exit_code == 2
    assert f"{file}: expectations: no such expectation; received 'ExpectColumnMaxToBeRound'" in ended.stderr
    (folder / "expectations.py").write_text(CUSTOM)
    custom_expectations.cache_clear()
    ended = CliRunner().invoke(app, ["validate", "tiny"])
    assert (ended.exit_code, ended.stderr) == (0, "")


def test_validate_says_which_expressions_keep_observations_from_being_served(installed: Path) -> None:
    file = installed / "tiny" / "model.yaml"
    file.write_text(file.read_text().replace("substring(machine, 1, 1)", "upper(machine)"))
    ended = CliRunner().invoke(app, ["validate", "tiny"])
    assert ended.exit_code == 0
    assert (
        "tiny: observations are not served, rows of features are: "
        "features.rows.kind: only Spark evaluates `UPPER(machine)`" in ended.stdout
    )
