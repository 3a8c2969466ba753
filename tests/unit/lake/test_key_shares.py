"""Shares of rows by the hash of their key."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from nightshift.lake import key_shares
from nightshift.lake.key_shares import KeyShare, shares_of

KEYS = st.tuples(st.sampled_from([0.0, -0.0, 1.5, None]), st.sampled_from(["a", "b", None]))


@given(st.lists(KEYS, max_size=30), st.integers(1, 5))
def test_each_row_is_in_one_share_with_all_rows_of_its_key(
    rows: list[tuple[float | None, str | None]], shares: int
) -> None:
    numbers = pa.array([number for number, _ in rows], pa.float64())
    texts = pa.array([text for _, text in rows], pa.string())
    table = pa.table({"n": numbers, "s": texts, "place": pa.array(range(len(rows)), pa.int64())})
    parts = [KeyShare(("n", "s"), number, shares).of(table) for number in range(shares)]
    assert sorted(place for part in parts for place in part["place"].to_pylist()) == list(range(len(rows)))
    assert all(part["place"].to_pylist() == sorted(part["place"].to_pylist()) for part in parts)
    keys = [{(row["n"], row["s"]) for row in part.to_pylist()} for part in parts]  # -0.0 and 0.0 are one
    assert sum(map(len, keys)) == len(set().union(*keys))


def test_there_are_as_many_shares_as_rows_need() -> None:
    assert shares_of(key_shares.AT_ONCE, ["a"]) == [None]
    assert shares_of(0, ["a"]) == [None]
    assert shares_of(2 * key_shares.AT_ONCE + 1, ["a"]) == [KeyShare(("a",), number, 3) for number in range(3)]
