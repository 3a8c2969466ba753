from __future__ import annotations

from collections.abc import Callable

import pytest

from nightshift.definition.gate import Gate
from nightshift.definition.model import ModelDefinition
from nightshift.errors import DefinitionError
from unit.conftest import Edit

DECLARED = "gate:\n  minimum: {roc_auc: 0.5}"
AGAINST = "against_champion: {metric: roc_auc, margin: 0.01}"


def declare(*lines: str) -> str:
    return "gate:\n" + "\n".join(f"  {line}" for line in lines)


def test_a_gate_has_defaults(edit: Edit) -> None:
    gate = edit(DECLARED, declare(AGAINST, "slices: {columns: [kind], regression: 0.03}")).gate
    assert gate.against_champion and gate.slices
    assert (gate.against_champion.rule, gate.confidence, gate.resamples) == ("non_inferior", 0.95, 1000)
    assert gate.slices.minimum == 200
    assert (gate.baseline, gate.leak, gate.rows, gate.speed, gate.size) == (True, 0.999, 100, None, None)


@pytest.mark.parametrize(
    "lines",
    [
        ["minimum: {calibration_error: 0.05}"],
        ["against_champion: {metric: log_loss, rule: superior, confidence: 0.9, resamples: 200}"],
        [AGAINST, "slices: {columns: [machine, kind], minimum: 50, regression: 0.1}"],
        ["minimum: {roc_auc: 0.6}", "baseline: false", "leak: null", "rows: 1", "speed: 1000", "size: 0.5"],
        ["minimum: {roc_auc: 1}", "leak: null"],
    ],
)
def test_gates_that_can_be_declared(edit: Edit, lines: list[str]) -> None:
    assert edit(DECLARED, declare(*lines)).gate


@pytest.mark.parametrize(
    ("lines", "key", "says"),
    [
        (["baseline: true"], "gate", ["no rule: a gate without rules would pass anything", "fix: add a rule"]),
        ([AGAINST, "baseline: false"], "gate", ["no rule applies to a first model", "fix: add `minimum:`"]),
        (
            ["against_champion: {metric: roc_auc}"],
            "gate.against_champion.margin",
            ["missing key: the largest loss that is acceptable", "allowed: a number above 0", "fix: add `margin:`"],
        ),
        (
            ["against_champion: {metric: roc_auc, rule: superior, margin: 0.01}"],
            "gate.against_champion.margin",
            ["not used: superior means better by any amount", "received 0.01", "remove it, or write"],
        ),
        (["against_champion: {metric: roc_auc, margin: 0}"], "gate.against_champion.margin", ["received 0"]),
        (
            ["against_champion: {metric: roc_auc, margin: 0.01, rule: equal}"],
            "gate.against_champion.rule",
            ["received 'equal'", "'non_inferior' or 'superior'"],
        ),
        (
            ["against_champion: {metric: roc_auc, margin: 0.01, confidence: 1}"],
            "gate.against_champion.confidence",
            ["received 1"],
        ),
        (
            ["against_champion: {metric: roc_auc, margin: 0.01, resamples: 150}"],
            "gate.against_champion.resamples",
            ["too few to be 95% sure", "received 150", "allowed: at least 200"],
        ),
        (
            ["against_champion: {metric: roc_auc, margin: 0.01, confidence: 0.99}"],
            "training.holdout",
            ["too short to be 99% sure", "received '5d'", "allowed: at least 7d", "fix: keep more days"],
        ),
        (["minimum: {roc_auc: 1.1}"], "gate.minimum.roc_auc", ["can never be met", "received 1.1", "is at most 1"]),
        (["minimum: {brier: -1}"], "gate.minimum.brier", ["can never be met", "brier is at least 0", "fix: raise it"]),
        (
            ["minimum: {roc_auc: 0.999}"],
            "gate.minimum.roc_auc",
            ["can never be met", "less than gate.leak, 0.999: from there on a leak is suspected"],
        ),
        (
            ["minimum: {roc_auc: 0.6}", "slices: {columns: [kind], regression: 0.1}"],
            "gate.slices",
            ["the comparison of the slices is not declared", "fix: add `against_champion:`"],
        ),
        (
            [AGAINST, "slices: {columns: [kind, busy], regression: 0.1}"],
            "gate.slices.columns.1",
            ["neither a column of the observations' key nor a category", "received 'busy'", "allowed: machine, kind"],
        ),
        (
            [AGAINST, "slices: {columns: [kind, kind], regression: 0.1}"],
            "gate.slices.columns.1",
            ["named twice", "received 'kind'"],
        ),
        ([AGAINST, "slices: {columns: [], regression: 0.1}"], "gate.slices.columns", []),
        ([AGAINST, "slices: {columns: [kind]}"], "gate.slices.regression", ["missing key", "add `regression:`"]),
        (["minimum: {roc_auc: 0.6}", "leak: 0.4"], "gate.leak", ["received 0.4"]),
        (["minimum: {roc_auc: 0.6}", "rows: 0"], "gate.rows", ["received 0"]),
        (["minimum: {roc_auc: 0.6}", "speed: 0"], "gate.speed", ["received 0"]),
        (["minimum: {roc_auc: 0.6}", "size: -1"], "gate.size", ["received -1"]),
    ],
)
def test_a_gate_that_cannot_work_is_refused_in_one_line(
    edit: Edit, lines: list[str], key: str, says: list[str]
) -> None:
    with pytest.raises(DefinitionError) as caught:
        edit(DECLARED, declare(*lines))
    [line] = str(caught.value).splitlines()
    assert line.split(": ")[1] == key
    for words in says:
        assert words in line


def test_the_default_metric_of_a_search_fits_the_label(edit: Edit, of_number: Callable[..., ModelDefinition]) -> None:
    searched = ("  period: 20d\n", "  period: 20d\n  search: {grid: {alpha: [1, 2]}}\n")
    assert edit(*searched).search_metric == "roc_auc"
    assert of_number().search_metric == "rmse"


@pytest.mark.parametrize(
    ("gate", "key", "says"),
    [
        (
            "minimum: {roc_auc: 0.6}",
            "gate.minimum.roc_auc",
            "no metric of a label that is a number; received 'roc_auc'",
        ),
        (
            "against_champion: {metric: brier, margin: 1}",
            "gate.against_champion.metric",
            "allowed: mae, rmse, r2, bias",
        ),
        ("minimum: {mae: -1}", "gate.minimum.mae", "can never be met; received -1"),
        ("minimum: {r2: 1.5}", "gate.minimum.r2", "r2 is at most 1"),
        ("minimum: {r2: 0.999}", "gate.minimum.r2", "less than gate.leak, 0.999"),
        ("minimum: {bias: -0.1}", "gate.minimum.bias", "bias is at least 0"),
    ],
)
def test_the_gate_of_a_number_that_cannot_work_is_refused_in_one_line(
    of_number: Callable[..., ModelDefinition], edit: Edit, gate: str, key: str, says: str
) -> None:
    of_number()
    with pytest.raises(DefinitionError) as caught:
        edit("minimum: {mae: 99}", gate)
    [line] = str(caught.value).splitlines()
    assert line.split(": ")[1] == key and says in line


def test_the_metrics_of_a_condition_are_not_those_of_a_number(edit: Edit) -> None:
    with pytest.raises(
        DefinitionError, match=r"gate\.minimum\.rmse: no metric of a label that is a condition.*`label\.t"
    ):
        edit(DECLARED, declare("minimum: {rmse: 3}"))
    with pytest.raises(DefinitionError, match=r"training\.search\.metric: no metric of a label that is a condition"):
        edit("  period: 20d\n", "  period: 20d\n  search: {grid: {C: [1]}, metric: mae}\n")


def test_a_short_holdout_is_refused_unless_nothing_is_compared(edit: Edit) -> None:
    with pytest.raises(DefinitionError, match=r"training\.holdout: too short.*at least 5d.*`baseline: false`"):
        edit("holdout: 5d", "holdout: 4d")
    assert not edit(DECLARED, declare("minimum: {roc_auc: 0.5}", "baseline: false")).gate.baseline


@pytest.mark.parametrize(("confidence", "days"), [(0.5, 2), (0.75, 2), (0.9, 4), (0.95, 5), (0.99, 7), (0.999, 10)])
def test_the_fewest_days_are_those_that_would_all_favour_one_of_two_like_models_rarely_enough(
    confidence: float, days: int
) -> None:
    gate = Gate.model_validate({"against_champion": {"metric": "brier", "margin": 0.1, "confidence": confidence}})
    assert gate.min_days == days
    assert 0.5**days <= 1 - confidence + 1e-9


def test_the_example_compares_with_the_champion_and_by_airport(flight_delay: ModelDefinition) -> None:
    gate = flight_delay.gate
    assert gate.against_champion is not None and gate.slices is not None
    assert (gate.against_champion.metric, gate.against_champion.margin) == ("roc_auc", 0.02)
    assert gate.slices.columns == ("origin",)
