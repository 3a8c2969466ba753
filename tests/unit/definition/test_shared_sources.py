"""Sources that another model declares."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nightshift.definition.load import (
    check_shared_sources,
    definition_files,
    definition_hash,
    load_definition,
    load_replay,
    write_definition,
)
from nightshift.definition.model import ModelDefinition
from nightshift.errors import DefinitionError


def borrowing(models: Path, *changes: tuple[str, str]) -> Path:
    """The folder of a model that is tiny's twin, with tiny's sources, after replacing texts that occur once."""
    before, _, rest = (models / "tiny" / "model.yaml").read_text().partition("sources:\n")
    _, _, after = rest.partition("observations:\n")
    sources = "sources:\n  plan: {of: tiny}\n  failures: {of: tiny}\n\nobservations:\n"
    text = before.replace("name: tiny", "name: twin") + sources + after
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (models / "twin").mkdir()
    (models / "twin" / "model.yaml").write_text(text)
    return models / "twin"


def problems(folder: Path) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        load_definition(folder)
    return [str(problem) for problem in caught.value.problems]


def test_a_shared_source_is_as_its_owner_declares_it(models: Path, tiny: ModelDefinition) -> None:
    twin = load_definition(borrowing(models))
    assert twin.sources == tiny.sources
    assert twin.shared == {"plan": "tiny", "failures": "tiny"}
    assert list(check_shared_sources([load_definition(models / "tiny"), twin])) == []


def test_its_clock_is_its_owners(models: Path) -> None:
    twin = load_definition(borrowing(models, ("timezone: UTC", "timezone: America/New_York")))
    assert {source.timezone for source in twin.sources.values()} == {"UTC"}
    assert list(check_shared_sources([load_definition(models / "tiny"), twin])) == []


def test_its_example_data_are_its_owners(models: Path) -> None:
    twin = load_definition(borrowing(models))
    assert load_replay(twin).__module__ == "nightshift_landing_twin"


def test_a_stored_definition_needs_no_other_model(models: Path, tmp_path: Path) -> None:
    twin = load_definition(borrowing(models))
    files = definition_files(twin)
    assert set(files) == {"model.yaml", "sources_of_tiny.yaml"}
    again = write_definition(tmp_path / "again" / "twin", files)
    assert again.sources == twin.sources
    assert definition_files(again) == files


def test_the_hash_follows_the_owners_declaration_of_used_sources_only(models: Path) -> None:
    folder, tiny = borrowing(models), models / "tiny" / "model.yaml"
    first = definition_hash(load_definition(folder))
    tiny.write_text(tiny.read_text().replace("C: 1.0", "C: 2.0"))
    assert definition_hash(load_definition(folder)) == first
    tiny.write_text(tiny.read_text().replace("min: 0, max: 1", "min: 0, max: 2"))
    assert definition_hash(load_definition(folder)) != first


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ("{of: tinny}", "sources.plan.of: no such model; received 'tinny'"),
        ("{of: tiny, key: [machine]}", "sources.plan.key: not allowed together with `of`; received 'key'"),
        ("{of: twin}", "sources.plan.of: is this model itself"),
        ("{of: [tiny]}", "sources.plan.of: no such model"),
    ],
)
def test_an_invalid_owner_is_refused(models: Path, plan: str, message: str) -> None:
    [problem] = problems(borrowing(models, ("plan: {of: tiny}", f"plan: {plan}")))
    assert message in problem
    assert "model.yaml:" in problem


def test_a_source_that_the_owner_lacks_is_refused(models: Path) -> None:
    [problem] = problems(borrowing(models, ("plan: {of", "plans: {of")))
    assert "sources.plans.of: tiny has no source 'plans'; received 'tiny'; allowed: plan, failures" in problem


def test_a_broken_owner_is_named(models: Path) -> None:
    folder = borrowing(models)
    (models / "tiny" / "model.yaml").write_text("sources: [\n")
    [problem] = problems(folder)
    assert str(models / "tiny" / "model.yaml") in problem
    shutil.rmtree(models / "tiny")
    assert all("no such model" in problem for problem in problems(folder))


def test_the_named_owner_must_declare_the_source_itself(models: Path) -> None:
    """Not take it from a third model, so that a reader finds the declaration at once."""
    shutil.copytree(borrowing(models), models / "third")
    file = models / "third" / "model.yaml"
    file.write_text(file.read_text().replace("name: twin", "name: third").replace("plan: {of: tiny", "plan: {of: twin"))
    [problem] = problems(models / "third")
    assert "sources.plan.of: twin takes this source from another model; received 'twin'; allowed: tiny" in problem
