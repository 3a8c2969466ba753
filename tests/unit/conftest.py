"""What unit tests share: a lake of their own, a small table in it, and definitions changed by a word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nightshift.definition.load import load_definition
from nightshift.definition.model import ModelDefinition
from nightshift.lake.catalog import Lake
from nightshift.lake.tables import Layer, TableSpec
from nightshift.settings import Settings
from unit import examples  # noqa: F401  # loads the profile of every test that says nothing itself

Edit = Callable[[str, str], ModelDefinition]


@pytest.fixture
def lake(settings: Settings) -> Lake:
    return Lake(settings)


@pytest.fixture
def readings() -> TableSpec:
    """A table of one number a machine and day."""
    columns = {"source_date": "date", "machine": "string", "load": "number"}
    return TableSpec(Layer.RAW, "readings", columns, "source_date", ("source_date", "machine"))


@pytest.fixture
def smoke_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate loads and scores a stored model here; a process of its own, which imports for 2 s, is `test_smoke`'s."""
    from nightshift.training import smoke

    def run(folder: Path, digest: str, tree_sums: bool, limit: float) -> str:
        smoke.main(folder, digest, tree_sums)
        return ""

    monkeypatch.setattr(smoke, "_run", run)


@pytest.fixture
def edit(models: Path) -> Edit:
    """Replaces a text that occurs once in the tiny definition and loads the result."""

    def change(old: str, new: str) -> ModelDefinition:
        file = models / "tiny" / "model.yaml"
        text = file.read_text()
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
        file.write_text(text.replace(old, new))
        return load_definition(models / "tiny")

    return change


@pytest.fixture
def of_number(models: Path) -> Callable[..., ModelDefinition]:
    """The tiny definition with a number as its label; more texts may be replaced by others."""

    def changed(*more: tuple[str, str]) -> ModelDefinition:
        file = models / "tiny" / "model.yaml"
        text = file.read_text()
        told = [("  expression: failed\n", "  expression: failed\n  type: number\n"), ("{roc_auc: 0.5}", "{mae: 99}")]
        if not any("LogisticRegression" in old for old, _ in more):
            told.append(("sklearn.linear_model.LogisticRegression, params: {C: 1.0}", "sklearn.linear_model.Ridge"))
        for old, new in (*told, *more):
            assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
            text = text.replace(old, new)
        file.write_text(text)
        return load_definition(models / "tiny")

    return changed


@pytest.fixture
def with_aggregates(models: Path) -> Callable[[str], ModelDefinition]:
    """The tiny definition with aggregates of the failures, told as `name: by, …`, one a line."""

    file = models / "tiny" / "model.yaml"
    text = file.read_text()

    def made(told: str) -> ModelDefinition:
        start, end = text.index("\n    machine_failures:"), text.index("\n\ntraining:")
        lines = [line.strip().split(": ", 1) for line in told.strip().splitlines()]
        listed = [f"    {n}: {{source: failures, {how}, windows: [1d], description: d}}" for n, how in lines]
        file.write_text(text[:start] + "\n" + "\n".join(listed) + text[end:])
        return load_definition(models / "tiny")

    return made
