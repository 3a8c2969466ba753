"""Observations that callers send are read as their source's types, and held to its checks."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from nightshift.definition.load import definition_folders, load_definition
from nightshift.serving.observation_rows import ObservationContract, example_observation
from nightshift.serving.observation_sql import ObservationSql
from nightshift.serving.request_body import ABSENT, SentRows
from nightshift.serving.row_engine import RowEngine
from nightshift.settings import PROJECT

NIGHT = date(2024, 1, 31)
COLUMNS = """
      load: {type: number, required: true, min: 0, max: 1}
      count: {type: integer, min: 1, severity: quarantine}
      age: {type: integer, max: 9, severity: warn}
      kind: {type: string, values: [a, b]}
      code: {type: string, pattern: "[A-Z]{2}"}
      broken: {type: boolean}
      bought: {type: date}
      seen: {type: timestamp}
    rules:
      heavy: {expression: load < 0.9 or count > 10, description: A busy machine makes many}
      recent: {expression: bought <= source_date}
      mild: {expression: load < 0.1, severity: warn}
"""
GOOD = {
    "machine": "m",
    "load": 0.5,
    "count": 3,
    "age": 5,
    "kind": "a",
    "code": "AB",
    "broken": True,
    "bought": "2024-01-01",
    "seen": "2024-01-30T22:00:00-02:00",
}


@pytest.fixture
def contract(models: Path) -> ObservationContract:
    file = models / "tiny" / "model.yaml"
    load = "\n      load: {type: number, required: true, min: 0, max: 1}\n"
    assert load in file.read_text()
    # All columns are needed: each is a feature or the key.
    rows = "".join(
        f'    of_{name}: {{expression: "{expression}", type: number, description: One}}\n'
        for name, expression in {
            "count": "count",
            "age": "age",
            "broken": "broken",
            "code": "length(code)",
            "days": "datediff(score_date, bought)",
            "hour": "hour(seen)",
        }.items()
    )
    text = file.read_text().replace(load, COLUMNS).replace("  rows:\n    busy", f"  rows:\n{rows}    busy")
    file.write_text(text.replace('"substring(machine, 1, 1)"', "kind"))
    return ObservationContract(load_definition(models / "tiny"), RowEngine())


def sent(*rows: dict[str, Any]) -> SentRows:
    return SentRows({name: [row.get(name, ABSENT) for row in rows] for name in rows[0]}, len(rows))


def test_values_are_read_as_their_types(contract: ObservationContract) -> None:
    checked = contract.check(
        sent(GOOD, GOOD | dict.fromkeys(["count", "kind", "code", "broken", "bought", "seen"])), NIGHT
    )
    assert not checked.errors
    first, second = checked.table.to_pylist()
    assert first == GOOD | {"bought": date(2024, 1, 1), "seen": datetime(2024, 1, 31, tzinfo=UTC)}
    assert second["seen"] is None and second["bought"] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"load": -0.1}, "column load: the value is too small; received -0.1; allowed: 0.0 or more"),
        ({"load": True}, "column load: no number; received True"),
        ({"load": 2**53 + 1}, "column load: no number"),
        ({"load": 10**400}, "column load: no number"),
        ({"count": -(10**400)}, "column count: no integer"),
        ({"seen": "0001-01-01T00:00:00+23:59"}, "column seen: no timestamp"),
        ({"load": None}, "column load: a value is required"),
        ({"count": 0}, "column count: the value is too small"),
        ({"count": 2.0}, "column count: no integer; received 2.0; allowed: an integer of 64 bits, or null"),
        ({"count": 2**63}, "column count: no integer"),
        ({"kind": "c"}, "column kind: no such value; received 'c'; allowed: a, b"),
        ({"kind": 1}, "column kind: no string"),
        ({"code": "ABC"}, "column code: the text has another form; received 'ABC'"),
        ({"code": "AB\n"}, "column code: the text has another form"),
        ({"broken": 1}, "column broken: no boolean; received 1; allowed: true or false"),
        ({"bought": "2024-1-1"}, "column bought: no date; received '2024-1-1'; allowed: a date such as 2024-01-31"),
        ({"bought": "2024-02-30"}, "column bought: no date"),
        ({"seen": "2024-01-30T22:00:00"}, "column seen: no timestamp; .* an instant with its offset"),
        ({"seen": 1706650000}, "column seen: no timestamp"),
        ({"load": 0.95}, "row: the row breaks the rule `heavy`; allowed: A busy machine makes many"),
        ({"bought": "2024-02-01"}, "row: the row breaks the rule `recent`; allowed: bought <= source_date"),
    ],
)
def test_a_row_that_breaks_the_contract_says_how(
    contract: ObservationContract, change: dict[str, Any], message: str
) -> None:
    checked = contract.check(sent(GOOD, GOOD | change, GOOD), NIGHT)
    assert checked.positions.tolist() == [0, 2] and checked.table.num_rows == 2
    assert {error.row for error in checked.errors} == {1}
    with pytest.raises(Exception, match=message):
        raise checked.errors[0].error


@pytest.mark.parametrize("change", [{"age": 99}, {"load": 0.5, "age": None}, {"load": 0.95, "count": 11}])
def test_a_check_that_only_warns_refuses_no_row(contract: ObservationContract, change: dict[str, Any]) -> None:
    assert not contract.check(sent(GOOD | change), NIGHT).errors


def test_a_column_that_no_feature_needs_may_be_left_out_and_rules_of_it_with_it(tiny: Any) -> None:
    contract = ObservationContract(tiny, RowEngine())
    assert contract.needed == ("machine", "load")
    assert not contract.check(sent({"machine": "m", "load": 0.99}), NIGHT).errors


def test_a_definition_without_row_features_has_rows_all_the_same(models: Path) -> None:
    file = models / "tiny" / "model.yaml"
    text = file.read_text()
    first, last = text.index("  rows:\n    busy"), text.index("  aggregates:")
    file.write_text(text[:first] + text[last:])
    sql = ObservationSql.of(load_definition(models / "tiny"), RowEngine())
    features, scored = sql.row_features(pa.table({"machine": ["a", "b"]}))
    assert features == {} and scored.to_pylist() == [True, True]


@pytest.mark.parametrize("folder", definition_folders(PROJECT / "include" / "models"), ids=lambda folder: folder.name)
def test_the_observations_of_every_example_are_served(folder: Path) -> None:
    definition = load_definition(folder)
    assert ObservationSql.of(definition, RowEngine()).features.keys() == definition.features.rows.keys()
    contract, row = ObservationContract(definition, RowEngine()), example_observation(definition)
    assert set(definition.observations.key) <= set(contract.needed)
    problems = [error.error.problem for error in contract.check(sent(row), NIGHT).errors]
    # What a pattern or a rule wants cannot be guessed.
    assert not [text for text in problems if not text.startswith(("the text has another form", "the row breaks"))]
