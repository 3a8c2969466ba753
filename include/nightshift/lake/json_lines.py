"""JSON lines: an object a line, to tables of texts.

Numbers keep the text that stands in the file, so that no digit is lost before a column is converted to its declared
type; nested values are texts of JSON, for functions such as `get_json_object`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn

import pyarrow as pa

from nightshift.errors import shown
from nightshift.lake.csv_files import MARK
from nightshift.lake.csv_grammar import LINE_END
from nightshift.lake.landed_bytes import Readable, chunks_of
from nightshift.lake.unreadable import UnreadableFileError

BLOCK_BYTES = 2**23  # of text, whose objects take many times as much
LONGEST_LINE = 2**27  # bytes
FIX = "land the file again with one JSON object a line, in UTF-8"


def read_json_lines(file: Readable) -> Iterator[pa.Table]:
    """Reads a file with a JSON object in each line into columns of text; empty lines are ignored.

    A key that a line lacks is null there, as `null` is.

    Args:
        file: The file.

    Yields:
        The rows of a block with the columns of all keys so far; at least one table. Of a file without lines, a table
        with neither rows nor columns.

    Raises:
        UnreadableFileError: If a line is no JSON object, or has a key twice.
    """
    rows, names = list[dict[str, Any]](), dict[str, None]()
    for block, line in _blocks_of_lines(file):
        for row in _parse_rows(block, line):
            rows.append(row)
            names.update(dict.fromkeys(row))
        if names:
            yield _table_of(rows, names)
            rows = []
    if rows:
        raise UnreadableFileError("no line has a key", FIX)
    if not names:
        yield pa.table({})


def _blocks_of_lines(file: Readable) -> Iterator[tuple[bytes, int]]:
    """The file in blocks of complete lines, each with the number of the first."""
    rest, line, is_first = b"", 1, True
    for chunk in chunks_of(file, BLOCK_BYTES):
        content = rest + (chunk.removeprefix(MARK) if is_first else chunk)
        end, is_first = content.rfind(LINE_END) + 1, False
        yield content[:end], line
        line += content.count(LINE_END, 0, end)
        rest = content[end:]
        if len(rest) > LONGEST_LINE:
            raise UnreadableFileError(f"line {line} is longer than {LONGEST_LINE:,} bytes", FIX)
    yield rest, line


def _parse_rows(block: bytes, line: int) -> Iterator[dict[str, Any]]:
    """The objects of lines, of which the first has a number."""
    for number, text in enumerate(block.split(LINE_END), line):
        if stripped := text.strip():
            try:
                yield _parse_row(stripped)
            except ValueError as error:
                reason = "not written in UTF-8" if isinstance(error, UnicodeDecodeError) else _reason(error)
                quoted = shown(stripped.decode("utf-8", "replace"))
                raise UnreadableFileError(f"line {number}: {reason}: {quoted}", FIX) from None


def _table_of(rows: Sequence[dict[str, Any]], names: Iterable[str]) -> pa.Table:
    try:
        return pa.table({name: _texts([row.get(name) for row in rows]) for name in names})
    except UnicodeEncodeError as error:  # such as of "\\ud83d" without its other half
        raise UnreadableFileError(f"half a character: {error.object!a}", FIX) from None
    except RecursionError:
        raise UnreadableFileError("a value is nested too deeply", FIX) from None


class _Numeral(str):
    """A number as it is written."""


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no value of JSON")


def unique_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """The object of pairs of JSON.

    Raises:
        ValueError: If a key stands twice.
    """
    value = dict(pairs)
    if len(value) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        repeated = next(key for key, count in counts.items() if count > 1)
        raise ValueError(f"the key '{repeated}' stands twice in an object")
    return value


# Objects are tuples of pairs, and numbers are texts like texts: the quickest that tells the values of plain rows.
_PLAIN = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_refuse_constant, object_pairs_hook=tuple)
_NESTED = json.JSONDecoder(
    parse_float=_Numeral, parse_int=_Numeral, parse_constant=_refuse_constant, object_pairs_hook=unique_keys
)


def _parse_row(line: bytes) -> dict[str, Any]:
    """The object of a line without blanks around it; numbers are texts, but not those of nested values."""
    text = line.decode()
    if text.startswith("["):
        raise ValueError("a JSON array, not an object")
    try:
        pairs, end = _PLAIN.raw_decode(text)
        if end < len(text):
            raise ValueError("text behind the object")
        if not isinstance(pairs, tuple):
            raise ValueError("no JSON object")
        row = unique_keys(pairs)
        if any(isinstance(value, tuple | list) for value in row.values()):
            row = dict(_NESTED.decode(text))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return row


def _reason(error: ValueError) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)


def _texts(values: list[Any]) -> pa.Array:
    """The values of a column as texts."""
    try:
        return pa.array(values, pa.string())
    except pa.ArrowException:  # some are neither texts nor numbers
        return pa.array([value if value is None else _json(value) for value in values], pa.string())


def _json(value: Any) -> str:
    """A value of a column as text: a text and a number as they are, others as JSON."""
    return value if isinstance(value, str) else _nested(value)


def _nested(value: Any) -> str:
    """A value as JSON, with numbers as they were written."""
    if isinstance(value, _Numeral):
        return value
    if isinstance(value, dict):
        parts = (f"{json.dumps(key, ensure_ascii=False)}:{_nested(part)}" for key, part in value.items())
        return "{" + ",".join(parts) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_nested, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
