"""What comes again on later dates is told from what is new on each."""

from __future__ import annotations

import pyarrow as pa

from nightshift.profiling.recurrence import RECURRING_SHARE, RecurrenceSearch


def shares(*files: dict[str, list[int]]) -> dict[str, float]:
    search = RecurrenceSearch(list(files[0]))
    for file in files:
        search.add_file(pa.table(file))
    return dict(search.shares)


def test_a_customer_comes_again_and_an_order_does_not() -> None:
    days = [
        {"order": [10 * day, 10 * day + 1, 10 * day + 2], "customer": [day % 3, day % 3, 7]} for day in range(1, 20)
    ]
    measured = shares(*days)
    assert measured["order"] == 0 < RECURRING_SHARE < 0.8 < measured["customer"]


def test_the_distinct_values_of_a_file_count_and_not_its_rows() -> None:
    assert shares({"shop": [1, 1, 2]}, {"shop": [1, 1, 1, 3]}) == {"shop": 0.5}


def test_nothing_is_said_of_a_single_file() -> None:
    assert shares({"shop": [1, 1, 2]}) == {}
    assert shares({"shop": [1]}, {"shop": []}) == {}
