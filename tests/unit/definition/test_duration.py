from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from nightshift.definition.duration import format_duration, parse_duration

seconds = st.integers(-(10**9), 10**9).map(lambda n: timedelta(seconds=n))


@given(seconds)
def test_a_written_duration_reads_back_as_itself(value: timedelta) -> None:
    assert parse_duration(format_duration(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("45s", timedelta(seconds=45)),
        ("90m", timedelta(minutes=90)),
        ("30h", timedelta(hours=30)),
        ("7d", timedelta(days=7)),
        ("-6h", timedelta(hours=-6)),
        (" 2h ", timedelta(hours=2)),
        ("0h", timedelta(0)),
    ],
)
def test_a_duration_reads_as_its_unit_says(text: str, value: timedelta) -> None:
    assert parse_duration(text) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (timedelta(days=2), "2d"),
        (timedelta(hours=30), "30h"),
        (timedelta(seconds=90), "90s"),
        (timedelta(hours=-6), "-6h"),
        (timedelta(0), "0s"),
    ],
)
def test_a_duration_is_written_in_its_largest_exact_unit(value: timedelta, text: str) -> None:
    assert format_duration(value) == text


@pytest.mark.parametrize("text", ["", "7", "h", "1.5h", "7 days", "1h30m", "--1h", "1w", None, True, 3600])
def test_text_without_a_number_and_a_unit_is_refused(text: object) -> None:
    with pytest.raises(PydanticCustomError, match="not a duration"):
        parse_duration(text)
