from __future__ import annotations

import pytest
from pydantic_core import PydanticCustomError

from nightshift.definition.false_alarms import FalseAlarms
from nightshift.errors import DefinitionError
from unit.conftest import Edit


@pytest.mark.parametrize(
    ("text", "rate"), [("1 per 90 nights", 1 / 90), (" 2  per 365 nights ", 2 / 365), ("1 per 1000 nights", 0.001)]
)
def test_a_rate_is_written_as_people_say_it(text: str, rate: float) -> None:
    found = FalseAlarms.parse(text)
    assert found.rate == pytest.approx(rate)
    assert FalseAlarms.parse(str(found)) == found


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
def test_a_rate_that_cannot_be_held_is_refused(text: str) -> None:
    with pytest.raises(PydanticCustomError, match="outside the supported range"):
        FalseAlarms.parse(text)


def test_a_definition_states_the_rate_and_is_told_how(edit: Edit) -> None:
    with pytest.raises(DefinitionError) as caught:
        edit("retrain: {nights", "false_alarms: seldom\n  retrain: {nights")
    told = (
        "monitoring.false_alarms: not a rate of false alarms; received 'seldom'; allowed: two whole numbers: 1 per 90"
    )
    assert told in str(caught.value)


def test_one_in_ninety_nights_if_nothing_is_said(edit: Edit) -> None:
    assert edit("nights: 1, of_last: 1", "nights: 2, of_last: 2").monitoring.false_alarms == FalseAlarms(1, 90)
