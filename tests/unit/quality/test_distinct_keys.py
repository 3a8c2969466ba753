"""Whether a key occurs once, by the hashes of all keys."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.lake.parquet import write_files
from nightshift.lake.tables import Layer, TableSpec
from nightshift.quality import distinct_keys
from nightshift.quality.distinct_keys import are_distinct

SPEC = TableSpec(
    Layer.RAW,
    "orders",
    {"source_date": "date", "order": "string", "line": "integer", "price": "number"},
    "source_date",
    (),
)
DAYS = st.sampled_from([date(2024, 1, 1), date(2024, 1, 2)])
ROWS = st.lists(
    st.tuples(
        DAYS, st.none() | st.text("ab", max_size=2), st.none() | st.integers(0, 2), st.sampled_from([0.0, -0.0, 1.0])
    ),
    max_size=8,
)


def proven(folder: Path, rows: list[Any], columns: tuple[str, ...]) -> bool:
    values = dict(zip(SPEC.columns, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(SPEC.columns, ())
    table = pa.table({field.name: pa.array(values[field.name], field.type) for field in SPEC.schema})
    return are_distinct(list(write_files(SPEC, table, str(folder))), len(rows), SPEC, columns)


@given(ROWS, st.lists(st.sampled_from(list(SPEC.columns)), min_size=1, max_size=4, unique=True), st.integers(1, 4))
def test_it_is_proven_exactly_if_no_two_rows_are_equal(rows: list[Any], columns: list[str], at_once: int) -> None:
    """-0.0 and 0.0 are equal, and so are two missing values."""
    places = [list(SPEC.columns).index(name) for name in columns]
    keys = [tuple(row[place] for place in places) for row in rows]
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(distinct_keys, "AT_ONCE", at_once)
        assert proven(Path(folder), rows, tuple(columns)) == (len(set(keys)) == len(keys))
