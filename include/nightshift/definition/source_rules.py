"""Rules of the files of a source: where they are, how they are written, and which columns are read from them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import combinations

from nightshift.definition.model import ModelDefinition
from nightshift.definition.problem import Problem
from nightshift.definition.source import CSV_ENDINGS, DATE, PART, PLAIN_CSV, SOURCE_ENDINGS, Source
from nightshift.definition.source_places import query_problems, table_problems


def source_files_can_be_read(definition: ModelDefinition) -> Iterator[Problem]:
    """A path has a date and a format; `csv` is for CSV files, by distinct characters; no column is declared twice."""
    for name, source in definition.sources.items():
        for problem in source_problems(source):
            yield problem._replace(path=("sources", name, *problem.path))


def source_problems(source: Source) -> Iterator[Problem]:
    """The problems of a source by itself: of its path, and of how its files are written."""
    yield from place_problems(source)
    yield from completeness_problems(source)
    yield from source_file_problems(source)


def place_problems(source: Source) -> Iterator[Problem]:
    """The problems of where the rows of a source are."""
    places = {"path": source.path, "query": source.query, "table": source.table}
    chosen = [name for name in places if name in source.model_fields_set]
    if len(chosen) != 1:
        received, fix = ", ".join(chosen) or "none of them", "such as `path: orders/{date}.csv`"
        yield Problem((chosen[-1],) if chosen else (), "not one place of its rows", received, ", ".join(places), fix)
    if (source.query or source.table) and source.timezone is None:
        fix = "name the zone by whose clock its dates begin: a database or a table has instants, not files of dates"
        yield Problem(("timezone",), "missing key", None, None, fix)
    for name, problems in (
        ("path", path_problems(source.path) if "path" in chosen else ()),
        ("query", query_problems(source.query) if source.query else ()),
        ("table", table_problems(source.table) if source.table else ()),
    ):
        for problem in problems:
            yield problem._replace(path=(name, *problem.path))


def completeness_problems(source: Source) -> Iterator[Problem]:
    """The problems of what shows that a date is complete."""
    complete, example = source.complete, 'such as `complete: {marker: "clicks/{date}/_SUCCESS"}`'
    if complete is None:
        if PART in source.path:
            message = "a date has parts, and nothing says when all of them are there"
            yield Problem(("path",), message, source.path, "`complete` beside it", example)
        return
    if source.query:
        allowed, fix = "the query `dates`, which lists the complete dates", "remove `complete`"
        yield Problem(("complete",), "is for files and tables", "complete", allowed, fix)
        return
    chosen = {name: value for name, value in complete if value is not None}
    if source.table and complete.manifest:
        allowed, fix = "marker or settled", "choose one of them, or remove `complete`"
        yield Problem(("complete", "manifest"), "lists parts, which a table has not", complete.manifest, allowed, fix)
        return
    if len(chosen) != 1:
        received = ", ".join(chosen) or "nothing"
        yield Problem(("complete",), "not one sign of completeness", received, "marker, manifest or settled", example)
    for name in chosen.keys() - {"settled"}:
        path = str(chosen[name])
        allowed, fix = "a path below the landing folder with one `{date}` and no `*`", "such as clicks/{date}/_SUCCESS"
        if path.count(DATE) != 1 or PART in path or not _is_plain(path):
            yield Problem(("complete", name), "not the path of a file of a date", path, allowed, fix)
    if complete.manifest and not source.path.startswith(complete.manifest.rpartition("/")[0]):
        allowed, fix = "a file in a folder above the parts", f"such as {source.path.rpartition('/')[0]}/manifest.json"
        yield Problem(("complete", "manifest"), "parts are not below it", complete.manifest, allowed, fix)
    if PART in source.path and any(name.startswith(("_", ".")) for name in source.path.split("/")):
        allowed = "names that begin neither with _ nor with ., which no part has"
        yield Problem(("path",), "no part has such a name", source.path, allowed, "choose another name")
    if complete.settled is not None and complete.settled <= timedelta(0):
        yield Problem(("complete", "settled"), "not a time", complete.settled, "more than 0s", "such as 30m")


def path_problems(path: str) -> Iterator[Problem]:
    """The problems of the path of a source's files."""
    if wildcards := [letter for letter in "?[" if letter in path] or (["**"] if "**" in path else []):
        message = f"a path is no pattern of this kind, but contains '{wildcards[0]}'"
        yield Problem((), message, path, "`*` for any text within a name", "write the name itself, or `*`")
    if path.count("{date}") != 1:
        yield Problem((), "has no date", path, "one `{date}`", "write where the date stands")
    if not _is_plain(path):
        allowed = "names of folders and of a file, such as `arrivals/{date}.csv`"
        fix = "remove empty parts and dots, other braces than those of `{date}`, and what does not print"
        yield Problem((), "not a plain path below the landing folder", path, allowed, fix)
    if not path.endswith(SOURCE_ENDINGS):
        yield Problem((), "unknown file format", path, ", ".join(SOURCE_ENDINGS), "change the ending")


def _is_plain(path: str) -> bool:
    """Whether a path stays below the landing folder, and has a date and no other braces."""
    names = path.replace(DATE, "date").split("/")
    return path.isprintable() and not any(name in {"", ".", ".."} or {"{", "}"} & {*name} for name in names)


def source_file_problems(source: Source) -> Iterator[Problem]:
    """The problems of how a source's files are written, and of the columns that are read from them."""
    written = source.csv
    if written != PLAIN_CSV and not source.path.endswith(CSV_ENDINGS):
        yield Problem(
            ("csv",),
            "is for CSV files",
            source.path or "no path",
            "a path that ends in .csv or .csv.gz",
            "remove `csv:`",
        )
    characters = {"separator": written.separator, "quote": written.quote, "escape": written.escape}
    for first, second in combinations(characters, 2):
        if characters[first] == characters[second]:
            # A default of one of the two is not in the file.
            key, same = (second, first) if second in written.model_fields_set else (first, second)
            yield Problem(("csv", key), f"is the character of `{same}`", characters[key], "another one", "change one")
    if written.thousands == written.decimal:
        key = "decimal" if "decimal" in written.model_fields_set else "thousands"
        fix = 'such as `decimal: ","` with `thousands: "."`'
        yield Problem(
            ("csv", key), "is the decimal point and between thousands", written.decimal, "two characters", fix
        )
    columns: dict[str, str] = {}
    for column, landed in source.file_columns.items():
        first = columns.setdefault(landed, column)
        if first != column:
            path = ("columns", column, "from") if source.columns[column].from_ else ("columns", column)
            message = f"is the column of the file that '{first}' is read from"
            yield Problem(path, message, landed, "each column of the file once", "derive a column from the first")


RULES = (source_files_can_be_read,)
