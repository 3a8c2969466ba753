from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nightshift.definition.load import load_definition
from nightshift.definition.model import ModelDefinition
from nightshift.features import partials
from nightshift.features import tiles as tiles_module
from nightshift.features.tiles import recipe
from nightshift.lake.tables import tiles_table

DECLARED = """
    event_time: timestampadd(HOUR, 7, cast(source_date as timestamp_ntz))
    timezone: America/New_York
    derived:
      kind: {expression: "substring(machine, 1, 1)", type: string}"""
AGGREGATES = """
    machine_failures:
      source: failures
      by: [machine]
      agg: rate
      where: failed
      windows: [3d]
      default: 0.5
      description: How often it failed lately
    kind_last:
      source: failures
      by: [kind]
      agg: last
      value: cast(failed as int)
      where: machine is not null
      windows: [7d]
      description: What became of the last of its kind
    planned:
      source: plan
      by: []
      agg: count
      windows: [1d]
      description: Machines that run"""

Recipe = Callable[..., str]


@pytest.fixture
def recipe_of(models: Path) -> Recipe:
    """The recipe of the failures' tiles, after replacing texts that occur once in the definition."""
    file = models / "tiny" / "model.yaml"
    text = file.read_text()
    start, end = text.index("\n    machine_failures:"), text.index("\n\ntraining:")
    text = text[:start] + AGGREGATES + text[end:]
    text = text.replace("    available: {after: 24h}", f"    available: {{after: 24h}}{DECLARED}")
    # The observations have the same derived column, by which the aggregate is looked up.
    text = text.replace(
        "    available: {after: 1h}", "    available: {after: 1h}\n" + DECLARED[DECLARED.index("    derived") :]
    )

    def recipe_after(*changes: tuple[str, str]) -> str:
        now = text
        for old, new in changes:
            assert now.count(old) == 1, f"{old!r} occurs {now.count(old)} times"
            now = now.replace(old, new)
        file.write_text(now)
        return recipe(load_definition(models / "tiny"), "failures")

    return recipe_after


MATTERS = {
    "the aggregation": ("agg: rate\n", "agg: count\n"),
    "the value": ("value: cast(failed as int)", "value: cast(failed as int) + 1"),
    "a condition": ("where: machine is not null", "where: failed is not null"),
    "no condition": ("      where: machine is not null\n", ""),
    "the key": ("by: [machine]", "by: []"),
    "a longer key": ("by: [machine]", "by: [machine, kind]"),
    "the type": (
        "value: cast(failed as int)\n",
        "value: cast(failed as int)\n      type: category\n",
    ),
    "the name of an aggregate that holds its partials": ("    machine_failures:", "    failures_of_machine:"),
    "one aggregate more, over the same values by another key": (
        "    planned:\n",
        "    all_failures: {source: failures, by: [], agg: rate, where: failed, windows: [1d], description: d}\n"
        "    planned:\n",
    ),
    "one aggregate more": (
        "    planned:\n",
        "    rows: {source: failures, by: [], agg: count, windows: [1d], description: d}\n    planned:\n",
    ),
    "the event time": ("timestampadd(HOUR, 7,", "timestampadd(HOUR, 8,"),
    "no event time at all": (
        "    event_time: timestampadd(HOUR, 7, cast(source_date as timestamp_ntz))\n    timezone",
        "    event_time: source_date\n    timezone",
    ),
    "the time zone": ("timezone: America/New_York", "timezone: Asia/Tokyo"),
    "no time zone": ("    timezone: America/New_York\n", ""),
    "the availability": ("available: {after: 24h}", "available: {after: 25h}"),
}
# What is told to people, or chosen when a feature is made of tiles, or belongs to another source.
MATTERS_NOT = {
    "what it means": ("description: How often it failed lately", "description: Lately"),
    "the source's description": ("description: What became of them.", "description: Outcomes"),
    "the default": ("default: 0.5", "default: 0.25"),
    "no default": ("      default: 0.5\n", ""),
    "the windows": ("windows: [3d]", "windows: [1d, 90d]"),
    "the availability in other words": ("available: {after: 24h}", "available: {after: 1d}"),
    "when nights run": ('at: "06:00"', 'at: "07:00"'),
    "the schedule's time zone beside the source's own": ("timezone: UTC", "timezone: Europe/Paris"),
    "the aggregates of another source": ("agg: count", "agg: count\n      where: load > 0.5"),
    "when another source is there": ("available: {after: 1h}", "available: {after: 2h}"),
    "bounds that are checked": ("failed: {type: boolean}", "failed: {type: boolean, required: true}"),
    "how long a file may land again": ("available: {after: 24h}", "available: {after: 24h}\n    restates: 3d"),
    "a row feature": ("busy: {expression: load,", "busy: {expression: load * 2,"),
    "the estimator": ("{C: 1.0}", "{C: 2.0}"),
}


@pytest.mark.parametrize("change", MATTERS.values(), ids=MATTERS)
def test_the_recipe_changes_with_everything_that_a_tile_stores(recipe_of: Recipe, change: tuple[str, str]) -> None:
    assert recipe_of() != recipe_of(change)


@pytest.mark.parametrize("change", MATTERS_NOT.values(), ids=MATTERS_NOT)
def test_the_recipe_does_not_change_with_anything_else(recipe_of: Recipe, change: tuple[str, str]) -> None:
    assert recipe_of() == recipe_of(change)


@pytest.mark.parametrize("part", ["expression", "type"])
def test_the_recipe_changes_with_a_derived_column(recipe_of: Recipe, models: Path, part: str) -> None:
    before = recipe_of()
    definition = load_definition(models / "tiny")
    source = definition.sources["failures"]
    changed_part = {"expression": "substring(machine, 2, 1)", "type": "integer"}[part]
    derived = {"kind": source.derived["kind"].model_copy(update={part: changed_part})}
    sources = {**definition.sources, "failures": source.model_copy(update={"derived": derived})}
    assert recipe(definition.model_copy(update={"sources": sources}), "failures") != before


def test_the_recipe_does_not_change_with_the_order_of_what_is_declared(recipe_of: Recipe, models: Path) -> None:
    """To move an aggregate or a column up the page is not to make years of tiles again."""
    recipe_of()
    definition = load_definition(models / "tiny")
    source, features = definition.sources["failures"], definition.features
    derived = {"other": source.derived["kind"].model_copy(update={"type": "integer"}), **source.derived}

    def ordered(turned: bool, again: bool) -> str:
        columns = dict(reversed(derived.items())) if turned else derived
        aggregates = dict(reversed(features.aggregates.items())) if again else features.aggregates
        sources = {**definition.sources, "failures": source.model_copy(update={"derived": columns})}
        reordered = {"sources": sources, "features": features.model_copy(update={"aggregates": aggregates})}
        return recipe(definition.model_copy(update=reordered), "failures")

    assert ordered(False, True) == ordered(False, False)
    assert ordered(True, False) == ordered(False, False)


def test_a_declared_time_zone_equals_the_schedules_in_the_recipe(recipe_of: Recipe) -> None:
    untold = recipe_of(("    timezone: America/New_York\n", ""))
    assert untold == recipe_of(("    timezone: America/New_York\n", "    timezone: UTC\n"))


def test_without_a_time_zone_of_its_own_a_sources_tiles_follow_the_schedules(recipe_of: Recipe) -> None:
    untold = ("    timezone: America/New_York\n", "")
    assert recipe_of(untold) != recipe_of(untold, ("timezone: UTC", "timezone: Europe/Paris"))


@pytest.mark.parametrize(("name", "value"), [("LIMBS", (0, -26, -52)), ("SKETCH_BITS", 11)])
def test_the_recipe_changes_with_the_storage_of_partials(
    recipe_of: Recipe, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    """Tiles of an older version of the code are not taken for tiles of this one."""
    before = recipe_of()
    for module in (partials, tiles_module):
        monkeypatch.setattr(module, name, value, raising=False)
    assert recipe_of() != before


def test_each_source_has_a_recipe_of_its_own(recipe_of: Recipe, models: Path) -> None:
    assert recipe_of() != recipe(load_definition(models / "tiny"), "plan")


def test_the_recipe_changes_with_the_holder_of_shared_columns_only(
    with_aggregates: Callable[[str], ModelDefinition],
) -> None:
    def of(*names: str) -> str:
        by = ["by: [machine]", "by: []"]
        lines = [f"{name}: {key}, agg: rate, where: failed" for name, key in zip(names, by, strict=True)]
        return recipe(with_aggregates("\n".join(lines)), "failures")

    assert of("one", "two") == of("one", "three")
    assert of("one", "two") != of("four", "two")


def test_windows_and_defaults_do_not_change_the_tiles_table(with_aggregates: Callable[[str], ModelDefinition]) -> None:
    single = with_aggregates("share: by: [machine], agg: rate, where: failed")
    more = with_aggregates("""
        share: by: [machine], agg: rate, where: failed
        weekly: by: [machine], agg: rate, where: failed, default: 0.5
    """)
    assert tiles_table(single, "failures") == tiles_table(more, "failures")
    assert recipe(single, "failures") == recipe(more, "failures")
