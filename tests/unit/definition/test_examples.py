"""The definitions of the examples."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightshift.definition.load import definition_folders, load_definition
from nightshift.settings import PROJECT

EXAMPLES = definition_folders(PROJECT / "include" / "models")


@pytest.mark.parametrize("folder", definition_folders(PROJECT / "bench" / "models"), ids=lambda folder: folder.name)
def test_a_definition_that_is_measured_is_valid(folder: Path) -> None:
    load_definition(folder)


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_no_training_is_requested_for_a_loss_that_the_gate_takes_for_none(folder: Path) -> None:
    definition = load_definition(folder)
    rule, retrain = definition.gate.against_champion, definition.monitoring.retrain
    for trigger in (retrain.performance, retrain.estimated_performance):
        metric = trigger and (trigger.metric or definition.prediction.metrics.headline)
        if trigger and trigger.worse is not None and rule and metric == rule.metric:
            assert trigger.worse >= rule.margin
