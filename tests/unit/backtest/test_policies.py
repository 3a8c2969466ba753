from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from nightshift.backtest.policies import read_policies
from nightshift.definition.model import ModelDefinition
from nightshift.definition.value import Value
from nightshift.errors import DefinitionError, TerminalError

FIRST, LAST = date(2024, 1, 1), date(2024, 3, 31)


def test_calendars_train_on_their_dates_and_the_declared_policy_by_its_cadence(tiny: ModelDefinition) -> None:
    never, monthly, weekly, nightly, declared = read_policies("never, monthly,weekly,nightly,declared", tiny)
    assert [policy.is_gated for policy in (never, monthly, weekly, nightly, declared)] == [False] * 4 + [True]
    assert never.due_dates(FIRST, LAST) == []
    assert monthly.due_dates(FIRST, LAST) == [date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1)]
    mondays = [day for day in nightly.due_dates(FIRST, LAST) if day.weekday() == 0]
    assert weekly.due_dates(FIRST, LAST) == mondays == declared.due_dates(FIRST, LAST)
    assert len(nightly.due_dates(FIRST, LAST)) == 91


def test_a_file_replaces_the_parts_that_it_has(tiny: ModelDefinition, tmp_path: Path) -> None:
    file = tmp_path / "looser.yaml"
    file.write_text(
        "gate: {minimum: {roc_auc: 0.6}}\npromotion: {approval: {timeout: 1d}}\n"
        "monitoring: {retrain: {drift: null, age: 30d, cooldown: 3d}}\n"
    )
    [policy] = read_policies(str(file), tiny)
    changed = policy.definition
    assert (policy.name, policy.is_gated, policy.cron) == ("looser", True, tiny.training.cadence)
    assert changed.gate.minimum == {"roc_auc": 0.6} and changed.promotion.approval is not None
    assert changed.monitoring.retrain.drift is None and changed.monitoring.false_alarms == tiny.monitoring.false_alarms
    assert changed.training == tiny.training and changed.label == tiny.label


def test_a_file_may_decide_otherwise_and_says_nothing_of_what_decisions_are_worth(
    tiny: ModelDefinition, tmp_path: Path
) -> None:
    file = tmp_path / "tuned.yaml"
    file.write_text("monitoring: {value: {decision: {threshold: best}}}\n")
    value = Value.model_validate({"decision": "score > 0.5", "expression": "1", "naive": "true"})
    valued = tiny.model_copy(update={"monitoring": tiny.monitoring.model_copy(update={"value": value})})
    [policy] = read_policies(str(file), valued)
    changed = policy.definition.monitoring
    assert changed.value is not None and changed.value.decision.threshold == "best"
    assert (changed.value.expression, changed.value.naive) == (
        "1",
        "true",
    ) and changed.retrain == tiny.monitoring.retrain
    with pytest.raises(DefinitionError, match=r"monitoring\.value: the model declares no value"):
        read_policies(str(file), tiny)
    file.write_text("monitoring: {value: {expression: '2'}}\n")
    with pytest.raises(DefinitionError, match=r"monitoring\.value\.expression: unknown key"):
        read_policies(str(file), valued)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ("monthly,monthly", "a policy is named twice"),
        ("yearly", "unknown policy"),
        ("", "unknown policy"),
        ("absent.yaml", "unknown policy"),
    ],
)
def test_a_wrong_name_is_one_line(tiny: ModelDefinition, names: str, says: str) -> None:
    with pytest.raises(TerminalError, match=says) as refused:
        read_policies(names, tiny)
    assert "--policies" in str(refused.value) and "fix: " in str(refused.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("gate: {minimum: {roc_auc: 2}}\n", r"policy.yaml:1: gate.minimum.roc_auc: can never be met"),
        ("gatee: {}\n", "policy.yaml:1: gatee: unknown key"),
        ("monitoring: {retrain: {cooldown: 1d, nights: 4}}\n", "policy.yaml:1: monitoring.retrain.nights: can never"),
        ("promotion: {shadow: {nights: 2, metric: roc_auc, margin: 0.1}}\n", "policy.yaml:1: promotion.shadow.nights"),
        ("- 1\n", "policy.yaml:1: not a mapping"),
    ],
)
def test_a_fault_of_a_file_names_its_line(tiny: ModelDefinition, tmp_path: Path, content: str, says: str) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(content)
    with pytest.raises(DefinitionError, match=says):
        read_policies(str(file), tiny)
