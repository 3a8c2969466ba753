from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.lake.catalog import Lake
from nightshift.lake.files import local_path
from nightshift.lake.publish import publish
from nightshift.lake.read import published_partitions
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import Layer, TableSpec
from nightshift.quality.distributions import (
    MAX_VALUES,
    ColumnDistribution,
    column_distributions,
    published_distributions,
)
from unit.examples import examples

DAY = date(2024, 1, 1)
TYPES = {
    "size": "number",
    "stops": "integer",
    "code": "string",
    "kind": "category",
    "ok": "boolean",
    "seen": "timestamp",
}
SPEC = TableSpec(Layer.RAW, "x", {"source_date": "date"} | TYPES, "source_date", ())

TEXTS = st.none() | st.sampled_from(["a", "b", "", "A", "ä", "None", "a'b"])
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "source_date": st.integers(0, 3).map(lambda number: DAY + timedelta(days=number)),
            "size": st.none() | st.floats(-1e6, 1e6),
            "stops": st.none() | st.integers(-(10**9), 10**9),
            "code": TEXTS,
            "kind": TEXTS,
            "ok": st.none() | st.booleans(),
            "seen": st.none() | st.datetimes(pd.Timestamp(1990, 1, 1), pd.Timestamp(2090, 1, 1)),
        }
    ),
    max_size=60,
)


def table(rows: Sequence[dict[str, Any]], spec: TableSpec = SPEC) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=spec.schema)


def column(values: Sequence[Any], kind: str = "number") -> ColumnDistribution:
    """The distribution of a column on one date."""
    spec = TableSpec(Layer.RAW, "x", {"source_date": "date", "x": kind}, "source_date", ())
    rows = table([{"source_date": DAY, "x": value} for value in values], spec)
    return column_distributions(rows, spec, ["x"])[DAY]["x"]


@examples(max_examples=40)
@given(ROWS)
def test_distributions_are_those_that_pandas_computes(rows: list[dict[str, Any]]) -> None:
    distributions = column_distributions(table(rows), SPEC, list(TYPES))
    frame = pd.DataFrame(rows, columns=[*SPEC.columns]).astype({"size": float, "stops": "Int64", "ok": "boolean"})
    groups = dict(list(frame.groupby("source_date"))) if rows else {}
    assert distributions.keys() == groups.keys()
    for day, group in groups.items():
        for name, kind in TYPES.items():
            distribution, values = distributions[day][name], group[name].dropna()
            assert (distribution.rows, distribution.missing) == (len(group), len(group) - len(values))
            assert distribution.missing_share == group[name].isna().mean()
            if kind in {"number", "integer"}:
                mean, spread = values.astype(float).mean(), values.astype(float).std(ddof=1)
                assert distribution.mean == (pytest.approx(mean, abs=1e-6) if len(values) else None)
                assert distribution.spread == (pytest.approx(spread, abs=1e-6) if len(values) > 1 else None)
            else:
                assert (distribution.mean, distribution.spread) == (None, None)
            if kind in {"string", "category", "boolean"}:
                texts = values.astype(str).str.lower() if kind == "boolean" else values
                assert distribution.counts == texts.value_counts().to_dict()
                assert distribution.distinct == texts.nunique()
                assert distribution.shares == pytest.approx(texts.value_counts(normalize=True).to_dict())
            else:
                assert (distribution.counts, distribution.distinct, distribution.shares) == ({}, 0, {})


def test_nan_is_missing_and_an_infinite_number_does_not_change_the_mean() -> None:
    distribution = column([1.0, 3.0, float("nan"), float("inf"), None])
    assert distribution == ColumnDistribution(5, 2, 2.0, pytest.approx(2**0.5))


def test_the_same_number_every_time_has_no_spread() -> None:
    assert column([0.1] * 1000).spread == 0


def test_values_are_counted_up_to_a_thousand_distinct_ones() -> None:
    counted, uncounted = (
        column([f"v{number}" for number in range(many)], "string") for many in (MAX_VALUES, MAX_VALUES + 1)
    )
    assert (counted.distinct, len(counted.counts)) == (1000, 1000)
    assert (uncounted.distinct, uncounted.counts) == (1001, {})


def test_a_date_with_too_many_values_leaves_all_dates_without_counts() -> None:
    """A usual mix is compared over dates, so all of them need one."""
    spec = TableSpec(Layer.RAW, "x", {"source_date": "date", "x": "string"}, "source_date", ())
    rows = [{"source_date": DAY, "x": f"v{number}"} for number in range(1001)]
    rows += [{"source_date": DAY + timedelta(days=1), "x": "a"}]
    assert [columns["x"].counts for columns in column_distributions(table(rows, spec), spec, ["x"]).values()] == [
        {},
        {},
    ]


def test_counts_are_ordered_by_value() -> None:
    assert list(column(["b", "a", "c", "b"], "string").counts.items()) == [("a", 1), ("b", 2), ("c", 1)]


@pytest.mark.parametrize("name", ["select", 'a"b', "two words", "ä", "count(*)", "landed"])
def test_a_column_may_have_any_name(name: str) -> None:
    spec = TableSpec(Layer.RAW, "x", {"source date": "date", name: "string"}, "source date", ())
    rows = table([{"source date": DAY, name: "v"}], spec)
    assert column_distributions(rows, spec, [name]) == {
        DAY: {name: ColumnDistribution(1, 0, distinct=1, counts={"v": 1})}
    }


def test_no_rows_have_no_distribution() -> None:
    assert column_distributions(SPEC.schema.empty_table(), SPEC, ["size"]) == {}


# ---- of a published table


def put(lake: Lake, spec: TableSpec, day: date, *rows: dict[str, Any]) -> None:
    data = table([{"source_date": day, **row} for row in rows], spec)
    publish(lake, spec, stage_arrow(lake, spec, data, day, day, {}))


def test_published_distributions_are_those_of_the_requested_dates(lake: Lake) -> None:
    days = [DAY + timedelta(days=number) for number in range(3)]
    for number, day in enumerate(days):
        put(lake, SPEC, day, {"size": float(number), "code": "a"}, {"size": None, "code": "b"})
    unpublished = days[2] + timedelta(days=1)
    assert published_distributions(lake, SPEC, [days[2], days[0], unpublished], ["size", "code"]) == {
        day: {
            "size": ColumnDistribution(2, 1, mean),
            "code": ColumnDistribution(2, 0, distinct=2, counts={"a": 1, "b": 1}),
        }
        for day, mean in ((days[0], 0.0), (days[2], 2.0))
    }


def test_only_the_files_of_the_requested_dates_are_read(lake: Lake) -> None:
    for number in range(2):
        put(lake, SPEC, DAY + timedelta(days=number), {"size": 1.0})
    [later_file] = published_partitions(lake, SPEC)[DAY + timedelta(days=1)].files
    Path(local_path(later_file)).write_bytes(b"not a Parquet file")
    assert published_distributions(lake, SPEC, [DAY], ["size"]) == {DAY: {"size": ColumnDistribution(1, 0, 1.0)}}


def test_a_date_that_was_published_again_has_its_new_distribution(lake: Lake) -> None:
    put(lake, SPEC, DAY, {"size": 1.0})
    put(lake, SPEC, DAY, {"size": 5.0}, {"size": 7.0})
    assert published_distributions(lake, SPEC, [DAY], ["size"])[DAY]["size"].mean == 6


def test_in_files_from_before_a_column_was_declared_it_is_missing(lake: Lake) -> None:
    older = TableSpec(Layer.RAW, "x", {"source_date": "date", "size": "number"}, "source_date", ())
    put(lake, older, DAY, {"size": 1.0})
    put(lake, SPEC, DAY + timedelta(days=1), {"size": 2.0, "code": "a"})
    distributions = published_distributions(lake, SPEC, [DAY, DAY + timedelta(days=1)], ["code"])
    assert [columns["code"] for columns in distributions.values()] == [
        ColumnDistribution(1, 1),
        ColumnDistribution(1, 0, distinct=1, counts={"a": 1}),
    ]


def test_an_unpublished_table_has_no_distribution(lake: Lake) -> None:
    assert published_distributions(lake, SPEC, [DAY], ["size"]) == {}
