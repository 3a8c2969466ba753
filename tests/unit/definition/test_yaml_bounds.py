"""YAML that no definition needs is refused while it is read: it cannot keep a process busy, or end it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nightshift.definition import yaml_bounds
from nightshift.definition.declarations import declared_sources
from nightshift.definition.draft import find_draft
from nightshift.definition.load import find_definition, load_definition
from nightshift.definition.yaml_bounds import LARGEST_FILE, load_tree
from nightshift.definition.yaml_nodes import DEEPEST, compose, entries
from nightshift.definition.yaml_tree import parse, plain
from nightshift.errors import DefinitionError, TerminalError

LAUGHS = "a0: &a0 [ha, ha]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
CHAIN = "a0: &a0 [ha]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 5000))
MERGES = "a0: &a0 {k: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}], k{n}: *a{n - 1}}}\n" for n in range(1, 30)
)

REFUSED = [
    pytest.param(LAUGHS, 6, "more than 50,000 keys and values", id="a list of lists of lists"),
    pytest.param(CHAIN, 31, f"nested deeper than {DEEPEST} levels", id="a chain of lists"),
    pytest.param(MERGES, 10, "more than 50,000 keys and values", id="merged mappings"),
    pytest.param("a: &a [*a]\n", 1, "the alias *a contains itself", id="a list that holds itself"),
    pytest.param("a: 1\nb: &a {c: [{<<: *a}]}\n", 2, "the alias *a contains itself", id="a mapping merges itself"),
    pytest.param("a: &a []\nb: {? *a : 1}\n", 2, "a list or a mapping as key", id="an alias of a list as key"),
    pytest.param("a: &a 1\nb: &a 2\n", 2, "the anchor &a stands twice", id="an anchor twice"),
    pytest.param("a: 1\nb: *a\n", 2, "found undefined alias 'a'", id="an alias of nothing"),
    pytest.param("a: 1\nb: {<<: 1}\n", 2, "expected a mapping", id="a number merged"),
    pytest.param("a:\n  " + "[" * 100_000, 2, f"nested deeper than {DEEPEST} levels", id="brackets"),
    pytest.param("a: " + "{a: " * 100_000, 1, f"nested deeper than {DEEPEST} levels", id="braces"),
    pytest.param("a:\n" + "- " * 100_000, 2, f"nested deeper than {DEEPEST} levels", id="dashes"),
    pytest.param("? " * 100_000, 1, "a list or a mapping as key", id="keys of keys"),
    pytest.param("a: 1\n? {b: 1}\n: 2\n", 2, "a list or a mapping as key", id="a mapping as key"),
    pytest.param("a: 1\nb: {a: 1, a: 2}\n", 2, 'found duplicate key "a"', id="a key twice"),
    pytest.param(f"a: 1\nb: 2\na: {'long' * 50_000}\n", 3, 'found duplicate key "a"', id="a long value"),
    pytest.param("a: 1\nb: !!bool x\n", 2, "the tag tag:yaml.org,2002:bool is not allowed", id="a tag of YAML"),
    pytest.param("a: !!set x\n", 1, "the tag tag:yaml.org,2002:set is not allowed", id="a word as set"),
    pytest.param("a: !!python/name:os.system\n", 1, "the tag tag:yaml.org,2002:python/name:os.system", id="code"),
    pytest.param("a: 1\nb: 2024-02-30\n", 2, "day is out of range for month", id="a day the calendar lacks"),
    pytest.param(f"a: 1\nb: {'9' * 5000}\n", 2, "Exceeds the limit (4300 digits)", id="a number of 5000 digits"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "problem"), REFUSED)
def test_yaml_that_no_definition_needs_is_one_line_that_names_its_place(
    tmp_path: Path, text: str, line: int, problem: str
) -> None:
    file = tmp_path / "model.yaml"
    file.write_text(text)
    with pytest.raises(DefinitionError) as caught:
        parse(file)
    assert str(caught.value).startswith(f"{file}:{line}: not valid YAML: {problem}")
    assert "; fix: " in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 1000
    declared_sources(file)


def test_a_file_of_too_many_values_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_bounds, "MOST_VALUES", 1000)
    file = tmp_path / "model.yaml"
    file.write_text("a:\n" + "- 1\n" * 997)  # besides the key, the list and the mapping
    parse(file)
    file.write_text("a:\n" + "- 1\n" * 10_000)
    with pytest.raises(DefinitionError, match="more than 1,000 keys and values; fix: divide") as caught:
        parse(file)
    assert str(caught.value).startswith(f"{file}:999: ")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "model.yaml"
    with file.open("w") as stream:
        stream.write("sources: {orders: shared}\n#")
        stream.truncate(2**40)  # without taking space
    with pytest.raises(DefinitionError) as caught:
        parse(file)
    assert str(caught.value) == (
        f"{file}: the file is too large; allowed: at most {LARGEST_FILE:,} bytes; "
        "fix: divide what it declares among several files"
    )
    assert declared_sources(file) == {}


def test_a_file_at_the_bounds_is_read(tmp_path: Path) -> None:
    file, deep = tmp_path / "model.yaml", DEEPEST - 1
    text = f"deep: {'[' * deep}{']' * deep}\nmany: [{'1, ' * 1000}]\nname: &unused tiny\nsize: !decide 1\n"
    file.write_text(text + "#" * (LARGEST_FILE - len(text)))
    assert plain(parse(file)) | {"deep": 0, "many": 0} == {
        "deep": 0,
        "many": 0,
        "name": "tiny",
        "size": "1",
    }


# What the tiny definition repeats, in the order of its text, and with anchors, aliases and merged mappings.
ALIASES = [
    ("available: {after: 1h}", "available: &after {after: 1h}"),
    ("key: [machine]", "key: &machine [machine]"),
    ("repeats: allow", "repeats: &allow allow"),
    ("machine: {type: string, required: true}", "machine: &id {type: string, required: &yes true}"),
    ("load: {type: number, required: true,", "load: {<<: *id, type: number, required: *yes,"),
    ("available: {after: 24h}", "available: {<<: *after, after: 24h}"),
    ("key: [machine]", "key: *machine"),
    ("repeats: allow", "repeats: *allow"),
    ("machine: {type: string, required: true}", "machine: *id"),
    ("key: [machine]", "key: *machine"),
    ("by: [machine]", "by: *machine"),
]


def with_aliases(file: Path) -> None:
    """Writes a definition with aliases for what it repeats."""
    done, rest = "", file.read_text()
    for old, new in ALIASES:
        before, found, rest = rest.partition(old)
        assert found, old
        done += before + new
    file.write_text(done + rest)


def test_a_definition_with_aliases_is_the_definition_without(models: Path) -> None:
    file = models / "tiny" / "model.yaml"
    written_out, sources = load_definition(models / "tiny"), declared_sources(file)
    with_aliases(file)
    assert load_definition(models / "tiny") == written_out
    assert find_definition(models, "tiny", checked=models / "checked") == written_out
    assert find_definition(models, "tiny", checked=models / "checked") == written_out  # as it was stored as JSON
    assert declared_sources(file) == sources
    assert find_draft(models, "tiny", "failures").source == written_out.sources["failures"]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("&machine [machine]", "&machine [machina]", "38: observations.key"),
        ("&id {type: string", "&id {typ: string", "24: sources.failures.columns.machine.typ"),
        ("<<: *id, type: number", "<<: *id, typ: number", "25: sources.plan.columns.load.typ"),
        ("&id {type: string", "&id {type: string, title: x", "25: sources.plan.columns.load.title"),
        ("*after, after: 24h", "*after, after: 24", "29: sources.failures.available.after"),
    ],
)
def test_a_mistake_in_what_is_repeated_names_the_line_where_it_is_written(
    models: Path, old: str, new: str, problem: str
) -> None:
    file = models / "tiny" / "model.yaml"
    with_aliases(file)
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(DefinitionError) as caught:
        load_definition(models / "tiny")
    assert f"{file}:{problem}: " in str(caught.value)


def test_a_proposed_value_that_is_repeated_is_not_decided_in_any_place(models: Path) -> None:
    file = models / "tiny" / "model.yaml"
    with_aliases(file)
    file.write_text(file.read_text().replace("&machine [machine]", "&machine !decide [machine]  # the key?"))
    with pytest.raises(DefinitionError) as caught:
        load_definition(models / "tiny")
    assert [str(problem).split("; ")[0] for problem in caught.value.problems][:2] == [
        f"{file}:21: sources.plan.key: not decided yet: the key?",
        f"{file}:30: sources.failures.key: not decided yet",
    ]


def test_the_sources_of_a_neighbour_are_those_that_it_merges(tmp_path: Path) -> None:
    file = tmp_path / "model.yaml"
    common = "a: &a {orders: {path: x}, items: shared}\nb: &b {items: {path: x}, <<: *a, days: shared}\n"
    for sources in ("{<<: *b, days: {path: x}}", "{days: {path: x}, <<: [*b, *a]}", "{<<: [*b, *b], days: {}}"):
        file.write_text(f"{common}sources: {sources}\n")
        sources = plain(parse(file))["sources"]
        assert declared_sources(file) == {name: source == "shared" for name, source in sources.items()}
        assert declared_sources(file) == {"days": False, "items": False, "orders": False}
    file.write_text(f"{MERGES}sources: {{<<: *a29, orders: shared}}\n")  # merged 2^29 times
    assert declared_sources(file) == {"orders": True, "k": False, **{f"k{n}": False for n in range(1, 30)}}
    file.write_text("sources: &a {<<: [*a, *a], orders: shared}\n")
    assert declared_sources(file) == {"orders": True}


def test_the_sources_of_a_neighbour_are_read_within_the_bounds(tmp_path: Path) -> None:
    file = tmp_path / "model.yaml"
    bomb = LAUGHS + "? {a: *a29}\n: 1\n"  # the text of that key would be endless
    file.write_text(f"{bomb}sources: {{orders: shared, ? [x] : 1, items: {{path: x}}}}\n")
    assert declared_sources(file) == {"orders": True, "items": False}


WORDS = (
    "a 1 ~ !! !!int !!float !!binary !!timestamp !!set !!omap !!pairs !!bool << !decide &a *a { } [ ] , : ? - | "
    "> \" ' # 2001-12-14 0x 0b2 %YAML %TAG --- ... .inf 1e9 = \\x"
)
PARTS = st.sampled_from([*WORDS.split(), "\t", "\n", "\n  ", " ", ": "])


@given(st.lists(PARTS, max_size=12).map("".join), st.sampled_from(["", "k: ", "- "]))
def test_any_text_is_a_tree_or_one_line_that_names_the_file(text: str, before: str) -> None:
    try:
        plain(load_tree(before + text, "model.yaml"))
    except TerminalError as error:
        assert str(error).startswith("model.yaml:")
    with suppress(yaml.YAMLError):
        list(entries(compose(before + text)))
