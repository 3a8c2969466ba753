from __future__ import annotations

import pytest
from pydantic_core import PydanticCustomError

from nightshift.definition.false_alarms import FalseAlarms
from nightshift.errors import DefinitionError
from unit.conftest import Edit


@pytest.mark.parametrize(
    ("text", "rate"), [("1 per 90 nights", 1 / 90), (" 2  per 365 nights ", 2 / 365), ("1 per 1000 nights", 0.001)]
)
def test_a_rate_is_written_in_words(text: str, rate: float) -> None:
    false_alarms = FalseAlarms.parse(text)
    assert false_alarms.rate == pytest.approx(rate)
    assert FalseAlarms.parse(str(false_alarms)) == false_alarms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "often",
        "1 per night",
        "1 in 90 nights",
        "-1 per 90 nights",
        "1.5 per 90 nights",
        0.01,
        None,
        "1 per 90 days",
    ],
)
def test_anything_else_is_refused(text: object) -> None:
    with pytest.raises(PydanticCustomError, match="not a rate of false alarms"):
        FalseAlarms.parse(text)


@pytest.mark.parametrize("text", ["1 per 0 nights", "0 per 90 nights", "1 per 1 nights", "1 per 5000 nights"])
def test_a_rate_outside_the_supported_range_is_refused(text: str) -> None:
    with pytest.raises(PydanticCustomError, match="outside the supported range"):
        FalseAlarms.parse(text)


def test_a_rate_in_another_form_is_refused_with_the_form(edit: Edit) -> None:
    with pytest.raises(DefinitionError) as caught:
        edit("retrain: {nights", "false_alarms: seldom\n  retrain: {nights")
    message = (
        "monitoring.false_alarms: not a rate of false alarms; received 'seldom'; allowed: two whole numbers: 1 per 90"
    )
    assert message in str(caught.value)


def test_the_default_is_one_in_ninety_nights(edit: Edit) -> None:
    assert edit("nights: 1, of_last: 1", "nights: 2, of_last: 2").monitoring.false_alarms == FalseAlarms(1, 90)
