"""Names say what values are: hardly any filler word among them, and no class name twice."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from nightshift.settings import PROJECT

FILLER_WORDS = frozenset(
    """
    one found told known held seen made aside beside there gone done kept what whole own came asked said tried which
    some other others thing things had has was were let
    """.split()  # noqa: SIM905
)
MOST = 0.005  # of all names
FOLDERS = ("include/nightshift", "plugins", "spark_jobs")


def bound_names(tree: ast.AST) -> Iterator[str]:
    """The names that a module gives: to variables, parameters, functions, classes and imports."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) | ast.ClassDef(name=name):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.alias(asname=str(name)):
                yield name


def modules() -> dict[Path, ast.Module]:
    files = [file for folder in FOLDERS for file in sorted((PROJECT / folder).rglob("*.py"))]
    return {file: ast.parse(file.read_text()) for file in files}


def test_names_are_counted_wherever_they_are_bound() -> None:
    code = """
import a as found
def told(one, *, made=1): held = [seen for seen in one]
class Kept:
    what: int = 1
for other in one: pass
"""
    names = list(bound_names(ast.parse(code)))
    assert sorted(names) == sorted(["found", "told", "one", "made", "held", "seen", "Kept", "what", "other"])


def test_hardly_any_name_is_a_filler_word() -> None:
    total, filler = 0, defaultdict(list)
    for file, tree in modules().items():
        for name in bound_names(tree):
            total += 1
            if name.strip("_").lower() in FILLER_WORDS:
                filler[name].append(str(file.relative_to(PROJECT)))
    assert total > 5_000
    assert sum(map(len, filler.values())) <= MOST * total, dict(filler)


def test_no_class_name_exists_twice() -> None:
    places = defaultdict(list)
    for file, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(file.relative_to(PROJECT)))
    assert {name: files for name, files in places.items() if len(files) > 1} == {}
