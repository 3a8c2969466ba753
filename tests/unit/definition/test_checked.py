"""A definition that has not changed is not checked again; whatever its check depends on is noticed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nightshift.definition import checked, load
from nightshift.definition.checked import _decoded, _encoded
from nightshift.definition.load import definition_folders, find_definition
from nightshift.definition.model import ModelDefinition
from nightshift.definition.yaml_tree import parse, plain
from nightshift.errors import DefinitionError
from nightshift.settings import PROJECT

Find = Callable[..., ModelDefinition]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Two models: `tiny` declares its sources, `household_lapse` takes them from the shared ones."""
    shutil.copytree(PROJECT / "tests" / "models" / "tiny", tmp_path / "models" / "tiny")
    shutil.copytree(PROJECT / "include" / "models" / "household_lapse", tmp_path / "models" / "household_lapse")
    shutil.copytree(PROJECT / "include" / "sources", tmp_path / "sources")
    return tmp_path / "models"


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the models that were checked."""
    names: list[str] = []
    check = load._load

    def counted(folder: Path, sources: Path) -> Any:
        names.append(folder.name)
        return check(folder, sources)

    monkeypatch.setattr(load, "_load", counted)
    return names


@pytest.fixture
def find(models: Path, tmp_path: Path) -> Find:
    return lambda name: find_definition(models, name, checked=tmp_path / "checked")


@pytest.mark.parametrize("folder", definition_folders(PROJECT / "include" / "models"), ids=lambda folder: folder.name)
def test_a_remembered_definition_equals_a_checked_one(folder: Path, tmp_path: Path, checks: list[str]) -> None:
    sources = PROJECT / "include" / "sources"
    definitions = [find_definition(folder.parent, folder.name, sources, tmp_path) for _ in range(2)]
    assert definitions[0] == definitions[1] == find_definition(folder.parent, folder.name, sources)
    assert checks == [folder.name] * 2


@pytest.mark.parametrize("name", ["tiny", "household_lapse"])
def test_what_has_not_changed_is_checked_once(find: Find, checks: list[str], name: str) -> None:
    assert find(name) == find(name) == find(name)
    assert checks == [name]


def append(path: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / path).write_text((folder / path).read_text() + "\n# changed\n")

    return change


def create(path: str, text: str = "") -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)

    return change


@pytest.mark.parametrize(
    ("change", "again"),
    [
        pytest.param(append("models/tiny/model.yaml"), ["tiny"], id="its own file"),
        pytest.param(create("models/tiny/landing.py"), ["tiny"], id="a file beside it"),
        pytest.param(append("sources/transactions.yaml"), ["household_lapse"], id="a shared source"),
        pytest.param(append("sources/planes.yaml"), [], id="a shared source that none of them names"),
        pytest.param(
            create("models/other/model.yaml", "sources: {rows: {path: a}}"), [], id="a model with other sources"
        ),
        pytest.param(
            create("models/other/model.yaml", "sources: {plan: shared}"), [], id="a model that shares a source"
        ),
    ],
)
def test_only_what_a_change_concerns_is_checked_again(
    models: Path, find: Find, checks: list[str], change: Callable[[Path], None], again: list[str]
) -> None:
    for name in ("tiny", "household_lapse"):
        find(name)
    checks.clear()
    change(models.parent)
    for name in ("tiny", "household_lapse", "tiny", "household_lapse"):
        find(name)
    assert checks == again


def test_a_model_that_declares_a_source_otherwise_is_noticed_and_its_end_too(models: Path, find: Find) -> None:
    find("tiny")
    shutil.copytree(models / "tiny", models / "twin")
    text = (models / "twin" / "model.yaml").read_text().replace("name: tiny", "name: twin")
    (models / "twin" / "model.yaml").write_text(text)
    find("tiny")
    (models / "twin" / "model.yaml").write_text(text.replace("plan-{date}.csv.gz", "plans-{date}.csv.gz"))
    for _ in range(2):
        with pytest.raises(DefinitionError, match="declared otherwise"):
            find("tiny")
    shutil.rmtree(models / "twin")
    find("tiny")


def test_a_shared_source_of_the_same_name_is_noticed(models: Path, find: Find) -> None:
    find("tiny")
    source = plain(parse(models / "tiny" / "model.yaml"))["sources"]["plan"]
    create("sources/plan.yaml", yaml.safe_dump(source | {"timezone": "UTC", "path": "x-{date}.csv.gz"}))(models.parent)
    with pytest.raises(DefinitionError):
        find_definition(models, "tiny")
    with pytest.raises(DefinitionError):
        find("tiny")


def test_other_checks_check_again(find: Find, checks: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    find("tiny")
    monkeypatch.setattr(checked, "_checker", lambda: "another version of Nightshift")
    find("tiny")
    assert checks == ["tiny", "tiny"]


def test_a_broken_definition_is_never_remembered(models: Path, find: Find, checks: list[str]) -> None:
    file = models / "tiny" / "model.yaml"
    text = file.read_text()
    find("tiny")
    file.write_text(text + "unknown: 1\n")
    for _ in range(2):
        with pytest.raises(DefinitionError, match=rf"{file}:\d+"):
            find("tiny")
    file.write_text(text)
    find("tiny")
    assert checks == ["tiny"] * 3


@pytest.mark.parametrize("content", ["", "{", "[]", "5", "{}", '{"files": {}, "shared": 3, "tree": {"sources": {}}}'])
def test_a_damaged_memory_is_replaced(find: Find, checks: list[str], tmp_path: Path, content: str) -> None:
    expected = find("tiny")
    for name in ("tiny.json", "sources.index"):
        (tmp_path / "checked" / name).write_text(content)
    assert find("tiny") == find("tiny") == expected
    assert checks == ["tiny", "tiny"]


def test_a_record_with_another_tree_is_not_believed_to_be_valid(find: Find, checks: list[str], tmp_path: Path) -> None:
    find("tiny")
    file = tmp_path / "checked" / "tiny.json"
    record = json.loads(file.read_text())
    record["tree"]["schedule"] = 3
    file.write_text(json.dumps(record))
    find("tiny")
    assert checks == ["tiny", "tiny"]


def test_without_a_folder_to_write_every_process_checks(models: Path, checks: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for _ in range(2):
        find_definition(models, "tiny", checked=tmp_path / "file" / "checked")
    assert checks == ["tiny", "tiny"]


def test_nothing_is_left_beside_the_records(find: Find, tmp_path: Path) -> None:
    find("tiny")
    assert sorted(file.name for file in (tmp_path / "checked").iterdir()) == ["sources.index", "tiny.json"]


INSTANTS = st.datetimes().map(lambda instant: instant.replace(fold=0))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.dates() | INSTANTS
TREES = st.recursive(
    SCALARS,
    lambda parts: st.lists(parts) | st.dictionaries(st.text() | st.integers() | st.dates(), parts),
    max_leaves=20,
)


@given(TREES)
def test_values_of_yaml_are_remembered_with_their_types(tree: Any) -> None:
    remembered = json.loads(json.dumps(_encoded(tree)), object_hook=_decoded)
    assert remembered == tree
    assert repr(remembered) == repr(tree)


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, object(), [date(2024, 1, 1), {"a": (1, 2)}]])
def test_a_value_that_json_cannot_hold_is_not_remembered(value: Any) -> None:
    with pytest.raises(TypeError):
        _encoded(value)


def test_instants_stay_instants() -> None:
    assert _decoded(_encoded(datetime(2024, 1, 1))) == datetime(2024, 1, 1)
