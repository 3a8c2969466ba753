"""JSON lines: an object a line, to a table of texts.

Numbers keep the text that stands in the file, so that no digit is lost before a column is converted to its declared
type; nested values are texts of JSON, for functions such as `get_json_object`.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

import pyarrow as pa

from nightshift.errors import shown
from nightshift.lake.unreadable import UnreadableFileError

MARK = b"\xef\xbb\xbf"
FIX = "land the file again with one JSON object a line, in UTF-8"


class _Numeral(str):
    """A number as it is written."""


def parse_json_lines(content: bytes) -> pa.Table:
    """Parses a file with a JSON object in each line into columns of text; empty lines are ignored.

    A key that a line lacks is null there, as `null` is. Of a file without lines there are neither rows nor columns.

    Raises:
        UnreadableFileError: If a line is no JSON object, or has a key twice.
    """
    columns: dict[str, list[str | None]] = {}
    rows = 0
    decoder = json.JSONDecoder(
        parse_float=_Numeral, parse_int=_Numeral, parse_constant=_refuse_constant, object_pairs_hook=_object
    )
    for number, line in enumerate(content.removeprefix(MARK).split(b"\n"), 1):
        if not line.strip():
            continue
        for key, value in _parse_line(decoder, number, line).items():
            column = columns.setdefault(key, [])
            column.extend([None] * (rows - len(column)))
            column.append(_text(value))
        rows += 1
    for column in columns.values():
        column.extend([None] * (rows - len(column)))
    try:
        return pa.table({key: pa.array(column, pa.string()) for key, column in columns.items()})
    except UnicodeEncodeError as error:  # such as of "\\ud83d" without its other half
        raise UnreadableFileError(f"half a character: {error.object!a}", FIX) from None


def _parse_line(decoder: json.JSONDecoder, number: int, line: bytes) -> dict[str, Any]:
    try:
        value = decoder.decode(line.decode())
    except UnicodeDecodeError:
        text = shown(line.decode("utf-8", "replace"))
        raise UnreadableFileError(f"line {number}: not written in UTF-8: {text}", FIX) from None
    except RecursionError:
        raise UnreadableFileError(f"line {number}: nested too deeply", FIX) from None
    except ValueError as error:
        reason = getattr(error, "msg", str(error))
        raise UnreadableFileError(f"line {number}: {reason}: {shown(line.decode().strip())}", FIX) from None
    if not isinstance(value, dict):
        raise UnreadableFileError(f"line {number}: no JSON object: {shown(line.decode().strip())}", FIX)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, which has each key once."""
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key '{repeated}' stands twice in an object")
    return value


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no value of JSON")


def _text(value: Any) -> str | None:
    """The value of a column as text."""
    return value if value is None or isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    """A value as JSON, with numbers as they were written."""
    if isinstance(value, _Numeral):
        return value
    if isinstance(value, dict):
        parts = (f"{json.dumps(key, ensure_ascii=False)}:{_json(part)}" for key, part in value.items())
        return "{" + ",".join(parts) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_json, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
