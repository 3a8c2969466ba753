"""Checks an SQL expression of a definition against the columns it may use, without running it.

An expression is over one row: it may combine the row's columns by any function that reads nothing else.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from nightshift.definition.known_functions import refused_calls
from nightshift.definition.refusals import QUERY, LocatedFault, clock_texts, place_of, refused_parts, refused_words

if TYPE_CHECKING:  # importing sqlglot takes a tenth of a second: only the functions that check expressions do
    from sqlglot import Token, exp

Dialect = Literal["spark", "duckdb"]

QUOTED: dict[Dialect, str] = {"spark": "`name`", "duckdb": '"name"'}


@dataclass(frozen=True)
class Fault:
    """A fault of an expression.

    Attributes:
        message: The fault, as a short sentence without a full stop.
        marked: The expression on one line, with each faulty part between `>>>` and `<<<`.
        allowed: The names that exist, if the fault is an unknown name.
        fix: The repair.
    """

    message: str
    marked: str
    allowed: tuple[str, ...]
    fix: str


def find_faults(
    expression: str,
    dialect: Dialect,
    columns: Mapping[str, str],
    structs: Mapping[str, Mapping[str, str]] = {},
) -> list[Fault]:
    """Finds the faults of an expression over one row, in the order of its text.

    Args:
        expression: The SQL expression.
        dialect: The SQL dialect that it is written in.
        columns: The type of each column it may use, by name.
        structs: The type of each field of each look-up it may use, by names.
    """
    places: dict[LocatedFault, list[tuple[int, int]]] = {}
    for fault in _locate_faults(expression, dialect, columns, structs):
        places.setdefault(fault._replace(place=None), []).append(fault.place or (0, len(expression)))
    return [
        Fault(fault.message, _marked(expression, marks), fault.allowed, fault.fix)
        for fault, marks in sorted(places.items(), key=lambda item: min(item[1]))
    ]


def names_in(expression: str, dialect: Dialect) -> list[str]:
    """The columns an expression names, in lower case, once each, in the order of its text."""
    return list(dict.fromkeys(name for name, *_ in paths_in(expression, dialect)))


def syntax_tree(expression: str, dialect: Dialect) -> exp.Expr | None:
    """The tree of a valid expression; None of any other text."""
    _, trees, error = _parse(expression, dialect)
    return trees[0] if len(trees) == 1 and not error else None


def paths_in(expression: str, dialect: Dialect) -> list[tuple[str, ...]]:
    """The columns and look-ups' fields an expression names, each as its parts in lower case, once each."""
    _, trees, _ = _parse(expression, dialect)
    return list(dict.fromkeys(tuple(part.name.lower() for part in parts) for tree in trees for parts in _names(tree)))


def _locate_faults(
    expression: str, dialect: Dialect, columns: Mapping[str, str], structs: Mapping[str, Mapping[str, str]]
) -> list[LocatedFault]:
    tokens, trees, error = _parse(expression, dialect)
    if not tokens and not error:
        return [LocatedFault(None, "", "empty expression", "write an expression over the columns")]
    words = [*refused_words(tokens, _by_lower(columns)), *refused_calls(tokens, dialect)]
    words += clock_texts(tokens, _texts(columns, structs)) if dialect == "spark" else []
    fixes, places = {word.fix for word in words}, {word.place for word in words}
    parts = [part for tree in trees for part in refused_parts(tree) if part.place or part.fix not in fixes]
    names = [_name_fault(name, columns, structs) for tree in trees for name in _names(tree)]
    unknown = [name for name in names if name and name.place not in places]
    invalid = [_syntax_fault(error, expression, dialect)] if error and QUERY.fix not in fixes else []
    return [*words, *parts, *unknown, *invalid]


def _parse(expression: str, dialect: Dialect) -> tuple[list[Token], list[exp.Expr], Exception | None]:
    """The tokens, the trees (one per statement) and, if sqlglot cannot read all of the expression, its error."""
    from sqlglot.dialects.dialect import Dialect as Sql
    from sqlglot.expressions import Condition

    sql, tokens = Sql.get_or_raise(dialect), []
    try:
        tokens = sql.tokenize(expression)
        parser = sql.parser(error_message_context=len(expression))  # so that an error contains all the text before it
        return tokens, [tree for tree in parser.parse_into(Condition, tokens, expression) if tree], None
    except Exception as error:  # on some texts sqlglot raises errors that are not its own, such as IndexError
        return tokens, [], error


def _syntax_fault(error: Exception, expression: str, dialect: Dialect) -> LocatedFault:
    """The syntax error, at the place that sqlglot reports."""
    from sqlglot.errors import ParseError

    start, end, message = 0, len(expression), "not valid SQL"
    fix = f"correct the syntax; write a name that is also a word of SQL as {QUOTED[dialect]}"
    if isinstance(error, RecursionError):
        message, fix = "nested too deeply", "nest it less, such as by a case of many branches"
    elif isinstance(error, ParseError) and error.errors:
        [place, *_] = error.errors
        start = len(place["start_context"])
        end = start + len(place["highlight"])
        if place["description"].startswith("Expecting"):
            fix = f"correct the syntax: {place['description'].lower()}"
    elif unclosed := re.match(r"Missing (.+) from \d+:(\d+)", str(error.__cause__)):
        start, fix = int(unclosed[2]), f"close it with {unclosed[1]}"
    return LocatedFault((start, end), "", message, fix)


def _names(tree: exp.Expr) -> Iterator[list[exp.Expr]]:
    """Every name that should be a column, a look-up or a look-up's field, as a list of its parts."""
    from sqlglot import exp

    for node in tree.walk(prune=lambda node: isinstance(node, exp.Query)):
        parts: list[exp.Expr] = []
        if isinstance(node, exp.Column) and not isinstance(node.this, exp.Star):
            parts = node.parts
        elif isinstance(node, exp.Dot) and isinstance(node.this, exp.Identifier):  # DuckDB's name.function()
            parts = [part for part in (node.this, node.expression) if isinstance(part, exp.Identifier)]
        match node.parent:
            case exp.Bracket(expressions=[exp.Literal(is_string=True) as field]) if parts:
                parts = [*parts, field]  # Spark's plane['year']
        if parts and parts[0].name.lower() not in _variables(node):
            yield parts


def _variables(node: exp.Expr) -> set[str]:
    """The variables of the lambdas and comprehensions around a node, in lower case."""
    from sqlglot import exp

    names: set[str] = set()
    ancestor = node.parent
    while ancestor:
        if isinstance(ancestor, exp.Lambda):
            names |= {variable.name.lower() for variable in ancestor.expressions}
        elif isinstance(ancestor, exp.Comprehension):
            names |= {ancestor.text(key).lower() for key in ("expression", "position")}
        ancestor = ancestor.parent
    return names


def _name_fault(
    parts: Sequence[exp.Expr], columns: Mapping[str, str], structs: Mapping[str, Mapping[str, str]]
) -> LocatedFault | None:
    """The fault of a name, if it or its first parts do not exist."""
    by_lower, lookups = _by_lower(columns), {name.lower(): _by_lower(fields) for name, fields in structs.items()}
    head, *rest = (part.name.lower() for part in parts)
    if head in by_lower or head in lookups:
        fields = lookups.get(head, {})
        return None if not rest or (len(rest) == 1 and rest[0] in fields) else _no_field(parts, fields)
    if rest:
        fallback = f"write '{by_lower[rest[-1]]}'" if rest[-1] in by_lower else "name a column, or a look-up's field"
        return _no_such("look-up", parts[:1], _by_lower(structs), tuple(structs), fallback)
    dotted = {f"{name}.{field}": field.lower() for name, fields in structs.items() for field in fields}
    near = {field: name for name, field in dotted.items()} | by_lower
    return _no_such("column", parts, near, (*columns, *dotted), "name a column")


def _no_field(parts: Sequence[exp.Expr], fields: Mapping[str, str]) -> LocatedFault:
    if parts[1].name.lower() in fields:  # plane.year.of
        return _no_such("field", parts[:3], {}, (), f"write '{parts[0].name}.{parts[1].name}'")
    fallback = "name one of its fields" if fields else f"write '{parts[0].name}'"
    return _no_such("field", parts[:2], fields, tuple(fields.values()), fallback)


def _no_such(
    kind: str, parts: Sequence[exp.Expr], candidates: Mapping[str, str], allowed: tuple[str, ...], fallback: str
) -> LocatedFault:
    """The fault of a name whose last part does not exist; the fix is the closest candidate, or the fallback."""
    names = [part.name.lower() for part in parts]
    near = difflib.get_close_matches(names[-1], candidates, n=1)
    fix = f"write '{candidates[near[0]]}'" if near else fallback
    return LocatedFault(place_of(parts[-1]), ".".join(names), f"no such {kind}", fix, allowed)


def _texts(columns: Mapping[str, str], structs: Mapping[str, Mapping[str, str]]) -> set[str]:
    """The names of columns and of look-ups' fields that are texts, in lower case; none that is of another type too."""
    texts: set[str] = set()
    others: set[str] = set()
    for types in (columns, *structs.values()):
        for name, kind in types.items():
            (texts if kind in {"string", "category"} else others).add(name.lower())
    return texts - others


def _by_lower(names: Iterable[str]) -> dict[str, str]:
    return {name.lower(): name for name in names}


def _marked(expression: str, places: Iterable[tuple[int, int]]) -> str:
    """The expression on one line, with the text at the places marked."""
    text, at = "", 0
    for start, end in sorted(places):
        if start >= at:
            text += f"{expression[at:start]}>>>{expression[start:end]}<<<"
            at = end
    return " ".join((text + expression[at:]).split())
