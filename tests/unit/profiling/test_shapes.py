from __future__ import annotations

import re
import uuid
from functools import reduce
from operator import or_

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.profiling.shapes import MAX_SHAPES, NO_SHAPES, pattern_of, shapes_of

UUIDS = [str(uuid.UUID(int=n * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128)) for n in range(1, 1000)]


def pattern(*values: str) -> str | None:
    return pattern_of(shapes_of(pa.chunked_array([list(values)], pa.string())))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["EWR", "JFK"], "[A-Z]{3}"),
        (["UA", "9E", "B6"], "[A-Z0-9]{2}"),
        (["N14228", "N725M", "D942DN"], "[A-Z][A-Z0-9]{3,6}"),
        (["0515", "0600"], "[0-9]{4}"),
        (["1", "22", "4444444"], "[0-9]+"),
        (["SKU-00017", "SKU-99999"], "[A-Z]{3}-[0-9]{5}"),
        (["AB-1/7", "CD-123/4"], "[A-Z]{2}-[0-9]{1,4}/[0-9]"),
        (["a.b", "c.d"], r"[a-z]\.[a-z]"),
        (["(x)", "(y)"], r"\([a-z]\)"),
        (UUIDS, "[a-z0-9]{8}-[a-z0-9]{4}-[a-z0-9]{4}-[a-z0-9]{4}-[a-z0-9]{12}"),
    ],
)
def test_codes_have_a_pattern(values: list[str], expected: str) -> None:
    assert pattern(*values) == expected
    assert all(re.fullmatch(expected, value) for value in values)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(["red", "green"], id="words"),
        pytest.param(["BOEING", "EMBRAER"], id="words of capitals"),
        pytest.param(["Ann", "Elizabeth"], id="names"),
        pytest.param(["call me", "ring it"], id="blanks"),
        pytest.param(["é1", "é2"], id="other letters"),
        pytest.param(["A320", "A320-214"], id="with and without a separator"),
        pytest.param(["x" * 41], id="long"),
        pytest.param(["x1", "x2222222"], id="of very different length"),
        pytest.param(["--", "-"], id="nothing but separators"),
        pytest.param([], id="nothing"),
    ],
)
def test_texts_have_no_pattern(values: list[str]) -> None:
    assert pattern(*values) is None


texts = st.lists(
    st.one_of(
        st.from_regex(r"[A-Z]{1,3}-?[0-9]{1,4}", fullmatch=True),
        st.from_regex(r"[a-z0-9]{4}\.[A-Z]", fullmatch=True),
        st.text(max_size=6),
    ),
    max_size=8,
)


@given(files=st.lists(texts, max_size=4))
def test_a_pattern_holds_for_every_value_of_every_file(files: list[list[str]]) -> None:
    shapes = reduce(or_, (shapes_of(pa.chunked_array([values], pa.string())) for values in files), NO_SHAPES)
    values = [value for file in files for value in file]
    assert shapes == shapes_of(pa.chunked_array([values], pa.string()))
    regex = pattern_of(shapes)
    assert regex is None or all(re.fullmatch(regex, value) for value in values)


def test_free_text_takes_no_memory() -> None:
    shapes = shapes_of(pa.chunked_array([[f"{'!' * (n % 700)}a{'?' * (n // 700)}" for n in range(1400)]]))
    assert (shapes.fine, shapes.coarse) == (None, None)
    assert MAX_SHAPES < 700
