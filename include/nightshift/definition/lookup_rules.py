"""Rules of look-ups that complete the rows of a source as they land."""

from __future__ import annotations

from collections.abc import Iterator

from nightshift.definition.model import ModelDefinition
from nightshift.definition.problem import KeyPath, Problem
from nightshift.definition.source import Source, SourceLookup


def landed_rows_can_be_completed(definition: ModelDefinition) -> Iterator[Problem]:
    """What is looked up exists, is unique by its key, and gives columns of the declared types."""
    for name, source in definition.sources.items():
        for column, declared in source.columns.items():
            if declared.lookup is not None and declared.lookup not in source.lookups:
                path: KeyPath = ("sources", name, "columns", column, "lookup")
                fix = "name a look-up of the source"
                yield Problem(path, "unknown look-up", declared.lookup, list(source.lookups), fix)
        for lookup_name, lookup in source.lookups.items():
            path = ("sources", name, "lookups", lookup_name)
            other = definition.sources.get(lookup.source)
            if other is None:
                allowed, fix = list(definition.sources), f"add `{lookup.source}` to `sources:`"
                yield Problem((*path, "source"), "unknown source", lookup.source, allowed, fix)
                continue
            yield from _source_problems(path, lookup, other)
            yield from _key_problems(path, lookup, source, other)
            yield from _column_problems(name, lookup_name, lookup, source, other)


def unique_key(path: KeyPath, name: str, key: tuple[str, ...], source: Source) -> Iterator[Problem]:
    """A source is looked up, at landing or for features, by the key that identifies its rows."""
    if set(source.key) != set(key):
        message = f"a look-up needs exactly one row per key, and '{name}' is not declared unique by it"
        yield Problem(path, message, list(key), [list(source.key)], f"look up by the key of '{name}'")


def _source_problems(path: KeyPath, lookup: SourceLookup, other: Source) -> Iterator[Problem]:
    if other.cadence != "irregular":
        fix = "look up a source whose files are full versions"
        yield Problem((*path, "source"), "needs full versions", other.cadence, "cadence: irregular", fix)
    if other.lookups:
        fix = "look up a source without look-ups"
        yield Problem((*path, "source"), "has look-ups of its own", lookup.source, None, fix)


def _key_problems(path: KeyPath, lookup: SourceLookup, source: Source, other: Source) -> Iterator[Problem]:
    if len(set(lookup.key)) < len(lookup.key):
        yield Problem((*path, "key"), "names a column twice", list(lookup.key), None, "name each column once")
        return
    if problems := list(unique_key((*path, "key"), lookup.source, lookup.key, other)):
        yield from problems
        return
    for column in lookup.key:
        if column not in source.file_columns:
            allowed = list(source.file_columns)
            yield Problem((*path, "key"), "is no column of the rows' files", column, allowed, "name columns they have")
        elif source.landed[column] != other.landed[column]:
            message = f"'{column}' has another type in '{lookup.source}'"
            yield Problem((*path, "key"), message, source.landed[column], other.landed[column], "declare one type")


def _column_problems(
    name: str, lookup_name: str, lookup: SourceLookup, source: Source, other: Source
) -> Iterator[Problem]:
    taken = source.looked_up(lookup_name)
    if not taken:
        path: KeyPath = ("sources", name, "lookups", lookup_name)
        fix = f"declare a column with `lookup: {lookup_name}`, or remove it"
        yield Problem(path, "no column takes anything from it", None, None, fix)
    for column, there in taken.items():
        path = ("sources", name, "columns", column)
        if there not in other.landed:
            message = f"source '{lookup.source}' has no such column"
            fix = "name one of its columns in `from:`"
            yield Problem(path, message, there, list(other.landed), fix)
        elif source.landed[column] != other.landed[there]:
            message = f"has another type in '{lookup.source}'"
            yield Problem((*path, "type"), message, source.landed[column], other.landed[there], "declare one type")
        elif column in other.key:
            yield Problem(path, "is the key that is looked up by", column, None, "read it from the rows' files")


RULES = (landed_rows_can_be_completed,)
