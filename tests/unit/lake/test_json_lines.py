"""Files with a JSON object a line: every value as it is written, and clear errors by line."""

from __future__ import annotations

import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.definition.source import Source
from nightshift.errors import DataError
from nightshift.lake.json_lines import read_json_lines
from nightshift.lake.landed_files import read_landed
from nightshift.lake.landed_parts import landing_file
from nightshift.lake.tables import Layer, TableSpec
from nightshift.lake.unreadable import UnreadableFileError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=3), values, max_size=3),
    max_leaves=5,
)


def parse_json_lines(content: bytes) -> pa.Table:
    return pa.concat_tables(read_json_lines(io.BytesIO(content)), promote_options="default")


ROWS = st.lists(st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES), max_size=6)


@given(ROWS, st.booleans())
def test_every_value_is_the_text_that_is_written(rows: list[dict[str, Any]], is_ascii: bool) -> None:
    content = "".join(json.dumps(row, ensure_ascii=is_ascii) + "\n" for row in rows).encode("utf-8", "surrogatepass")
    if rows and not any(rows):
        with pytest.raises(UnreadableFileError, match="no line has a key"):
            parse_json_lines(content)
        return
    table = parse_json_lines(content)
    assert set(table.column_names) == {key for row in rows for key in row}
    if not table.num_columns:
        return
    assert table.num_rows == len(rows)
    for place, row in enumerate(rows):
        for key in table.column_names:
            text, value = table[key][place].as_py(), row.get(key)
            if value is None or isinstance(value, str):
                assert text == value
            else:
                assert json.loads(text) == value
                assert isinstance(value, dict | list) or text == json.dumps(value)


def test_no_digit_is_lost() -> None:
    table = parse_json_lines(b'{"a": 12345678901234567890.10, "b": {"c": [1.50, "x\\u00e9"]}}\n')
    assert table.to_pylist() == [{"a": "12345678901234567890.10", "b": '{"c":[1.50,"xé"]}'}]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'{"a": 1}\n[1]\n', "line 2: a JSON array, not an object: [1]"),
        (b'{"a": 1}\nnull\n', "line 2: no JSON object: null"),
        (b'[\n{"a": 1}\n]\n', "line 1: a JSON array, not an object: ["),
        (b'\n{"a": 1', "line 2: Expecting ',' delimiter"),
        (b'{"a": 1}{"a": 2}\n', "line 1: text behind the object"),
        (b'{"a": 1, "a": 2}\n', "line 1: the key 'a' stands twice in an object"),
        (b'{"a": NaN}\n', "line 1: NaN is no value of JSON"),
        (b'{"a": "\xe9"}\n', "line 1: not written in UTF-8"),
        (b'{"a": "x\ty"}\n', "line 1: Invalid control character"),
        (b'{"a": "\\ud83d"}\n', "half a character: '\\ud83d'"),
        (b'{"a": ' + b'{"b":' * 400 + b"1" + b"}" * 401, "a value is nested too deeply"),
        (b'{"a": ' + b"[" * 100_000 + b"\n", "line 1: nested too deeply"),
    ],
)
def test_a_line_that_is_no_object_is_named(content: bytes, problem: str) -> None:
    with pytest.raises(UnreadableFileError) as error:
        parse_json_lines(content)
    assert str(error.value).startswith(problem)


SPEC = TableSpec(Layer.RAW, "r", {"source_date": "date", "id": "string", "load": "number"}, "source_date", ())


def read(folder: Path, text: str) -> list[dict[str, Any]]:
    columns = {"id": {"type": "string"}, "load": {"type": "number"}}
    source = Source.model_validate(
        {"description": "", "path": "{date}.jsonl", "available": {"after": "1h"}, "columns": columns}
    )
    (folder / "2024-01-01.jsonl").write_text(text, encoding="utf-8-sig")
    rows, _ = read_landed(landing_file(str(folder), "r", source, date(2024, 1, 1)), source, SPEC)
    return [{key: row[key] for key in ("id", "load")} for row in rows.to_pylist()]


def test_columns_are_of_their_declared_types(tmp_path: Path) -> None:
    text = '{"id": "NA", "load": 0.5, "more": []}\n\n{"load": "1e3"}\r\n{"id": 7.50, "load": null}\n'
    assert read(tmp_path, text) == [
        {"id": "NA", "load": 0.5},
        {"id": None, "load": 1000.0},
        {"id": "7.50", "load": None},
    ]


def test_a_file_without_lines_has_no_rows(tmp_path: Path) -> None:
    assert read(tmp_path, "\n") == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"id": "a"}\n', "column 'load' is missing"),
        (
            '{"id": "a", "load": 1}\n{"load": {"x": 1}}\n',
            "row 2: column 'load' holds a value that is not of type number",
        ),
        ('{"id": "a", "load": true}\n', "row 1: column 'load' holds a value that is not of type number"),
    ],
)
def test_a_value_of_another_type_is_named(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(DataError) as error:
        read(tmp_path, text)
    assert problem in str(error.value)
