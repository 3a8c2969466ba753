"""The documentation of `model.yaml`, `docs/definition.md`.

Its tables of keys are made from the types of the definition; `definition.md.j2` has the text between the tables.
"""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from nightshift.definition import (
    checks,
    features,
    gate,
    label,
    model,
    monitoring,
    observations,
    promotion,
    retrain,
    source,
    source_places,
    training,
    value,
)
from nightshift.definition.base import StrictModel, ValueType
from nightshift.definition.duration import format_duration
from nightshift.definition.false_alarms import FalseAlarms
from nightshift.definition.schedule import Schedule, Wait

WIDTH = 120

# The parts that have a section of their own; the keys of all others are listed in the table of the part around them.
SECTIONS: Mapping[type[StrictModel], str] = {
    model.ModelDefinition: "Top level",
    Schedule: "schedule",
    Wait: "wait",
    source.Source: "sources",
    source.SharedSource: "Shared sources",
    source.Completeness: "Complete dates",
    source_places.DatabaseQuery: "Queries",
    source_places.IcebergTable: "Iceberg tables",
    source.CsvFormat: "CSV files",
    source.Column: "Columns of a source",
    checks.UsualValues: "Usual values of a column",
    source.SourceLookup: "Look-ups of landed rows",
    source.DerivedColumn: "Derived columns",
    checks.UsualRowCount: "Usual number of rows",
    checks.RowsLike: "Rows like another source",
    checks.RowRule: "Rules",
    checks.Reference: "References",
    checks.Freshness: "Freshness",
    checks.CustomExpectation: "Expectations",
    observations.Observations: "observations",
    label.Label: "label",
    features.Features: "features",
    features.Lookup: "lookups",
    features.RowFeature: "rows",
    features.Aggregate: "aggregates",
    features.ComputedFeature: "computed",
    training.Training: "training",
    gate.Gate: "gate",
    gate.AgainstChampion: "Comparison with the champion",
    gate.Slices: "Slices",
    promotion.Promotion: "promotion",
    checks.Quality: "quality",
    monitoring.Monitoring: "monitoring",
    value.Value: "value",
    retrain.Retrain: "retrain",
}

# How the values of a column's type are written in a CSV file.
CSV_FORMATS: Mapping[source.ColumnType, str] = {
    "string": "text",
    "integer": "`17`, also `17.0`",
    "number": "`17.5`",
    "boolean": "`true`, `True`, `TRUE`, `1`; `false`, `False`, `FALSE`, `0`",
    "date": "`2013-07-04`",
    "timestamp": "ISO 8601 with its offset, `2013-07-04T06:00:00Z`, or by the source's clock, `2013-07-04T06:00:00`",
}

PLAIN_TYPES: Mapping[Any, str] = {
    str: "text",
    bool: "boolean",
    int: "integer",
    float: "number",
    date: "date",
    Any: "any value",
    FalseAlarms: "`n per m nights`",
}


class KeyRow(NamedTuple):
    """A row of a table of keys, in Markdown."""

    key: str
    type: str
    default: str
    meaning: str


def definition_page() -> str:
    """The page as Markdown."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, keep_trailing_newline=True
    )
    parts = {part.__name__: part for part in SECTIONS}
    return environment.get_template("definition.md.j2").render(
        section=lambda name, level=2: section(parts[name], level), csv_formats=CSV_FORMATS
    )


def section(part: type[StrictModel], level: int = 2) -> str:
    """The section of a part: its heading, its docstring and the table of its keys.

    Args:
        part: The part of the definition.
        level: The level of the heading.
    """
    paragraphs = inspect.cleandoc(part.__doc__ or "").split("\n\n")
    wrapped = [
        textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)
        for text in (" ".join(paragraph.split()) for paragraph in paragraphs)
    ]
    table = ["| key | type | default | meaning |", "|---|---|---|---|"]
    table += [f"| `{row.key}` | {row.type} | {row.default} | {row.meaning} |" for row in key_rows(part)]
    return "\n\n".join([f"{'#' * level} {SECTIONS[part]}", *wrapped, "\n".join(table)])


def key_rows(part: type[StrictModel], prefix: str = "", optional: bool = False) -> Iterator[KeyRow]:
    """The keys of a part, with those of its parts that have no section of their own.

    Args:
        part: The part of the definition.
        prefix: The keys that lead to it, each followed by a full stop.
        optional: Whether the part may be left out.
    """
    hints = get_type_hints(part, include_extras=True)
    documented = {name for base in SECTIONS if base in part.__bases__ for name in base.model_fields}
    for name in sorted(part.model_fields, key=lambda name: name not in part.__annotations__):  # its own keys first
        field = part.model_fields[name]
        if field.exclude or name in documented:
            continue
        key, inner = f"{prefix}{field.alias or name}", _inner_part(hints[name])
        row = KeyRow(key, _bounded_type(hints[name], field), _default(field, optional), field.description or "")
        if inner is None or inner in SECTIONS or _is_optional(hints[name]):
            yield row
        if inner is not None and inner not in SECTIONS:
            yield from key_rows(inner, f"{key}.", optional or (not field.is_required() and field.default is None))


def _inner_part(hint: Any) -> type[StrictModel] | None:
    """The part that a key holds, unless it holds a list or a mapping of parts."""
    if get_origin(hint) is Annotated:
        return _inner_part(get_args(hint)[0])
    if get_origin(hint) in {Union, UnionType}:
        return next((part for part in map(_inner_part, get_args(hint)) if part), None)
    return hint if isinstance(hint, type) and issubclass(hint, StrictModel) else None


def _is_optional(hint: Any) -> bool:
    if get_origin(hint) is Annotated:
        return _is_optional(get_args(hint)[0])
    return get_origin(hint) in {Union, UnionType} and NoneType in get_args(hint)


def _bounded_type(hint: Any, field: FieldInfo) -> str:
    """The type of a key, with the bounds of a number."""
    text = _type(hint)
    lower = upper = ""
    for bound in field.metadata if text in {"integer", "number"} else ():
        match bound:
            case Ge(least):
                lower = f"{least}"
            case Gt(least):
                lower = f"above {least}"
            case Le(most):
                upper = f"{most}"
            case Lt(most):
                upper = f"below {most}"
    if not lower:
        return text
    if not upper:
        return f"{text} {lower}" if lower.startswith("above") else f"{text}, {lower} or more"
    return f"{text}, {lower} to {upper}"


def _type(hint: Any) -> str:
    """The type of a value, in Markdown."""
    origin, arguments = get_origin(hint), get_args(hint)
    if note := _value_type(hint):
        return note.name
    if origin is Annotated:
        return _type(arguments[0])
    if origin in {Union, UnionType}:
        return " or ".join(_type(argument) for argument in arguments if argument is not NoneType)
    if origin is Literal:
        return ", ".join(f"`{argument}`" for argument in arguments)
    if origin is tuple:
        return _linked(f"list of {_plural(arguments[0])}", arguments[0])
    if origin is dict:
        by_name = get_origin(arguments[0]) is Annotated
        return _linked(f"by {_type(arguments[0])}" if by_name else "mapping", arguments[1])
    if _inner_part(hint):
        return _linked("mapping", hint)
    return PLAIN_TYPES[hint]


def _plural(hint: Any) -> str:
    """The type of a list's values, in Markdown."""
    if _inner_part(hint):
        return "mappings"
    note = _value_type(hint)
    return note.plural or note.name if note else _type(hint)


def _value_type(hint: Any) -> ValueType | None:
    """The name that a type has in the documentation, if it is annotated with one."""
    return next((note for note in getattr(hint, "__metadata__", ()) if isinstance(note, ValueType)), None)


def _linked(text: str, hint: Any) -> str:
    """The text as a link to the section of the part that it holds, if there is one."""
    part = _inner_part(hint)
    if part is None or part not in SECTIONS:
        return text
    anchor = re.sub(r"[^a-z0-9 _-]", "", SECTIONS[part].lower()).replace(" ", "-")
    return f"[{text}](#{anchor})"


def _default(field: FieldInfo, optional: bool) -> str:
    """The default of a key, in Markdown."""
    if field.is_required():
        return "required in it" if optional else "required"
    if field.default is None:
        return "none"
    if isinstance(field.default, promotion.Promotion):
        return f"`{promotion.AUTO}`"
    if isinstance(field.default, StrictModel):
        return "`{}`"
    return f"`{_yaml(field.default)}`"


def _yaml(default: Any) -> str:
    """A default as it is written in YAML."""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return json.dumps(default)
    if isinstance(default, timedelta):
        return format_duration(default)
    if default in ("", "00:00"):
        return f'"{default}"'
    return f"{default:g}" if isinstance(default, float) else str(default)
