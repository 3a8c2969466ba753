"""CSV files, as their source declares them: to a table of texts.

The rows do not depend on the size of the file: Arrow parses it as one block, so that no field lies across two. A file
that is too large for a block is divided between rows.
"""

from __future__ import annotations

import io
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv

from nightshift.definition.source import CsvFormat, Encoding
from nightshift.errors import shown
from nightshift.lake.unreadable import UnreadableFileError

MARK = b"\xef\xbb\xbf"  # the byte order mark, with which Windows begins a file in UTF-8
GZIP = b"\x1f\x8b"  # with which a file that gzip compressed begins
LINE_END = b"\n"
ENCODING = f"land the file again in UTF-8, or declare `encoding` under `csv`: {', '.join(get_args(Encoding))}"
OTHER_SEPARATORS = (b";", b"\t", b"|", b",")
LARGEST_BLOCK = 2**30  # bytes; Arrow's own limit is twice as large


class CsvError(UnreadableFileError):
    """A CSV file that is not written as its source declares."""

    def __init__(
        self, problem: str, fix: str = "land the file again, or declare under `csv` how it is written"
    ) -> None:
        super().__init__(problem, fix)


def parse_csv(content: bytes, written: CsvFormat) -> pa.Table:
    """Parses a CSV file with a header into columns of text; null words and empty unquoted fields are null.

    Args:
        content: The file.
        written: How it is written.

    Raises:
        CsvError: If it is written in another encoding, a quote stands where none may be, or the header lacks the
            separator.
        pyarrow.ArrowInvalid: If rows differ in their number of fields.
    """
    content = _in_utf8(content, written.encoding).removeprefix(MARK)
    try:
        return _parse(content, written)
    except (UnicodeDecodeError, pa.ArrowInvalid):
        _check_encoding(content)
        _check_separator(content, written)
        raise


def _parse(content: bytes, written: CsvFormat) -> pa.Table:
    _check_is_text(content)
    if written.quote != "none":
        _check_quotes(content, written)
    if written.escape is not None:
        content = _without_escapes(content, written)
    header = _header(content, written)
    content = content if len(content) > len(header) else header  # a header alone may lack its line end
    names = _read(header, written, []).column_names
    return pa.concat_tables(_read(block, written, names) for block in _blocks(content, header, written))


def _in_utf8(content: bytes, encoding: Encoding) -> bytes:
    """The file in UTF-8, in which Arrow reads; one that is declared to be in it is checked by Arrow."""
    if encoding == "utf-8":
        return content
    try:
        return content.decode(encoding).encode()
    except UnicodeDecodeError as error:
        line = content.count(LINE_END, 0, error.start) + 1
        field = shown(content[error.start : error.start + 20].decode("ascii", "backslashreplace"))
        raise CsvError(f"line {line}: not written in {encoding}: {field}", ENCODING) from None


def _check_separator(content: bytes, written: CsvFormat) -> None:
    """Refuses a file whose header has another separator than declared, and not that."""
    header = _header(content, written)
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


def _check_encoding(content: bytes) -> None:
    """Refuses what is not UTF-8, such as Latin-1, by its first line that is not."""
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(LINE_END, 0, error.start) + 1
        before = content[: error.start].rsplit(LINE_END, 1)[-1][-20:]
        text = (before + content[error.start : error.start + 20].split(LINE_END)[0]).decode("utf-8", "replace")
        raise CsvError(f"line {line}: not written in UTF-8: {shown(text)}", ENCODING) from None


def _blocks(content: bytes, header: bytes, written: CsvFormat) -> Iterator[bytes]:
    """The file in blocks of complete rows, each with the header."""
    if len(content) <= LARGEST_BLOCK:
        yield content
        return
    rows, end = re.compile(rb"(?:%b(?:\r\n?|\n))*+" % _row(written), re.DOTALL), 0
    while end < len(content):
        start, last = end, end + LARGEST_BLOCK
        match = rows.match(content, start, last)
        end = match.end() if match and last < len(content) else len(content)
        if end == start:
            raise CsvError(
                f"line {content.count(LINE_END, 0, start) + 1} is too long", "land it without its longest field"
            )
        yield (header if start else b"") + content[start:end]


def _read(content: bytes, written: CsvFormat, names: list[str]) -> pa.Table:
    return pc_csv.read_csv(
        io.BytesIO(content),
        read_options=pc_csv.ReadOptions(block_size=len(content) + 1),
        parse_options=pc_csv.ParseOptions(
            delimiter=written.separator,
            quote_char=_quote(written) or False,
            newlines_in_values=bool(_quote(written)),
        ),
        convert_options=pc_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=["", *written.null],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _quote(written: CsvFormat) -> str:
    """The character around quoted text; empty if there is none. Without escapes there is one in any case."""
    if written.quote == "none":
        return '"' if written.escape is not None else ""
    return written.quote


def _classes(written: CsvFormat) -> tuple[bytes, bytes, bytes]:
    """For regular expressions: the quote, the escape (never matched if there is none), and what ends a field."""
    quote, separator = (re.escape(text.encode()) for text in (_quote(written), written.separator))
    return quote, re.escape((written.escape or "\0").encode()), separator + rb"\r\n"


def _quoted(written: CsvFormat) -> bytes:
    """A regular expression of quoted text. Possessive, as all here: a large file is matched in linear time."""
    quote, escape, _ = _classes(written)
    return rb"%b(?:[^%b%b]++|%b.|%b%b)*+%b" % (quote, quote, escape, escape, quote, quote, quote)


def _quotes_pair(content: bytes, written: CsvFormat) -> bool:
    """Whether all quotes open and close fields or are doubled: nearly always, and quicker to see than by a grammar."""
    data = np.frombuffer(content, np.uint8)
    quotes = np.flatnonzero(data == ord(written.quote))
    if len(quotes) % 2:
        return False
    opening, closing = quotes[::2], quotes[1::2]
    ends = np.frombuffer(f"{written.separator}\r\n".encode(), np.uint8)
    doubled = opening[1:] == closing[:-1] + 1
    begins, stops = np.isin(data[opening[1:] - 1], ends), np.isin(data[closing[:-1] + 1], ends)
    if not bool(np.all((begins & stops) | doubled)):
        return False
    outermost = (
        content[opening[0] - 1 : opening[0]] + content[closing[-1] + 1 : closing[-1] + 2] if len(quotes) else b""
    )
    return all(byte in ends for byte in outermost)


def _check_quotes(content: bytes, written: CsvFormat) -> None:
    """Refuses text behind a closing quote, and a quote that is never closed."""
    if written.escape is None and _quotes_pair(content, written):
        return
    quote, escape, ends = _classes(written)
    bare = rb"[^%b%b]++|%b." % (quote, escape, escape)
    inner = rb"(?<=[^%b])%b" % (ends, quote)  # a quote within an unquoted field is that character
    closed = rb"%b(?=[%b]|\Z)" % (_quoted(written), ends)
    valid = re.match(rb"(?:%b|%b|%b)*+" % (bare, inner, closed), content, re.DOTALL)
    end = valid.end() if valid else 0
    if end == len(content):
        return
    text = re.compile(_quoted(written), re.DOTALL).match(content, end)
    problem = "text behind a closing quote" if text else "a quote or an escape that is never closed"
    field = content[end : text.end() + 20 if text else end + 60].decode("utf-8", "replace")
    message = f"line {content.count(LINE_END, 0, end) + 1}: {problem}: {shown(field)}"
    if text and text[0].endswith(b"\\" + written.quote.encode()):
        raise CsvError(message, 'declare `escape: "\\\\"` under `csv` if quotes within text are escaped by backslashes')
    raise CsvError(message)


def _without_escapes(content: bytes, written: CsvFormat) -> bytes:
    """The file with doubled quotes in place of escapes, and null words as empty fields."""
    quote, escape = _quote(written).encode(), str(written.escape).encode()
    _, mark, ends = _classes(written)
    words = {word.encode() for word in written.null}
    field = rb"(?:[^%b%b]++|%b.)++" % (ends, mark, mark)
    if written.quote != "none":
        field = rb"(?<![^%b])%b|%b" % (ends, _quoted(written), field)

    def rewrite(match: re.Match[bytes]) -> bytes:
        text = match[0]
        if text in words:
            return b""
        if escape not in text and quote not in text:
            return text
        if written.quote != "none" and text.startswith(quote):
            text = text[1:-1].replace(quote * 2, escape + quote)
        plain = re.sub(rb"%b(.)" % mark, rb"\1", text, flags=re.DOTALL)
        return quote + plain.replace(quote, quote * 2) + quote

    return re.sub(field, rewrite, content, flags=re.DOTALL)


def _row(written: CsvFormat) -> bytes:
    """A regular expression of a row without escapes and without its line end; quoted text may have line ends."""
    if not _quote(written):
        return rb"[^\r\n]*+"
    plain = written.model_copy(update={"escape": None})
    quote, _, ends = _classes(plain)
    return rb"(?:[^%b\r\n]++|(?<=[^%b])%b|%b)*+" % (quote, ends, quote, _quoted(plain))


def _header(content: bytes, written: CsvFormat) -> bytes:
    """The first line that is not empty."""
    match = re.match(rb"[\r\n]*+%b" % _row(written), content, re.DOTALL)
    return match[0] + LINE_END if match else content


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
