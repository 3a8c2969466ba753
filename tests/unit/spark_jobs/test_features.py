from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.settings import PROJECT

Bites = Callable[[list[int], int, Callable[[int], int]], list[list[int]]]


@pytest.fixture(scope="module")
def bites() -> Bites:
    """The function of the job, without a session: importing it starts none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PROJECT / "spark_jobs"))
        before = set(sys.modules)
        spec = importlib.util.spec_from_file_location("features_job", PROJECT / "spark_jobs" / "features.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, "features_job", module)  # where its dataclasses look for themselves
        spec.loader.exec_module(module)
        if "job" not in before:
            sys.modules.pop("job", None)
    return module._bites


@given(st.lists(st.integers(0, 12)), st.integers(1, 20))
def test_bites_are_neighbours_that_fit_together_and_as_few_as_can_be(bites: Bites, held: list[int], most: int) -> None:
    found = bites(list(range(len(held))), most, held.__getitem__)
    assert [step for bite in found for step in bite] == list(range(len(held)))
    sizes = [sum(held[step] for step in bite) for bite in found]
    assert all(size <= most or len(bite) == 1 for size, bite in zip(sizes, found, strict=True))
    # What begins a bite did not fit into the one before.
    assert all(size + held[after[0]] > most for size, after in zip(sizes, found[1:], strict=False))


def test_a_step_that_holds_too_much_is_alone(bites: Bites) -> None:
    held = [1, 1, 99, 0, 1, 5, 0, 0, 1]
    assert bites(list(range(9)), 5, held.__getitem__) == [[0, 1], [2], [3, 4], [5, 6, 7], [8]]


def test_nothing_is_no_bite(bites: Bites) -> None:
    assert bites([], 5, lambda step: 1) == []


def test_each_step_is_counted_once(bites: Bites) -> None:
    counted: list[int] = []
    bites([3, 1, 2], 2, lambda step: counted.append(step) or 1)
    assert counted == [3, 1, 2]
