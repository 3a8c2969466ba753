from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from nightshift.definition.model import ModelDefinition
from nightshift.errors import TerminalError
from nightshift.training.search import search, time_folds
from unit.conftest import Edit
from unit.training.machines import FIRST, dated_machines

SEARCHED = "  period: 20d\n  search: {grid: {C: [1.0e-9, 1.0]}, folds: 3, metric: log_loss}\n"


def test_the_best_point_of_the_grid_comes_first_whatever_the_order(edit: Edit) -> None:
    messages: list[str] = []
    trials = search(edit("  period: 20d\n", SEARCHED), dated_machines(failing=0.5), messages.append)
    assert [trial.params for trial in trials] == [{"C": 1.0}, {"C": 1e-9}]
    assert trials[0].score < trials[1].score  # of a loss the smaller one
    assert [len(trial.scores) for trial in trials] == [3, 3]
    assert len(messages) == 2 and messages[0].startswith("search: 1 of 2: log_loss 0.69")


def test_every_combination_is_tried_and_of_equal_ones_the_first_named_wins(edit: Edit) -> None:
    grid = "  period: 20d\n  search: {grid: {C: [1.0, 2.0], max_iter: [100, 200]}, folds: 2}\n"
    trials = search(edit("  period: 20d\n", grid), dated_machines(failing=0.5), lambda line: None)
    assert {tuple(trial.params.values()) for trial in trials} == {(1.0, 100), (1.0, 200), (2.0, 100), (2.0, 200)}
    equal = [trial.params for trial in trials if trial.score == trials[0].score]
    assert trials[0].params == equal[0]
    assert trials[0].params["max_iter"] == 100


@pytest.mark.parametrize("folds", [1, 3, 7])
def test_a_fold_learns_from_all_days_before_its_own_and_from_none_after(folds: int) -> None:
    judged: set[date] = set()
    for training, judged_rows in time_folds(dated_machines(failing=0.5), folds):
        assert max(training["score_date"].to_pylist()) < min(judged_rows["score_date"].to_pylist())
        assert not judged & set(judged_rows["score_date"].to_pylist())
        judged |= set(judged_rows["score_date"].to_pylist())
    assert max(judged) == FIRST + timedelta(days=19)
    assert len(judged) == 20 - round(20 / (folds + 1))


def test_a_fold_without_both_classes_is_refused() -> None:
    with pytest.raises(TerminalError, match=r"training\.search\.folds: a fold .* no rows of different labels"):
        list(time_folds(dated_machines(failing=0.0), 3))


def test_the_search_of_a_number_minimises_its_error(of_number: Callable[..., ModelDefinition]) -> None:
    searched = "  period: 20d\n  search: {grid: {alpha: [1.0e+6, 0.1]}}\n"
    messages: list[str] = []
    trials = search(of_number(("  period: 20d\n", searched)), minutes(), messages.append)
    assert [trial.params for trial in trials] == [{"alpha": 0.1}, {"alpha": 1e6}]
    assert trials[0].score < trials[1].score and messages[0].startswith("search: 1 of 2: rmse ")


def minutes() -> pa.Table:
    rows = dated_machines(failing=0.5)
    place = rows.schema.get_field_index("label")
    return rows.set_column(place, "label", pa.array(20 * rows["busy"].to_numpy() ** 2))


def test_a_fold_whose_labels_are_all_the_same_is_refused(of_number: Callable[..., ModelDefinition]) -> None:
    rows = minutes()
    same = rows.set_column(rows.schema.get_field_index("label"), "label", pa.array(np.full(rows.num_rows, 3.0)))
    with pytest.raises(TerminalError, match=r"training\.search\.folds: a fold .* no rows of different labels"):
        list(time_folds(same, 3))
