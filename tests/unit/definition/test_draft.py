from __future__ import annotations

from pathlib import Path

import pytest

from nightshift.definition.draft import Draft, find_draft
from nightshift.errors import DefinitionError, TerminalError


def draft(models: Path, text: str, source: str = "orders", path: str | None = None) -> Draft:
    (models / "shop").mkdir(parents=True, exist_ok=True)
    (models / "shop" / "model.yaml").write_text(text)
    return find_draft(models, "shop", source, path)


def test_a_source_of_a_complete_definition_is_as_declared(models: Path) -> None:
    loaded = find_draft(models, "tiny", "plan")
    assert loaded.given["columns"]["load"] == {"type": "number", "required": True, "min": 0, "max": 1}
    assert loaded.source.columns["load"].max == 1
    assert (loaded.source.path, loaded.zone) == ("plan-{date}.csv.gz", "UTC")


def test_a_definition_need_not_be_complete(tmp_path: Path) -> None:
    loaded = draft(tmp_path, "schedule: {timezone: Asia/Tokyo}\nsources: {orders: {path: 'orders/{date}.csv'}}\n")
    assert dict(loaded.given) == {"path": "orders/{date}.csv"}
    assert (loaded.source.cadence, loaded.zone) == ("daily", "Asia/Tokyo")


def test_columns_need_no_type(tmp_path: Path) -> None:
    loaded = draft(tmp_path, "sources: {orders: {path: '{date}.csv', columns: {a: {max: 3}, b: }}}\n")
    assert (loaded.source.columns["a"].max, loaded.source.columns["b"].type) == (3, "string")
    assert loaded.given["columns"] == {"a": {"max": 3}, "b": None}


def test_the_sources_time_zone_takes_precedence_and_an_unknown_zone_is_ignored(tmp_path: Path) -> None:
    text = "schedule: {timezone: Asia/Tokyo}\nsources: {orders: {path: '{date}.csv', timezone: Europe/Rome}}\n"
    assert draft(tmp_path, text).zone == "Europe/Rome"
    assert draft(tmp_path, "schedule: {timezone: 7}\nsources: {orders: {path: '{date}.csv'}}\n").zone == "UTC"


@pytest.mark.parametrize("text", ["name: shop\n", "sources: []\n", "sources: {orders: }\n", "sources: {other: {}}\n"])
def test_with_a_path_nothing_needs_to_be_declared(tmp_path: Path, text: str) -> None:
    loaded = draft(tmp_path, text, path="orders/{date}.parquet")
    assert dict(loaded.given) == {"path": "orders/{date}.parquet"}
    assert find_draft(tmp_path, "new", "orders", "orders/{date}.csv").zone == "UTC"


def test_a_given_path_replaces_the_declared_path(tmp_path: Path) -> None:
    loaded = draft(tmp_path, "sources: {orders: {path: '{date}.csv', restates: 2d}}\n", path="new/{date}.csv")
    assert loaded.source.path == "new/{date}.csv" and loaded.given["restates"] == "2d"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sources: {other: {path: x}}\n", r"unknown source; received 'orders'; allowed: other; fix: or give the path"),
        (
            "sources: {orders: {key: [a]}}\n",
            r"sources.orders: no path; fix: write `path:`, or give the path of its files",
        ),
        ("sources: {orders: {path: orders.csv}}\n", r"sources.orders.path: has no date; received 'orders.csv'"),
        ("sources: {orders: {path: '../{date}.csv'}}\n", r"not a plain path below the landing folder"),
        (
            "sources: {orders: {path: '{date}.csv', complete: {manifest: '../../{date}.json'}}}\n",
            r"sources.orders.complete.manifest: not the path of a file of a date; received '../../\{date\}.json'",
        ),
        ("sources: {orders: {path: '{date}.txt'}}\n", r"unknown file format; received '\{date\}.txt'; allowed: .csv"),
    ],
)
def test_a_missing_declaration_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TerminalError, match=message):
        draft(tmp_path, text)


def test_names_are_checked(tmp_path: Path) -> None:
    with pytest.raises(TerminalError, match="source: not a name; received 'My Orders'"):
        find_draft(tmp_path, "shop", "My Orders", "{date}.csv")
    with pytest.raises(TerminalError, match=r"unknown model; received 'shop'.* fix: or give the path of its files"):
        find_draft(tmp_path, "shop", "orders")
    with pytest.raises(TerminalError, match="--path: has no date"):
        find_draft(tmp_path, "shop", "orders", "orders.csv")


def test_problems_of_the_source_name_their_lines(tmp_path: Path) -> None:
    text = "sources:\n  orders:\n    path: '{date}.csv'\n    columns:\n      a: {type: text, required: maybe}\n"
    with pytest.raises(DefinitionError) as caught:
        draft(tmp_path, text)
    first, second = sorted(str(caught.value).splitlines())
    assert "model.yaml:5: sources.orders.columns.a.required: wrong type; received 'maybe'" in first
    assert "model.yaml:5: sources.orders.columns.a.type: " in second and "received 'text'" in second
    with pytest.raises(DefinitionError, match="not valid YAML"):
        draft(tmp_path, "a: [")


def test_how_files_are_written_is_checked(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    text = "sources:\n  orders:\n    path: a-{date}.csv\n    csv: {separator: ';', escape: ';'}\n"
    (folder / "model.yaml").write_text(text)
    with pytest.raises(DefinitionError) as caught:
        find_draft(tmp_path, "shop", "orders")
    assert str(caught.value).startswith(
        f"{folder}/model.yaml:4: sources.orders.csv.escape: is the character of `separator`"
    )
