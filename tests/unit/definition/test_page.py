"""The documentation of `model.yaml`: the committed page is current, and complete."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel
from ruamel.yaml import YAML
from typer.testing import CliRunner

from nightshift.cli import app
from nightshift.definition.base import StrictModel
from nightshift.definition.json_schema import definition_schema
from nightshift.definition.model import ModelDefinition
from nightshift.definition.page import CSV_FORMATS, SECTIONS, WIDTH, definition_page, key_rows
from nightshift.definition.source import ColumnType

DOCS = Path(__file__).parents[3] / "docs"
PAGE = definition_page()
YAML_EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def parts(hint: Any) -> Iterator[type[StrictModel]]:
    """Every part that a type contains."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        yield hint
        for field in hint.model_fields.values():
            yield from parts(field.annotation)
    for argument in get_args(hint):
        yield from parts(argument)


PARTS = sorted(set(parts(ModelDefinition)), key=lambda part: part.__name__)


def anchors(markdown: str) -> set[str]:
    """The anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", markdown, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_committed_page_is_what_the_command_prints() -> None:
    printed = CliRunner().invoke(app, ["schema", "--markdown"])
    assert printed.exit_code == 0
    assert (DOCS / "definition.md").read_text() == printed.stdout, "docs/definition.md is not current: run `make docs`"


@pytest.mark.parametrize("part", PARTS)
def test_every_part_and_every_key_is_described(part: type[StrictModel]) -> None:
    assert part.__doc__ and part.__doc__ != StrictModel.__doc__
    for name, field in part.model_fields.items():
        if not field.exclude:
            assert field.description and field.description.endswith((".", "…")), name
            assert re.search(rf"^\| `([a-z_.]+\.)?{field.alias or name}[`.]", PAGE, re.MULTILINE), name


def test_every_section_is_on_the_page_once() -> None:
    for title in SECTIONS.values():
        assert len(re.findall(rf"^#+ {re.escape(title)}$", PAGE, re.MULTILINE)) == 1, title


def test_every_column_type_has_a_format() -> None:
    assert tuple(CSV_FORMATS) == get_args(ColumnType)


def test_a_table_has_the_keys_of_inner_parts_with_bounds_and_defaults() -> None:
    [training] = [part for part, title in SECTIONS.items() if title == "training"]
    rows = {row.key: row for row in key_rows(training)}
    assert rows["estimator.class"][1:3] == ("dotted name", "none")
    assert rows["search"][1:3] == ("mapping", "none")
    assert rows["search.grid"][1:3] == ("parameter: list of values", "required in it")
    assert rows["search.folds"][1:3] == ("integer, 1 to 20", "`3`")
    assert rows["period"][1:3] == ("days", "required")
    assert rows["min_rows"][1:3] == ("integer, 1 or more", "`100`")


def test_every_link_leads_to_a_heading() -> None:
    links = re.findall(r"\]\(([^)#]*)(?:#([^)]+))?\)", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL))
    assert len(links) > 40
    for file, anchor in links:
        target = DOCS / file if file else None
        assert target is None or target.exists(), file
        if anchor:
            assert anchor in anchors(target.read_text() if target else PAGE), f"{file}#{anchor}"


def test_lines_of_prose_are_wrapped() -> None:
    prose = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL).splitlines()
    assert [line for line in prose if len(line) > WIDTH and not line.startswith("|")] == []


@pytest.mark.parametrize("example", YAML_EXAMPLES)
def test_every_example_is_accepted_by_the_schema(example: str) -> None:
    tree = json.loads(json.dumps(YAML(typ="safe").load(example), default=str)) or {}
    schema = {key: value for key, value in definition_schema().items() if key != "required"}
    assert len(YAML_EXAMPLES) > 10
    if tree.keys() <= schema["properties"].keys():
        assert [error.message for error in Draft202012Validator(schema).iter_errors(tree)] == []
