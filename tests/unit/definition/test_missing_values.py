from __future__ import annotations

from pathlib import Path

import pytest

from nightshift.definition.load import load_definition
from nightshift.definition.missing_values import features_that_may_be_unmet

BUSY = "{expression: load, type: number"
CHECKED = "quality: {{features: {{columns: {{{}}}}}}}\nmonitoring:"


@pytest.mark.parametrize(
    ("replaced", "replacement", "unmet"),
    [
        ("", "", ["kind"]),  # `load` is required, the aggregate has a default, but a category may be a new one
        ("      default: 0.5\n", "", ["kind", "machine_failures_3d"]),
        ("type: number, required: true", "type: number", ["busy", "kind"]),
        ("min: 0, max: 1}", "min: 0, max: 1, severity: warn}", ["busy", "kind"]),
        ("min: 0, max: 1}", "min: 0, max: 1, severity: quarantine}", ["kind"]),
        (BUSY, '{expression: "coalesce(try_divide(load, 2), 0)", type: number', ["kind"]),
        (BUSY, '{expression: "try_divide(load, 2)", type: number', ["busy", "kind"]),
        (BUSY, '{expression: "2 * (LOAD + 1) - abs(load)", type: number', ["kind"]),
        (BUSY, '{expression: "try_cast(load as int)", type: number', ["busy", "kind"]),
        (BUSY, '{expression: "nullif(load, 0)", type: number', ["busy", "kind"]),
        (BUSY, '{expression: "month(score_date)", type: number', ["kind"]),
        ("monitoring:", CHECKED.format("kind: {required: true, values: [a, b]}"), []),
        ("monitoring:", CHECKED.format("kind: {values: [a, b, c]}"), ["kind"]),  # c is in no training row
        ("monitoring:", CHECKED.format("kind: {values: [a, b], severity: warn}"), ["kind"]),
    ],
)
def test_a_feature_may_be_unmet_unless_the_contract_excludes_it(
    models: Path, replaced: str, replacement: str, unmet: list[str]
) -> None:
    file = models / "tiny" / "model.yaml"
    file.write_text(file.read_text().replace(replaced, replacement, 1) if replaced else file.read_text())
    assert features_that_may_be_unmet(load_definition(models / "tiny"), {"kind": ["a", "b"]}) == unmet


def test_an_aggregate_without_default_is_present_if_a_check_requires_it(models: Path) -> None:
    file = models / "tiny" / "model.yaml"
    checked = CHECKED.format("machine_failures_3d: {required: true}")
    file.write_text(file.read_text().replace("      default: 0.5\n", "").replace("monitoring:", checked))
    assert features_that_may_be_unmet(load_definition(models / "tiny"), {"kind": ["a"]}) == ["kind"]
