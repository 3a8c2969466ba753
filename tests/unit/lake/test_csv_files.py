"""CSV files as systems write them: quotes, escapes, null words, headers, of any size."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nightshift.definition.source import PLAIN_CSV, CsvFormat
from nightshift.errors import DataError
from nightshift.lake import csv_files, landed_bytes
from nightshift.lake.csv_files import read_csv, repeated_header
from nightshift.lake.csv_grammar import CsvError, check_quotes
from nightshift.lake.landed_bytes import LandedBytes
from nightshift.lake.source_formats import read_source_file
from nightshift.lake.unreadable import UnreadableFileError
from unit.examples import examples

Rows = list[list[str | None]]


def written(**keys: Any) -> CsvFormat:
    return CsvFormat.model_validate(keys)


def rows_of(table: pa.Table) -> Rows:
    """The rows; empty quoted texts as null, as they are published."""
    return [[value or None for value in row.values()] for row in table.to_pylist()]


@contextmanager
def blocks_of(size: int) -> Iterator[None]:
    """Files are read in blocks of so many bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(landed_bytes, "BLOCK_BYTES", size)
        yield


def parse_csv(content: bytes, how: CsvFormat) -> pa.Table:
    return pa.concat_tables(read_csv(io.BytesIO(content), how))


def parsed(text: str, **keys: Any) -> Rows:
    return rows_of(parse_csv(text.encode(), written(**keys)))


@pytest.mark.parametrize(
    ("text", "keys", "expected"),
    [
        pytest.param('a,b\n"x,y",2\n', {}, [["x,y", "2"]], id="a separator in quotes"),
        pytest.param('a,b\n"x\ny",2\n', {}, [["x\ny", "2"]], id="a line end in quotes"),
        pytest.param('a,b\n"x ""y"" z",2\n', {}, [['x "y" z', "2"]], id="doubled quotes"),
        pytest.param('a,b\n5" pipe,2\n', {}, [['5" pipe', "2"]], id="a quote within an unquoted field"),
        pytest.param('a,b\n"NA",NA\n', {}, [["NA", None]], id="Namibia is quoted"),
        pytest.param('a,b\n"\\N",\\N\n', {}, [["\\N", None]], id="the missing value of databases"),
        pytest.param('a,b\n"",\nx,y\n', {}, [[None, None], ["x", "y"]], id="empty, quoted and not"),
        pytest.param("a,b\nNA,-\n", {"null": ["-"]}, [["NA", None]], id="other null words"),
        pytest.param("a,b\nNA,\n", {"null": []}, [["NA", None]], id="no null words"),
        pytest.param("a,b\n", {}, [], id="a header without rows"),
        pytest.param("\na,b", {}, [], id="a header without its line end"),
        pytest.param("a;b\n1,5;x\n", {"separator": ";"}, [["1,5", "x"]], id="semicolons"),
        pytest.param("a;b", {"separator": ";"}, [], id="a header without a line end"),
        pytest.param("a\tb\n1\tx\n", {"separator": "\t"}, [["1", "x"]], id="tabs"),
        pytest.param("a|b\n'1|2'|'it''s'\n", {"separator": "|", "quote": "'"}, [["1|2", "it's"]], id="single quotes"),
        pytest.param('a,b\n"x,y"\n', {"quote": "none"}, [['"x', 'y"']], id="no quotes"),
        pytest.param(
            'a,b\n"the \\"good\\" one",1\n"5\\" pipe",2\n',
            {"escape": "\\"},
            [['the "good" one', "1"], ['5" pipe', "2"]],
            id="quotes escaped by backslashes",
        ),
        pytest.param('a,b\n"x\\\\","y""z"\n', {"escape": "\\"}, [["x\\", 'y"z']], id="an escaped escape"),
        pytest.param('a,b\nx\\,y,"1,\\\n2"\n', {"escape": "\\"}, [["x,y", "1,\n2"]], id="escapes outside of quotes"),
        pytest.param('a,b\n\\N,"\\N"\n', {"escape": "\\"}, [[None, "N"]], id="a null word with the escape in it"),
        pytest.param(
            "a\tb\n\\N\tx\\\ty\n", {"escape": "\\", "quote": "none", "separator": "\t"}, [[None, "x\ty"]], id="MySQL"
        ),
        pytest.param('a,b\nx,"y"', {"escape": "\\", "quote": "none"}, [["x", '"y"']], id="quotes are text"),
        pytest.param('"a","b"\r\n"x","y"\r\n', {}, [["x", "y"]], id="Windows"),
        pytest.param('\ufeff"a",b\nx,y\n', {}, [["x", "y"]], id="a byte order mark before a quote"),
        pytest.param('\n\n"a\nz",b\nx,y\n', {}, [["x", "y"]], id="a header of two lines"),
        pytest.param("a,b\na,c\nb,a\n", {}, [["a", "c"], ["b", "a"]], id="some names of the header"),
    ],
)
def test_a_file_is_read_as_declared(text: str, keys: dict[str, Any], expected: Rows) -> None:
    assert parsed(text, **keys) == expected


@pytest.mark.parametrize(
    ("text", "keys", "problem"),
    [
        ('a,b\nx,1\n"the \\"good\\" one",1\n', {}, 'line 3: text behind a closing quote: "the \\"good'),
        ('a,b\n"x"y,1\n', {}, "line 2: text behind a closing quote"),
        ('a,b\n"x" ,1\n', {}, "line 2: text behind a closing quote"),
        ('a,b\n1,"x"y', {}, "line 2: text behind a closing quote"),
        ('a,b\n"x\n\n"y,1\n', {}, "line 2: text behind a closing quote"),
        ('a,b\n1,2\n1,"x\n1,2\n', {}, "line 3: a quote or an escape that is never closed"),
        ('a,b\n1,"x\\"\n', {"escape": "\\"}, "line 2: a quote or an escape that is never closed"),
    ],
)
def test_a_file_that_is_written_otherwise_is_refused(text: str, keys: dict[str, Any], problem: str) -> None:
    with pytest.raises(CsvError, match=re.escape(problem)):
        parsed(text, **keys)
    for ending, content in ((".csv", text.encode()), (".csv.gz", gzip.compress(text.encode()))):
        with pytest.raises(DataError, match=r"^file:///x\.csv.*: cannot be read: .*; fix: "):
            list(read_source_file(f"file:///x{ending}", LandedBytes(io.BytesIO(content)), written(**keys)))


@pytest.mark.parametrize(
    ("encoding", "problem"),
    [
        ("latin-1", "line 3: not written in UTF-8: caf\ufffd,"),
        ("utf-16", "line 1: not written in UTF-8, but probably in UTF-16"),
        ("utf-16-be", "line 1: not written in UTF-8, but probably in UTF-16"),
    ],
)
def test_a_file_in_another_encoding_is_named_with_its_line(encoding: str, problem: str) -> None:
    with pytest.raises(DataError, match=re.escape(problem)) as refusal:
        list(read_source_file("file:///x.csv", LandedBytes(io.BytesIO("a,b\nx,1\ncafé,2\n".encode(encoding)))))
    assert "fix: land the file again in UTF-8, or declare `encoding`" in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "keys", "row"),
    [
        ("a,b\n1,2\na,b\n3,4\n", {}, 1),
        ('a,b\n1,2\n"a","b"\n', {}, 1),
        ("a,b\n1,2\n\ufeffa,b\n", {}, 1),
        ("a,,NA\n1,2,3\n4,5,6\na,,NA\n", {}, 2),
        ("a\na\n", {}, 0),
        ("a;b\na;b\n", {"separator": ";"}, 0),
        ("a,b\n1,2\na,c\n,b\nA,B\n", {}, None),
        ("a,b\n", {}, None),
    ],
)
def test_a_row_that_is_the_header_is_located(text: str, keys: dict[str, Any], row: int | None) -> None:
    assert repeated_header(parse_csv(text.encode(), written(**keys)), written(**keys)) == row


FIELDS = st.text(st.sampled_from('ab,;"\\\n\r\t é'), max_size=12)
TABLES = st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(FIELDS, min_size=width, max_size=width), max_size=8))


def as_csv(rows: Sequence[Sequence[str]], **options: Any) -> bytes:
    buffer = io.StringIO()
    names = [f"column {number}" for number in range(len(rows[0]) if rows else 1)]
    csv.writer(buffer, **options).writerows([names, *rows])
    return buffer.getvalue().encode()


@examples(max_examples=150, deadline=None)
@given(
    TABLES, st.sampled_from(["\n", "\r\n"]), st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]), st.integers(1, 500)
)
@example([["x" * 5000, "a\nb" * 900]], "\n", csv.QUOTE_ALL, 1)
def test_what_is_written_is_read_whatever_the_size_of_a_block(
    rows: list[list[str]], line_end: str, quoting: int, more: int
) -> None:
    rows = rows * 20
    content = as_csv(rows, lineterminator=line_end, quoting=quoting)
    expected = [[value or None for value in row] for row in rows]
    for block in (landed_bytes.BLOCK_BYTES, 1000 + more, max(more, len(content) // 50)):
        with blocks_of(block):
            assert rows_of(parse_csv(content, PLAIN_CSV)) == expected


@examples(max_examples=500)
@given(
    st.text(st.sampled_from('ab,"\\\n\ré'), max_size=24),
    st.integers(1, 12),
    st.sampled_from(['"', "none"]),
    st.sampled_from([None, "\\"]),
)
@example(",a\r", 3, '"', None)
def test_blocks_give_the_rows_of_the_whole_file_or_refuse_it_too(
    text: str, block: int, quote: str, escape: str | None
) -> None:
    how = written(quote=quote, escape=escape)

    def read() -> Rows | None:
        try:
            return rows_of(parse_csv(("a,b\n" + text).encode(), how))
        except (UnreadableFileError, pa.ArrowInvalid):
            return None

    whole = read()
    with blocks_of(block):
        assert read() == whole


@examples(max_examples=150, deadline=None)
@given(TABLES, st.sampled_from([",", ";", "\t", "|"]), st.sampled_from(['"', "'"]))
def test_what_is_written_with_escapes_is_read(rows: list[list[str]], separator: str, quote: str) -> None:
    content = as_csv(
        rows,
        delimiter=separator,
        quotechar=quote,
        escapechar="\\",
        doublequote=False,
        quoting=csv.QUOTE_ALL,
        lineterminator="\n",
    )
    keys = {"separator": separator, "quote": quote, "escape": "\\"}
    for block in (landed_bytes.BLOCK_BYTES, 7, 50):
        with blocks_of(block):
            assert rows_of(parse_csv(content, written(**keys))) == [[value or None for value in row] for row in rows]


def test_a_row_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_files, "LONGEST_ROW", 50)
    with blocks_of(20):
        assert parsed("a,b\n" + "1,2\n" * 50) == [["1", "2"]] * 50
        for text in (f'"{"x" * 60}",2\n1,2\n', '"1,2\n' + "1,2\n" * 20):
            with pytest.raises(CsvError, match="line 3 is too long, or a quote in it is never closed"):
                parsed(f"a,b\n1,2\n{text}")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('"x"y,1', "line 1001: text behind a closing quote"),
        ('"x,1', "line 1001: a quote or an escape that is never closed"),
        ("caf\udce9,1", "line 1001: not written in UTF-8: caf"),
    ],
)
def test_a_problem_far_down_is_named_with_its_line(line: str, problem: str) -> None:
    text = "a,b\n" + '1,"2"\n' * 999 + line + "\n"
    with blocks_of(100), pytest.raises(CsvError, match=problem):
        parse_csv(text.encode("utf-8", "surrogateescape"), PLAIN_CSV)


def test_quoted_line_ends_in_a_file_of_many_blocks() -> None:
    """Arrow reads blocks of a megabyte by default."""
    note = '"' + "x" * 36 + "\n" + "y" * 36 + ', and ""more""\n' + "z" * 36 + '"'
    lines = "".join(f"i{number},1,{note if number % 2 else 'x' * 36}\n" for number in range(60_000))
    table = parse_csv(f"item,size,note\n{lines}".encode(), PLAIN_CSV)
    assert table.num_rows == 60_000
    assert table["item"].to_pylist() == [f"i{number}" for number in range(60_000)]


def test_a_field_may_be_longer_than_arrows_blocks() -> None:
    text = "line\n" * 500_000
    assert parsed(f'a,b\n"{text}",1\n') == [[text, "1"]]


@examples(max_examples=500)
@given(st.text(st.sampled_from('a,"\n'), max_size=14))
def test_a_file_is_refused_exactly_where_a_closing_quote_ends_no_field(text: str) -> None:
    """By a reader that goes letter by letter."""
    inside, at_start, bad = False, True, False
    for place, letter in enumerate(text):
        following = text[place + 1 : place + 2]
        if inside and letter == '"' and following == '"' and not at_start:
            at_start = True  # the second of two quotes is the text
        elif inside and letter == '"' and not at_start:
            inside, bad = False, bad or following not in {"", ",", "\n"}
        elif inside:
            at_start = False
        elif letter == '"' and at_start:
            inside, at_start = True, False
        else:
            at_start = letter in ",\n"
    header = "x,x,x,x,x\n"
    try:
        check_quotes((header + text).encode(), PLAIN_CSV)
        refused = False
    except CsvError:
        refused = True
    assert refused == (bad or inside)


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ('a\n"x \\"y\\" z"\n', 'declare `escape: "\\\\"` under `csv`'),
        ('a\n"x" y\n', "or declare under `csv` how it is written"),
        ('a\n"x', "or declare under `csv` how it is written"),
    ],
)
def test_the_repair_of_a_quote_that_ends_no_field(text: str, fix: str) -> None:
    with pytest.raises(CsvError) as caught:
        parsed(text)
    assert fix in caught.value.fix


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "latin-1", "utf-16"])
def test_a_file_is_read_in_the_encoding_that_its_source_declares(encoding: str) -> None:
    table = parse_csv("Störung,°C\nÖl,1\n".encode(encoding), written(encoding=encoding))
    assert table.to_pydict() == {"Störung": ["Öl"], "°C": ["1"]}


@pytest.mark.parametrize(
    ("content", "keys", "message"),
    [
        pytest.param("a,b\nx,y\nÖl,1\n".encode("cp1252"), {},
                     r"line 3: not written in UTF-8: .*declare `encoding`.*cp1252", id="Windows"),
        pytest.param(b"a,b\n\x81,1\n", {"encoding": "cp1252"}, r"line 2: not written in cp1252: \\x81,1", id="else"),
        pytest.param(b"a;b\n1,5;2\n", {}, r'no .,. in the header: a;b; fix: declare `separator: ";"`', id="semicolons"),
        pytest.param(b"a\tb\n1,5\t2\n", {}, r'fix: declare `separator: "\\t"`', id="tabs"),
        pytest.param(b"a,b\n1\n", {}, r"Expected 2 columns.*fix: land the complete file again", id="cut"),
    ],
)  # fmt: skip
def test_a_file_that_is_written_otherwise_than_declared_names_the_declaration(
    content: bytes, keys: dict[str, str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        list(read_source_file("file:///landing/plan.csv", LandedBytes(io.BytesIO(content)), written(**keys)))


def test_a_compressed_file_under_the_name_of_a_text_is_named_so() -> None:
    with pytest.raises(CsvError, match="compressed by gzip, which its name does not say"):
        parse_csv(gzip.compress(b"a,b\n1,2\n"), CsvFormat())
