from __future__ import annotations

from datetime import timedelta

import pytest

from nightshift.errors import DefinitionError
from unit.conftest import Edit

AFTER = "monitoring:\n"
RULE = "metric: roc_auc, margin: 0.01"


def declare(promotion: str) -> tuple[str, str]:
    return AFTER, f"promotion: {promotion}\n\n{AFTER}"


def test_a_version_that_passed_is_promoted_at_once_by_default(edit: Edit) -> None:
    assert edit("gate:", "gate:").promotion.auto


def test_auto_can_be_declared(edit: Edit) -> None:
    assert edit(*declare("auto")).promotion.auto


def test_an_approval_can_be_declared(edit: Edit) -> None:
    promotion = edit(*declare("{approval: {timeout: 2d}}")).promotion
    assert promotion.approval and not promotion.auto
    assert (promotion.approval.timeout, promotion.approval.default) == (timedelta(days=2), "refuse")


def test_a_shadow_is_the_gates_comparison_alone(edit: Edit) -> None:
    declared = f"{{shadow: {{nights: 7, {RULE}, confidence: 0.9, slices: {{columns: [kind], regression: 0.1}}}}}}"
    shadow = edit(*declare(declared)).promotion.shadow
    assert shadow and (shadow.nights, shadow.within) == (7, 90)
    gate = shadow.gate
    assert gate.against_champion and gate.slices == shadow.slices
    assert (gate.against_champion.metric, gate.against_champion.margin, gate.confidence) == ("roc_auc", 0.01, 0.9)
    assert (gate.minimum, gate.baseline, gate.leak, gate.rows, gate.speed, gate.size) == (
        {},
        False,
        None,
        1,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("promotion", "key", "says"),
    [
        ("at once", "promotion", ["not a policy", "received 'at once'", "auto, `approval: {…}`, `shadow: {…}`"]),
        ("{}", "promotion", ["not a policy"]),
        ("null", "promotion", ["not a policy"]),
        ("[auto]", "promotion", ["not a policy"]),
        ("{shade: {}}", "promotion.shade", ["unknown key", "write 'shadow'"]),
        (
            f"{{approval: {{timeout: 1d}}, shadow: {{nights: 7, {RULE}}}}}",
            "promotion",
            ["two policies", "one of approval, shadow", "remove one"],
        ),
        ("{approval: {}}", "promotion.approval.timeout", ["missing key", "add `timeout:`"]),
        ("{approval: {timeout: -1d}}", "promotion.approval.timeout", ["not a time to wait", "more than 0s"]),
        ("{approval: {timeout: 1d, default: maybe}}", "promotion.approval.default", ["received 'maybe'"]),
        (f"{{shadow: {{{RULE}}}}}", "promotion.shadow.nights", ["missing key"]),
        (
            f"{{shadow: {{nights: 4, {RULE}}}}}",
            "promotion.shadow.nights",
            ["too few to be 95% sure", "received 4", "at least 5"],
        ),
        (
            f"{{shadow: {{nights: 7, within: 7, {RULE}}}}}",
            "promotion.shadow.within",
            ["the outcomes of the last night are not final yet", "more than 7"],
        ),
        ("{shadow: {nights: 7, metric: roc_auc}}", "promotion.shadow.margin", ["the largest loss that is acceptable"]),
        (
            f"{{shadow: {{nights: 7, {RULE}, rule: superior}}}}",
            "promotion.shadow.margin",
            ["not used: superior means better by any amount"],
        ),
        (f"{{shadow: {{nights: 7, {RULE}, resamples: 199}}}}", "promotion.shadow.resamples", ["at least 200"]),
        (f"{{shadow: {{nights: 7, {RULE}, metric: cost}}}}".replace("roc_auc, margin: 0.01, metric: ", ""),
         "promotion.shadow.metric", ["'cost'"]),
        (
            f"{{shadow: {{nights: 7, {RULE}, slices: {{columns: [load], regression: 0.1}}}}}}",
            "promotion.shadow.slices.columns.0",
            ["neither a column of the observations' key nor a category", "received 'load'"],
        ),
    ],
)  # fmt: skip
def test_an_invalid_policy_is_refused_with_its_key(edit: Edit, promotion: str, key: str, says: list[str]) -> None:
    with pytest.raises(DefinitionError) as caught:
        edit(*declare(promotion))
    [problem] = caught.value.problems
    assert f": {key}: " in str(problem)
    for words in says:
        assert words in str(problem)


@pytest.mark.parametrize("name", ["score", "probability_yes"])
def test_a_slice_in_shadow_is_not_named_as_a_column_of_the_scores(edit: Edit, name: str) -> None:
    edit("    kind: {", f"    {name}: {{")  # a feature may have the name
    slices = f"slices: {{columns: [{name}], regression: 0.1}}"
    with pytest.raises(DefinitionError) as caught:
        edit(*declare(f"{{shadow: {{nights: 7, {RULE}, confidence: 0.9, {slices}}}}}"))
    [problem] = caught.value.problems
    assert str(problem).endswith(
        f"promotion.shadow.slices.columns.0: is a column of every scored table; received '{name}'; "
        "fix: give the feature another name"
    )
