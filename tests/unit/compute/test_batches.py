from __future__ import annotations

from threading import Barrier, Event
from time import sleep

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.compute.batches import batch_by_rows, run_batches


@given(st.lists(st.integers(0, 12)), st.integers(1, 20))
def test_batches_are_neighbours_that_fit_together_and_as_few_as_can_be(rows: list[int], most: int) -> None:
    batches = batch_by_rows(list(range(len(rows))), most, rows.__getitem__)
    assert [step for batch in batches for step in batch] == list(range(len(rows)))
    sizes = [sum(rows[step] for step in batch) for batch in batches]
    assert all(size <= most or len(batch) == 1 for size, batch in zip(sizes, batches, strict=True))
    # What begins a batch did not fit into the one before.
    assert all(size + rows[after[0]] > most for size, after in zip(sizes, batches[1:], strict=False))


def test_a_step_that_has_too_many_rows_is_alone() -> None:
    rows = [1, 1, 99, 0, 1, 5, 0, 0, 1]
    assert batch_by_rows(list(range(9)), 5, rows.__getitem__) == [[0, 1], [2], [3, 4], [5, 6, 7], [8]]


def test_no_step_is_no_batch() -> None:
    assert batch_by_rows([], 5, lambda step: 1) == []


def test_each_step_is_counted_once() -> None:
    counted: list[int] = []
    batch_by_rows([3, 1, 2], 2, lambda step: counted.append(step) or 1)
    assert counted == [3, 1, 2]


# ---- running them


def test_results_are_in_the_order_of_the_batches_whichever_ends_first(capsys: pytest.CaptureFixture[str]) -> None:
    second_has_ended = Event()

    def run(number: int) -> int:
        if number == 0:
            assert second_has_ended.wait(10)
        if number == 1:
            second_has_ended.set()
        return number * number

    assert run_batches("squares", range(4), run) == [0, 1, 4, 9]
    assert capsys.readouterr().out.splitlines() == [f"progress: squares: {n} of 4" for n in range(5)]


def test_the_next_batch_begins_before_the_one_before_it_has_ended() -> None:
    both = Barrier(2)
    assert sorted(run_batches("pairs", range(2), lambda _: both.wait(10))) == [0, 1]


def test_after_an_error_no_batch_is_begun() -> None:
    begun: list[int] = []

    def run(number: int) -> None:
        begun.append(number)
        if number == 0:
            raise ValueError("batch 0")
        sleep(0.05)

    with pytest.raises(ValueError, match="batch 0"):
        run_batches("failing", range(50), run)
    assert len(begun) < 50


def test_no_batch_is_no_result() -> None:
    assert run_batches("nothing", [], lambda step: step) == []
