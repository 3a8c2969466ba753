"""SQL over rows in memory, from many threads at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import duckdb
import pyarrow as pa
import pytest

from nightshift.serving.row_engine import RowEngine


def test_threads_do_not_see_each_others_rows() -> None:
    engine = RowEngine()

    def sums(number: int) -> list[list[int]]:
        rows = pa.table({"x": range(number, number + 100)})
        return [engine.select(rows, ["x * 2 as twice"])["twice"].to_pylist() for _ in range(20)]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(sums, range(0, 1600, 100)))
    for place, result in enumerate(results):
        expected = [2 * x for x in range(100 * place, 100 * place + 100)]
        assert result == [expected] * 20


def test_an_expression_that_fails_leaves_the_engine_working() -> None:
    engine = RowEngine()
    with pytest.raises(duckdb.Error):
        engine.select(pa.table({"x": ["a"]}), ["cast(x as bigint)"])
    assert engine.select(pa.table({"y": [1]}), ["y"])["y"].to_pylist() == [1]


def test_instants_are_in_utc() -> None:
    rows = pa.table({"at": pa.array([0], pa.timestamp("us", "UTC"))})
    assert RowEngine().select(rows, ['hour("at") as "hours"', 'cast("at" as varchar) as "written"']).to_pylist() == [
        {"hours": 0, "written": "1970-01-01 00:00:00+00"}
    ]
