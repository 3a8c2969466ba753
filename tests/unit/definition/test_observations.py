"""What may be scored besides the rows of a night's file."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightshift.definition.load import load_definition
from nightshift.definition.model import ModelDefinition
from nightshift.errors import DefinitionError
from unit.shops import shops

LABEL = "{source: sales, by: [customer], window: 28d, agg: none}"
OBSERVED = "observations: {source: customers, key: [shop, customer]}"


def observing(folder: Path, *changes: tuple[str, str]) -> ModelDefinition:
    """The definition of the shops with other observations."""
    shops(folder, LABEL)
    file = folder / "models" / "shops" / "model.yaml"
    text = file.read_text()
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    file.write_text(text)
    return load_definition(file.parent)


LATELY = (OBSERVED, "observations: {source: sales, key: [shop, customer], within: 90d}")


def test_an_observation_that_was_seen_lately_has_its_key_alone(tmp_path: Path) -> None:
    definition = observing(tmp_path, LATELY)
    assert definition.observed_types == {"shop": "string", "customer": "integer"}
    assert not definition.has_daily_observations


def test_a_condition_keeps_the_observations_of_a_file(tmp_path: Path) -> None:
    declared = observing(tmp_path, (OBSERVED, f"{OBSERVED[:-1]}, where: shop <> 'test'}}"))
    assert "shop" in declared.observed_types
    assert not declared.has_daily_observations  # fewer than the file has rows
    assert shops(tmp_path, LABEL).has_daily_observations


@pytest.mark.parametrize(
    ("changes", "place", "message"),
    [
        ((LATELY, ("expression: shop,", "expression: amount,")), "features.rows", "no such column in >>>amount<<<"),
        (
            ((OBSERVED, f"{OBSERVED[:-1]}, where: region > 1}}"),),
            "observations.where",
            "no such column in >>>region<<<",
        ),
        (((OBSERVED, f"{OBSERVED[:-1]}, within: 12h}}"),), "observations.within", "not a whole number of days"),
        (
            (
                (OBSERVED, "observations: {source: customers, key: [shop, customer], within: 90d}"),
                ("available: {after: 0h}", "available: {after: 0h}\n    cadence: irregular"),
            ),
            "observations.within",
            "needs a daily source",
        ),
        (
            (
                LATELY,
                ("features:\n", "features:\n  lookups: {sale: {source: customers, key: [shop, customer]}}\n"),
                ("expression: shop,", "expression: sale.amount,"),
            ),
            "features.rows",
            "no such field",
        ),
    ],
)
def test_observations_that_do_not_exist_are_refused(
    tmp_path: Path, changes: tuple[tuple[str, str], ...], place: str, message: str
) -> None:
    with pytest.raises(DefinitionError) as caught:
        observing(tmp_path, *changes)
    assert any(place in line and message in line for line in str(caught.value).splitlines()), str(caught.value)
