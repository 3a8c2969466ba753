"""The words of the code: names say what a value is, and a class name is used once."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from nightshift.settings import PROJECT

# Words that say what happened to a value, or point at it, instead of what it is.
WORDS = (
    "one told found known held seen made aside beside there gone done kept what whole own came asked said tried which "
    "some other others thing things had has was were let"
)
FILLER = frozenset(WORDS.split())
AT_MOST = 0.005
ROOTS = ("include/nightshift", "plugins", "spark_jobs")


def bound_names(tree: ast.AST) -> Iterator[tuple[str, int, bool]]:
    """Every name that a module binds, with its line and whether it is a class's."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield name, node.lineno, False
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name, node.lineno, False
            case ast.ClassDef(name=name):
                yield name, node.lineno, True
            case ast.alias(asname=str(name)):
                yield name, node.lineno, False


def modules() -> Iterator[tuple[Path, ast.AST]]:
    for root in ROOTS:
        for path in sorted((PROJECT / root).rglob("*.py")):
            yield path.relative_to(PROJECT), ast.parse(path.read_text())


def test_hardly_a_name_is_a_filler_word() -> None:
    places: dict[str, list[str]] = {}
    total = 0
    for path, tree in modules():
        for name, line, _ in bound_names(tree):
            total += 1
            if name.strip("_").lower() in FILLER:
                places.setdefault(name, []).append(f"{path}:{line}")
    fillers = sum(map(len, places.values()))
    listed = "\n".join(f"{name}: {', '.join(lines[:5])}" for name, lines in sorted(places.items()))
    assert fillers <= AT_MOST * total, f"{fillers} of {total} names ({fillers / total:.2%}) are filler words:\n{listed}"


def test_a_class_name_is_used_once() -> None:
    classes = [(name, path, line) for path, tree in modules() for name, line, is_class in bound_names(tree) if is_class]
    counts = Counter(name for name, _, _ in classes)
    assert [f"{name} {path}:{line}" for name, path, line in classes if counts[name] > 1] == []
