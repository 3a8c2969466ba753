"""Proposes how the CSV files of a source are written: their encoding, separator, and notation of numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.draft import Draft
from nightshift.definition.source import CSV_ENDINGS, CsvFormat, Encoding
from nightshift.errors import DataError
from nightshift.lake.landed_files import parse_landed
from nightshift.lake.landed_parts import landed_parts, landing_file
from nightshift.profiling.column_types import quote
from nightshift.profiling.proposal import inline_yaml

# In order of preference. What cannot be UTF-8 is nearly always of Windows.
ENCODINGS: tuple[Encoding, ...] = ("utf-8", "utf-16", "cp1252")
SEPARATORS = (",", ";", "\t", "|")
NUMBERS: tuple[dict[str, str | None], ...] = (
    {"decimal": ".", "thousands": None},
    {"decimal": ".", "thousands": ","},
    {"decimal": ",", "thousands": None},
    {"decimal": ",", "thousands": "."},
)
NEWEST_FILES = 5  # that are read to decide


def propose_csv_format(landing: str, name: str, draft: Draft, days: Sequence[date]) -> tuple[Draft, list[str]]:
    """A draft that says how its newest files are written, if they are not plain CSV; and notes for the reader.

    Args:
        landing: The landing folder.
        name: The source.
        draft: The source as far as it is declared; what it says of its files stays.
        days: The dates of its files, ascending.
    """
    if "csv" in draft.given or not draft.source.path.endswith(CSV_ENDINGS):
        return draft, []
    files = (landing_file(landing, name, draft.source, day) for day in days[-NEWEST_FILES:])
    uris = [uri for file in files for uri in landed_parts(file).uris][-NEWEST_FILES:]
    written, tables = _best_format(uris)
    written = _with_numbers(written, tables)
    notes = list(_null_word_notes(uris, written))
    if not (proposal := written.model_dump(exclude_defaults=True)):
        return draft, notes
    notes.insert(0, f"the newest {len(tables)} files are not plain CSV; proposed: csv: {inline_yaml(proposal)}")
    source = draft.source.model_copy(update={"csv": written})
    return replace(draft, given={**draft.given, "csv": proposal}, source=source), notes


def _best_format(uris: Sequence[str]) -> tuple[CsvFormat, list[pa.Table]]:
    """The encoding and the separator that read most files, with most columns; and the files as they are read so."""
    formats = [CsvFormat(encoding=encoding, separator=mark) for encoding in ENCODINGS for mark in SEPARATORS]
    return max(((written, _parsed(uris, written)) for written in formats), key=lambda parsed: _columns(parsed[1]))


def _columns(tables: Sequence[pa.Table]) -> tuple[int, int]:
    """How many files have more than one column, and how many columns they have."""
    columns = [table.num_columns for table in tables if table.num_columns > 1]
    return len(columns), sum(columns)


def _parsed(uris: Sequence[str], written: CsvFormat) -> list[pa.Table]:
    """The files that can be read, as they would be if they were written so."""
    tables = []
    for uri in uris:
        try:
            tables.append(parse_landed(uri, written)[0])
        except DataError:
            continue
    return tables


def _with_numbers(written: CsvFormat, tables: Sequence[pa.Table]) -> CsvFormat:
    """The format with the notation of numbers by which most columns are numbers.

    A comma in numbers is a decimal comma where files are not separated by commas, if nothing else decides.
    """
    preferred = sorted(NUMBERS, key=lambda notation: written.separator != "," and notation["thousands"] == ",")
    columns = [column for table in tables for column in table.columns if pa.types.is_string(column.type)]

    def numeric(notation: dict[str, str | None]) -> int:
        return sum(_are_numbers(column, **notation) for column in columns)

    return written.model_copy(update=max(preferred, key=numeric))


def _are_numbers(values: pa.ChunkedArray, decimal: str | None, thousands: str | None) -> bool:
    """Whether there are values, and all of them are numbers in a notation."""
    point, mark = re.escape(decimal or "."), re.escape(thousands or "")
    digits = rf"(?:[0-9]+|[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+)" if mark else "[0-9]+"
    return bool(pc.all(pc.match_substring_regex(values, rf"^[+-]?{digits}(?:{point}[0-9]+)?$"), min_count=1).as_py())


def _null_word_notes(uris: Sequence[str], written: CsvFormat) -> Iterator[str]:
    """A note on each word that is read as missing where the other values are texts: it may be a code of theirs."""
    columns: dict[str, set[str]] = {}
    for table in _parsed(uris, written.model_copy(update={"null": ()})):
        for name, values in zip(table.column_names, table.columns, strict=True):
            texts = set(pc.unique(values.drop_null()).to_pylist())
            if any(text[:1].isalpha() for text in texts.difference(written.null)):
                for word in texts.intersection(written.null):
                    columns.setdefault(word, set()).add(name)
    for word, names in sorted(columns.items()):
        fix = "if it is a value there, add `null: []` to `csv` of the source, and allow it under `values`"
        yield f"{quote(word)} is read as missing in {', '.join(map(quote, sorted(names)))}: {fix}"
