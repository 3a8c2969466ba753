"""The JSON schema of `model.yaml`: the committed file is current, accepts every definition and refuses mistakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from nightshift.cli import app
from nightshift.definition.json_schema import definition_schema, source_schema
from nightshift.definition.load import FILE
from nightshift.definition.yaml_tree import parse, plain

PROJECT = Path(__file__).parents[3]
SCHEMA_FILE = PROJECT / "docs" / "model.schema.json"
SOURCE_SCHEMA_FILE = PROJECT / "docs" / "source.schema.json"
DEFINITIONS = sorted(
    file
    for folder in ("include/models", "tests/models", "bench/models")
    for file in (PROJECT / folder).glob(f"*/{FILE}")
)
TINY = PROJECT / "tests" / "models" / "tiny" / FILE


def tree_of(text: str, tmp_path: Path) -> Any:
    """A definition's text as an editor reads it: dates are texts."""
    file = tmp_path / FILE
    file.write_text(text)
    return json.loads(json.dumps(plain(parse(file)), default=str))


def error_paths(text: str, tmp_path: Path) -> list[str]:
    """The places of a definition that the schema refuses."""
    errors = Draft202012Validator(definition_schema()).iter_errors(tree_of(text, tmp_path))
    return sorted({".".join(map(str, error.absolute_path)) for error in errors})


@pytest.mark.parametrize(("file", "schema"), [("model", definition_schema), ("source", source_schema)])
def test_the_committed_schemas_are_what_the_command_prints(file: str, schema: Callable[[], Any]) -> None:
    Draft202012Validator.check_schema(schema())
    printed = CliRunner().invoke(app, ["schema", file])
    assert printed.exit_code == 0
    committed = SCHEMA_FILE.with_name(f"{file}.schema.json")
    assert committed.read_text() == printed.stdout, f"{committed} is not current: run `make docs`"


@pytest.mark.parametrize("file", sorted((PROJECT / "include" / "sources").glob("*.yaml")), ids=lambda file: file.stem)
def test_every_shared_source_names_its_schema_and_is_accepted(file: Path) -> None:
    assert f"$schema=../../docs/{SOURCE_SCHEMA_FILE.name}" in file.read_text()
    tree = json.loads(json.dumps(plain(parse(file)), default=str))
    validator = Draft202012Validator(source_schema())
    assert list(validator.iter_errors(tree)) == []
    del tree["timezone"]
    assert [error.validator for error in validator.iter_errors(tree)] == ["required"]


@pytest.mark.parametrize("file", DEFINITIONS, ids=lambda file: file.parent.name)
def test_every_definition_names_the_schema_and_is_accepted(file: Path, tmp_path: Path) -> None:
    text = file.read_text()
    assert error_paths(text, tmp_path) == []
    [modeline] = [line for line in text.splitlines() if "yaml-language-server" in line]
    assert modeline.startswith("# yaml-language-server: $schema=")
    assert (file.parent / modeline.partition("=")[2]).resolve() == SCHEMA_FILE


ACCEPTED = [
    ("poll: 1s", "poll: 1s\n  alert: 1s"),
    ("min: 0, max: 1}", "min: 0, max: 1, usual: warn}"),
    ("min: 0, max: 1}", "min: 0, max: 1, usual: {of: [mean], deviations: 10}}"),
    ("gate:\n", "promotion: auto\n\ngate:\n"),
    ("gate:\n", "promotion: {approval: {timeout: 2d}}\n\ngate:\n"),
    ("retrain: {", "false_alarms: 1 per 30 nights\n  retrain: {"),
    ("retrain: {", "retrain: {drift: null, age: 30d, "),
]


@pytest.mark.parametrize(("old", "new"), ACCEPTED)
def test_every_way_to_write_a_value_is_accepted(old: str, new: str, tmp_path: Path) -> None:
    text = TINY.read_text()
    assert text.count(old) == 1
    assert error_paths(text.replace(old, new), tmp_path) == []


# The text that is replaced, its replacement, and the key that is refused.
REFUSED = [
    ("owner: tests", "owner: tests\nownr: tests", ""),
    ("owner: tests", "folder: /tmp\nowner: tests", ""),
    ("owner: tests\n", "", ""),
    ("owner: tests", "owner: 17", "owner"),
    ("name: tiny", "name: Tiny", "name"),
    ("  poll: 1s", "  poll: 1s\n  zzz: 1s", "wait"),
    ("timeout: 2s", "timeout: 2 seconds", "wait.timeout"),
    ('at: "06:00"', 'at: "25:00"', "schedule.at"),
    ("available: {after: 1h}", "available: 1h", "sources.plan.available"),
    ("available: {after: 1h}", "available: {afetr: 1h}", "sources.plan.available"),
    ("failed: {type: boolean}", "failed: {type: bool}", "sources.failures.columns.failed.type"),
    ("min: 0, max: 1}", "min: 0, max: 1, usual: loud}", "sources.plan.columns.load.usual"),
    ("min: 0, max: 1}", "min: low, max: 1}", "sources.plan.columns.load.min"),
    ("    busy: {", "    Busy: {", "features.rows"),
    ("agg: rate", "agg: average", "features.aggregates.machine_failures.agg"),
    ("windows: [3d]", "windows: 3d", "features.aggregates.machine_failures.windows"),
    ("class: sklearn.linear_model.LogisticRegression", "class: LogisticRegression", "training.estimator.class"),
    ("minimum: {roc_auc: 0.5}", "minimum: {precision: 0.5}", "gate.minimum"),
    ("minimum: {roc_auc: 0.5}", "minimum: {roc_auc: high}", "gate.minimum.roc_auc"),
    ("gate:\n", "promotion: never\n\ngate:\n", "promotion"),
    ("retrain: {", "false_alarms: rarely\n  retrain: {", "monitoring.false_alarms"),
    ("nights: 1", "nights: 0", "monitoring.retrain.nights"),
    ("nights: 1", "nights: many", "monitoring.retrain.nights"),
]


@pytest.mark.parametrize(("old", "new", "path"), REFUSED)
def test_unknown_keys_and_wrong_types_are_refused(old: str, new: str, path: str, tmp_path: Path) -> None:
    text = TINY.read_text()
    assert text.count(old) == 1
    assert error_paths(text.replace(old, new), tmp_path) == [path]


def test_a_source_is_declared_or_shared(tmp_path: Path) -> None:
    text = (PROJECT / "include" / "models" / "cancellation" / FILE).read_text()
    assert "planes: shared" in text
    for planes in ("planes: share", "planes: {}", "planes: {of: flight_delay}"):
        assert error_paths(text.replace("planes: shared", planes), tmp_path) == ["sources.planes"]
