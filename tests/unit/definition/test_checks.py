"""What a definition may say of its checks, and what a misspelt key is answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from unit.conftest import Edit
from unit.definition.test_check_rules import column, failed, plan, quality
from unit.definition.test_load import broken, changed


def test_usual_warn_is_short_for_its_severity(edit: Edit) -> None:
    usual = edit(*column("usual: fail")).sources["plan"].columns["load"].usual
    assert usual is not None
    assert (usual.severity, usual.of, usual.weeks, usual.deviations) == ("fail", (), 8, 8.0)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(column("usual: {of: [mean, spread, missing]}"), id="every statistic of a number"),
        pytest.param(failed("type: boolean, usual: {of: [mix, missing]}"), id="every statistic of a boolean"),
        pytest.param(plan("references: {x: {source: failures, columns: [machine], severity: quarantine}}"), id="all"),
        pytest.param(plan("freshness: {newest: source_date, within: 24h}"), id="a date"),
        pytest.param(quality("scores", "columns: {model_version: {min: 1}}"), id="the version"),
        pytest.param(("poll: 1s", "poll: 1s\n  alert: 1s"), id="an alert before the end"),
    ],
)
def test_valid_checks_load(edit: Edit, change: tuple[str, str]) -> None:
    assert edit(*change).name == "tiny"


@pytest.mark.parametrize(
    ("change", "key", "suggestion"),
    [
        (column("usual: {off: [mean]}"), "sources.plan.columns.load.usual.off", "of"),
        (plan("expectations: [{tpe: X, type: X}]"), "sources.plan.expectations.0.tpe", "type"),
        (
            quality("features", "expectations: [{type: X, argument: {}}]"),
            "quality.features.expectations.0.argument",
            "arguments",
        ),
        (plan("rows: {like: {sorce: plan, source: plan}}"), "sources.plan.rows.like.sorce", "source"),
        (quality("scores", "reference: {distanc: 1}"), "quality.scores.reference.distanc", "distance"),
    ],
)
def test_a_misspelt_key_of_a_check_is_answered_with_the_correct_key(
    models: Path, change: tuple[str, str], key: str, suggestion: str
) -> None:
    [line] = broken(models / "tiny", changed(models / "tiny", change))
    assert f": {key}: unknown key; " in line
    assert line.endswith(f"fix: write '{suggestion}'")
