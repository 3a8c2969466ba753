"""Recipes: a change of what features mean is another recipe of exactly these features, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightshift.definition.load import load_definition
from nightshift.definition.model import ModelDefinition
from nightshift.definition.recipe import (
    RecipeChange,
    columns_no_longer_landed,
    feature_recipes,
    label_digest,
    recipe_change,
)

ROWS = {"busy", "kind", "age", "fresh"}
WINDOWS = {"machine_failures_3d", "failing_2d", "failing_5d"}
ALL = ROWS | WINDOWS | {"strange"}

DEFINITION = """
name: tiny
description: Whether a machine fails on a day.
owner: tests
schedule: {timezone: UTC, at: "06:00", start: 2024-01-01}
wait: {timeout: 2s, poll: 1s}
sources:
  plan:
    description: The machines that run on a day.
    path: plan-{date}.csv.gz
    available: {after: 1h}
    key: [machine]
    columns:
      machine: {type: string, required: true}
      load: {type: number, required: true, min: 0, max: 1}
      made_on: {type: date}
      note: {type: string}
    derived:
      load_percent: {expression: load * 100, type: number}
  failures:
    description: What became of them.
    path: outcomes/{date}.parquet
    available: {after: 24h}
    event_time: ended
    key: [machine]
    columns:
      machine: {type: string, required: true}
      failed: {type: boolean}
      ended: {type: timestamp}
  register:
    description: Every machine.
    path: register-{date}.csv
    cadence: irregular
    available: {after: 0h}
    key: [machine]
    columns:
      machine: {type: string, required: true}
      year: {type: integer}
      colour: {type: string}
observations: {source: plan, key: [machine]}
label: {source: failures, expression: failed}
features:
  lookups:
    entry: {source: register, key: [machine]}
  rows:
    busy: {expression: load_percent, type: number, description: Planned load}
    kind: {expression: "substring(machine, 1, 1)", type: category, description: Kind of machine}
    age: {expression: year(score_date) - entry.year, type: number, description: Age}
    fresh: {expression: "if(entry is null, 1, 0)", type: number, description: Not in the register}
  aggregates:
    machine_failures:
      {source: failures, by: [machine], agg: rate, where: failed, windows: [3d], description: How often it failed}
    failing:
      {source: failures, by: [], agg: count, where: failed, windows: [2d, 5d], default: 0, description: All failures}
  computed:
    strange: {type: number, description: Anything, sources: [plan]}
training:
  estimator: {class: sklearn.linear_model.LogisticRegression}
  period: 20d
  holdout: 5d
  cadence: "0 7 * * 1"
gate: {minimum: {roc_auc: 0.5}}
monitoring: {false_alarms: 1 per 90 nights, retrain: {nights: 2, of_last: 3, cooldown: 7d}}
"""
TRANSFORM = "def transform(frame, cutoff):\n    return frame.assign(strange=1.0)\n"


def definition(folder: Path, text: str = DEFINITION, transform: str = TRANSFORM) -> ModelDefinition:
    (folder / "tiny").mkdir(parents=True, exist_ok=True)
    (folder / "tiny" / "model.yaml").write_text(text)
    (folder / "tiny" / "features.py").write_text(transform)
    return load_definition(folder / "tiny")


def edited(folder: Path, old: str, new: str) -> ModelDefinition:
    assert DEFINITION.count(old) == 1, old
    return definition(folder, DEFINITION.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("expression: load_percent,", "expression: load_percent * 2,", {"busy"}),
        ("expression: load * 100,", "expression: load * 1000,", {"busy"}),
        ("load: {type: number, required: true, min: 0, max: 1}", "load: {type: integer}", {"busy"}),
        ("entry.year, type: number", "entry.year, type: category", {"age"}),
        ("year: {type: integer}", "year: {type: number}", {"age", "fresh"}),
        ("colour: {type: string}", "colour: {type: integer}", {"fresh"}),
        ("path: register-{date}.csv\n    cadence: irregular", "path: register-{date}.csv", {"age", "fresh"}),
        ("available: {after: 0h}", "available: {after: 2h}", {"age", "fresh"}),
        ("where: failed, windows: [3d]", "where: not failed, windows: [3d]", {"machine_failures_3d"}),
        ("agg: rate", "agg: count", {"machine_failures_3d"}),
        ("default: 0", "default: 1", {"failing_2d", "failing_5d"}),
        ("event_time: ended", "event_time: ended + interval 1 hour", WINDOWS),
        ("available: {after: 24h}", "available: {after: 25h}", WINDOWS),
        ("made_on: {type: date}", "made_on: {type: string}", set()),
        ("colour: {type: string}", "colour: {type: string, from: Colour}", {"fresh"}),
        ("path: register-{date}.csv\n", "path: register-{date}.csv\n    csv: {null: [none]}\n", {"age", "fresh"}),
        ("path: plan-{date}.csv.gz\n", 'path: plan-{date}.csv.gz\n    csv: {decimal: ","}\n', {"busy"}),
        ("timezone: UTC", "timezone: Europe/Berlin", {"age", "fresh"} | WINDOWS),
        ('at: "06:00"', 'at: "07:00"', {"age", "fresh"} | WINDOWS),
    ],
)
def test_exactly_the_features_concerned_have_another_recipe(
    tmp_path: Path, old: str, new: str, changed: set[str]
) -> None:
    then, now = definition(tmp_path / "then").feature_digests, edited(tmp_path / "now", old, new).feature_digests
    assert set(then) == set(now) == ALL
    # What `features.py` computes may read every column and every declared feature.
    assert {name for name in ALL if then[name] != now[name]} == changed | {"strange"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("description: Planned load", "description: The load that is planned"),
        ("min: 0, max: 1", "min: 0, max: 2"),
        ("period: 20d", "period: 30d"),
        ("gate: {minimum: {roc_auc: 0.5}}", "gate: {minimum: {roc_auc: 0.6}}"),
        ("path: plan-{date}.csv.gz", "path: plans/{date}.csv.gz"),
        ("label: {source: failures, expression: failed}", "label: {source: failures, expression: not failed}"),
        ("owner: tests", "owner: others"),
    ],
)
def test_what_does_not_change_a_features_value_is_no_part_of_its_recipe(tmp_path: Path, old: str, new: str) -> None:
    then, now = definition(tmp_path / "then"), edited(tmp_path / "now", old, new)
    assert then.feature_digests == now.feature_digests
    assert (label_digest(then) == label_digest(now)) == ("not failed" not in new)


def test_other_observations_have_other_features(tmp_path: Path) -> None:
    then = definition(tmp_path / "then")
    two = DEFINITION.replace("key: [machine]}\nlabel", "key: [machine, note]}\nlabel")
    two = two.replace(
        "    columns:\n      machine: {type: string, required: true}\n      failed",
        "    columns:\n      machine: {type: string, required: true}\n      note: {type: string}\n      failed",
    )
    now = definition(tmp_path / "now", two)
    assert set(recipe_change(then.feature_digests, now.feature_digests).features) == ALL


CHOSEN = "observations: {source: plan, key: [machine], where: load_percent > 10 and entry.year > 2000}\n"
LATELY = "observations: {source: plan, key: [machine], within: 7d}\n"
VERSION = "observations: {source: register, key: [machine]}\n"


@pytest.mark.parametrize(
    ("observations", "old", "new"),
    [
        (CHOSEN, "expression: load * 100,", "expression: load * 1000,"),
        (CHOSEN, "load: {type: number,", "load: {type: integer,"),
        (CHOSEN, "year: {type: integer}", "year: {type: number}"),
        (CHOSEN, "available: {after: 0h}", "available: {after: 2h}"),
        (LATELY, "available: {after: 1h}", "available: {after: 30h}"),
        (LATELY, 'at: "06:00"', 'at: "23:00"'),
        (VERSION, "available: {after: 0h}", "available: {after: 2h}"),
        (VERSION, "timezone: UTC", "timezone: Europe/Berlin"),
        ("", "columns:\n      machine: {", "columns:\n      machine: {from: serial, "),
    ],
)
def test_what_decides_which_rows_are_observed_is_part_of_every_recipe(
    tmp_path: Path, observations: str, old: str, new: str
) -> None:
    declared = "observations: {source: plan, key: [machine]}\n"
    text = DEFINITION.replace(declared, observations or declared)
    rows = text[text.index("  rows:\n    busy") : text.index("  aggregates:\n")]
    text = text.replace(rows, "  rows:\n    now: {expression: day(score_date), type: number, description: Day}\n")
    then, now = definition(tmp_path / "then", text), definition(tmp_path / "now", text.replace(old, new, 1))
    assert text.count(old) >= 1
    assert set(recipe_change(then.feature_digests, now.feature_digests).features) == set(then.feature_digests)
    assert label_digest(then) != label_digest(now)


def test_another_features_py_changes_what_it_computes_alone(tmp_path: Path) -> None:
    then = definition(tmp_path / "then")
    now = definition(tmp_path / "now", transform=TRANSFORM.replace("1.0", "2.0"))
    assert recipe_change(then.feature_digests, now.feature_digests).features == ("strange",)


def test_order_and_layout_of_a_declaration_do_not_matter(tmp_path: Path) -> None:
    swapped = DEFINITION.replace(
        "      machine: {type: string, required: true}\n      failed: {type: boolean}\n", ""
    ).replace(
        "      ended: {type: timestamp}\n",
        "      ended: {type: timestamp}\n      failed: {type: boolean}\n      machine: {type: string}\n",
    )
    assert definition(tmp_path / "a").feature_digests == definition(tmp_path / "b", swapped).feature_digests


@pytest.mark.parametrize(
    ("recorded", "change", "text"),
    [
        ({"a": "1", "b": "2"}, RecipeChange(), "the same definition"),
        ({"a": "1", "b": "2", "c": "3"}, RecipeChange(), "the same definition"),
        ({"a": "9", "b": "2"}, RecipeChange(("a",)), "another definition of a"),
        ({"b": "9"}, RecipeChange(("b",), ("a",)), "another definition of b, a"),
        (None, RecipeChange(unrecorded=True), "an unrecorded definition"),
    ],
)
def test_only_what_is_wanted_counts(recorded: dict[str, str] | None, change: RecipeChange, text: str) -> None:
    seen = recipe_change({"a": "1", "b": "2"}, recorded)
    assert (seen, str(seen), bool(seen)) == (change, text, text != "the same definition")


def test_a_few_of_many_features_are_named() -> None:
    assert str(RecipeChange(("a", "b"), ("c",))) == "another definition of a, b, c"
    assert str(RecipeChange(("a", "b", "c"), ("d", "e"))) == "another definition of a, b, c and 2 more"


@pytest.mark.parametrize(
    ("old", "new", "absent"),
    [
        ("      year: {type: integer}\n", "", ["register.year"]),
        ("year: {type: integer}", "year: {type: number}", ["register.year"]),
        ("made_on: {type: date}", "made_on: {type: string}", []),
        ("      note: {type: string}\n", "", []),
    ],
)
def test_columns_that_no_longer_land_as_they_did_are_named(
    tmp_path: Path, old: str, new: str, absent: list[str]
) -> None:
    recipes = feature_recipes(definition(tmp_path / "then"))
    current = DEFINITION.replace(old, new).replace("entry.year", "1").replace("if(entry is null, 1, 0)", "1")
    now = definition(tmp_path / "now", current)
    assert columns_no_longer_landed(recipes, ["age", "busy"], now) == absent
