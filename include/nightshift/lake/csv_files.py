"""CSV files, as their source declares them: to tables of texts, in blocks of complete rows.

The rows do not depend on the size of a block: Arrow parses each by itself, so that no field lies across two.
"""

from __future__ import annotations

import io
import sys
from codecs import BOM_UTF16_BE, BOM_UTF16_LE, IncrementalDecoder, getincrementaldecoder
from collections.abc import Iterator
from typing import get_args

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv

from nightshift.definition.source import CsvFormat, Encoding
from nightshift.errors import shown
from nightshift.lake.csv_grammar import (
    LINE_END,
    CsvError,
    check_quotes,
    end_of_rows,
    header_of,
    quote_of,
    without_escapes,
)
from nightshift.lake.landed_bytes import Readable, chunks_of, with_last

MARK = b"\xef\xbb\xbf"  # the byte order mark, with which Windows begins a file in UTF-8
GZIP = b"\x1f\x8b"  # with which a file that gzip compressed begins
ENCODING = f"land the file again in UTF-8, or declare `encoding` under `csv`: {', '.join(get_args(Encoding))}"
OTHER_SEPARATORS = (b";", b"\t", b"|", b",")
LONGEST_ROW = 2**28  # bytes


def read_csv(file: Readable, written: CsvFormat) -> Iterator[pa.Table]:
    """Reads a CSV file with a header into columns of text; null words and empty unquoted fields are null.

    Args:
        file: The file.
        written: How it is written.

    Yields:
        The rows of a block, with the columns of the header; at least one table.

    Raises:
        CsvError: If it is written in another encoding, a quote stands where none may be, the header lacks the
            separator, or a row is too long.
        pyarrow.ArrowInvalid: If rows differ in their number of fields.
    """
    header, names = b"", list[str]()
    for block, line in _blocks(file, written):
        try:
            if not names:
                content = _plain(block, written, line)
                header = header_of(content, written)
                names = _read(header, written, []).column_names
                content = content if len(content) > len(header) else header  # a header alone may lack its line end
            else:
                content = header + _plain(block, written, line)
            yield _read(content, written, names)
        except (UnicodeDecodeError, pa.ArrowInvalid):
            _check_encoding(block, line)
            _check_separator(header_of(block, written) if not names else header, written)
            raise


def _blocks(file: Readable, written: CsvFormat) -> Iterator[tuple[bytes, int]]:
    """The file in UTF-8, in blocks of complete rows, each with the number of its first line; at least one."""
    rest, line, is_begun = b"", 1, False
    for chunk, is_last in with_last(_in_utf8(file, written.encoding)):
        content = rest + chunk
        if not is_begun:
            _check_is_text(content)
            content = content.removeprefix(MARK)
        end = len(content) if is_last else end_of_rows(content, written)
        if is_last or content[:end].strip(b"\r\n"):  # the first block has the header
            yield content[:end], line
            line += content.count(LINE_END, 0, end)
            rest, is_begun = content[end:], True
        else:
            rest = content
        if len(rest) > LONGEST_ROW:
            problem = f"line {line} is too long, or a quote in it is never closed"
            raise CsvError(problem, f"land it with rows of at most {LONGEST_ROW:,} bytes")


def _in_utf8(file: Readable, encoding: Encoding) -> Iterator[bytes]:
    """The file in UTF-8, in which Arrow reads; one that is declared to be in it is checked by Arrow."""
    if encoding == "utf-8":
        yield from chunks_of(file)
        return
    decoder, line = None, 1
    try:
        for chunk in chunks_of(file):
            decoder = decoder or _decoder_of(chunk, encoding)
            text = decoder.decode(chunk).encode()
            line += text.count(LINE_END)
            yield text
        if decoder is not None:
            yield decoder.decode(b"", final=True).encode()
    except UnicodeDecodeError as error:
        line += error.object.count(LINE_END, 0, error.start)
        field = shown(error.object[error.start : error.start + 20].decode("ascii", "backslashreplace"))
        raise CsvError(f"line {line}: not written in {encoding}: {field}", ENCODING) from None


def _decoder_of(content: bytes, encoding: Encoding) -> IncrementalDecoder:
    """The decoder of a file by its beginning; UTF-16 without a mark of its byte order is of this machine."""
    if encoding == "utf-16" and not content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return getincrementaldecoder(f"utf-16-{sys.byteorder[0]}e")()
    return getincrementaldecoder(encoding)()


def _plain(content: bytes, written: CsvFormat, line: int) -> bytes:
    """Complete rows as Arrow reads them, whose quotes are checked and whose escapes are doubled quotes."""
    if written.quote != "none":
        check_quotes(content, written, line)
    return content if written.escape is None else without_escapes(content, written)


def _check_separator(header: bytes, written: CsvFormat) -> None:
    """Refuses a file whose header has another separator than declared, and not that."""
    used = next((mark for mark in OTHER_SEPARATORS if mark in header), None)
    if used is not None and written.separator.encode() not in header:
        mark = used.decode().replace("\t", "\\t")
        problem = f"no '{written.separator}' in the header: {shown(header.decode().strip())}"
        raise CsvError(problem, f'declare `separator: "{mark}"` under `csv`')


def _check_is_text(content: bytes) -> None:
    """Refuses compressed files, and UTF-16, which Excel writes as "Unicode text": it has a zero in every character."""
    if content.startswith(GZIP):
        raise CsvError("compressed by gzip, which its name does not say", "land it compressed once, as `….csv.gz`")
    if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) or b"\0" in content[: content.find(LINE_END) + 1]:
        raise CsvError("line 1: not written in UTF-8, but probably in UTF-16", ENCODING)


def _check_encoding(content: bytes, line: int) -> None:
    """Refuses what is not UTF-8, such as Latin-1, by its first line that is not."""
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line += content.count(LINE_END, 0, error.start)
        before = content[: error.start].rsplit(LINE_END, 1)[-1][-20:]
        text = (before + content[error.start : error.start + 20].split(LINE_END)[0]).decode("utf-8", "replace")
        raise CsvError(f"line {line}: not written in UTF-8: {shown(text)}", ENCODING) from None


def _read(content: bytes, written: CsvFormat, names: list[str]) -> pa.Table:
    return pc_csv.read_csv(
        io.BytesIO(content),
        read_options=pc_csv.ReadOptions(block_size=len(content) + 1),
        parse_options=pc_csv.ParseOptions(
            delimiter=written.separator,
            quote_char=quote_of(written) or False,
            newlines_in_values=bool(quote_of(written)),
        ),
        convert_options=pc_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=["", *written.null],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def repeated_header(table: pa.Table, written: CsvFormat) -> int | None:
    """The index of the first row that is the header once more, as files that are put behind each other have it.

    Args:
        table: A parsed file.
        written: How it is written.

    Returns:
        The index; None if there is no such row.
    """
    if not table.num_columns or not table.num_rows:
        return None
    repeated = pa.chunked_array([pa.repeat(True, table.num_rows)])
    for name, values in zip(table.column_names, table.columns, strict=True):
        missing = [None] if name in {"", *written.null} else []
        spellings = pa.array([name, MARK.decode() + name, *missing], pa.string())
        repeated = pc.and_(repeated, pc.is_in(values, spellings))
        if not pc.any(repeated).as_py():
            return None
    return int(pc.index(repeated, True).as_py())
