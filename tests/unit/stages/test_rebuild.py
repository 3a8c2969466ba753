"""Nights of another definition: how they are grouped and named."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from nightshift.definition.calendar import date_range, neighbouring
from nightshift.definition.recipe import RecipeChange
from nightshift.stages.rebuild import OutdatedNights

DAYS = st.sets(st.dates(date(2024, 1, 1), date(2024, 3, 1)), max_size=40)


@given(DAYS)
def test_spans_hold_exactly_the_nights_and_do_not_touch(days: set[date]) -> None:
    spans = neighbouring(days)
    assert [night for span in spans for night in date_range(*span)] == sorted(days)
    assert all(later[0] - earlier[1] > timedelta(days=1) for earlier, later in pairwise(spans))


def test_the_sentence_names_every_span_and_every_feature() -> None:
    outdated = OutdatedNights(
        {
            date(2024, 1, 1): RecipeChange(("wind",)),
            date(2024, 1, 2): RecipeChange(("wind",), ("rain",)),
            date(2024, 1, 4): RecipeChange(unrecorded=True),
        }
    )
    assert str(outdated) == (
        "the features of 3 nights (2024-01-01 to 2024-01-02, 2024-01-04) were computed by "
        "another definition of wind, rain"
    )
    assert str(OutdatedNights({date(2024, 1, 4): RecipeChange(unrecorded=True)})) == (
        "the features of 1 night (2024-01-04) were computed by an unrecorded definition"
    )
    assert OutdatedNights({}).rebuilt.startswith("every published night is of the current definition")
