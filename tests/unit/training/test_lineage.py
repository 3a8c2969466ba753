from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nightshift.settings import PROJECT
from nightshift.training.lineage import Lineage, environment
from nightshift.training.results import Baseline


def values(**more: Any) -> dict[str, Any]:
    """What a run of a condition kept before numbers were predicted."""
    days = {"as_of": "2024-01-31", "first": "2024-01-06", "holdout": "2024-01-26", "last": "2024-01-30"}
    model = {
        "reason": "test",
        "definition": "d",
        "snapshots": {"raw.x": 1},
        "data": "r",
        "rows": 800,
        "positives": 200,
    }
    around = {"seed": 0, "revision": "c", "changed": "no", "lock": "l", "libraries": {"numpy": "2"}, "python": "3.11"}
    return days | model | around | {"machine": "x86_64"} | more


def test_a_run_of_before_can_still_be_read_and_judged() -> None:
    assert Lineage(**values()).baseline == Baseline(0.25, 0.0)


def test_the_constants_of_a_number_are_those_of_its_labels() -> None:
    assert Lineage(**values(positives=None, mean=12.5, median=7.0)).baseline == Baseline(12.5, 7.0)


def test_other_threads_are_named_where_both_are_known() -> None:
    then = Lineage(**values(threads="blas 8, openmp 8"))
    assert list(then.differences(replace(then, threads="blas 2, openmp 2"))) == [
        "threads: blas 8, openmp 8 then, blas 2, openmp 2 now"
    ]
    assert list(Lineage(**values()).differences(then)) == []


@pytest.mark.parametrize(("name", "title"), [("label", "the label's definition"), ("labels", "the labels")])
def test_other_labels_are_named_where_those_of_then_are_known(name: str, title: str) -> None:
    then = Lineage(**values(**{name: "x"}))
    assert list(then.differences(replace(then, **{name: "y"}))) == [f"{title}: x then, y now"]
    assert list(Lineage(**values()).differences(then)) == []


def test_what_computes_is_told() -> None:
    computing = environment(PROJECT)
    assert "blas " in computing["threads"]
    assert set(computing) < set(Lineage.__dataclass_fields__)


@pytest.mark.parametrize(("without", "tag"), [((), None), (("a", "b"), "a, b")])
def test_features_that_were_left_out_are_a_tag(without: tuple[str, ...], tag: str | None) -> None:
    assert Lineage(**values(without=without)).tags().get("without") == tag


@pytest.mark.parametrize(("rows_from", "tag"), [("", "2024-01-06"), ("2024-01-17", "2024-01-17")])
def test_trained_from_is_the_first_date_that_has_rows(rows_from: str, tag: str) -> None:
    assert Lineage(**values(rows_from=rows_from)).tags()["trained_from"] == tag
