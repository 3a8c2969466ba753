from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nightshift.stages.features import batch_by_rows


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
