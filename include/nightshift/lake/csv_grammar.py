"""The grammar of CSV files: where rows end, which quotes may stand where, and what escapes mean."""

from __future__ import annotations

import re

import numpy as np

from nightshift.definition.source import CsvFormat
from nightshift.errors import shown
from nightshift.lake.unreadable import UnreadableFileError

LINE_END = b"\n"


class CsvError(UnreadableFileError):
    """A CSV file that is not written as its source declares."""

    def __init__(
        self, problem: str, fix: str = "land the file again, or declare under `csv` how it is written"
    ) -> None:
        super().__init__(problem, fix)


def end_of_rows(content: bytes, written: CsvFormat) -> int:
    """Where the last complete row ends; 0 if none is complete.

    Args:
        content: The file from the beginning of a row on, maybe not to its end.
        written: How it is written.
    """
    marks = [] if written.quote == "none" else [written.quote]
    marks += [] if written.escape is None else [written.escape]
    end = content.rfind(LINE_END) + 1
    if end and not any(mark.encode() in content for mark in marks):
        return end
    if end and written.escape is None:
        quotes = np.flatnonzero(np.frombuffer(content, np.uint8) == ord(written.quote))
        while (before := int(np.searchsorted(quotes, end))) % 2:  # a line end within quoted text
            end = content.rfind(LINE_END, 0, quotes[before - 1]) + 1
        if end and _quotes_pair(content[:end], written):
            return end
    match = re.match(rb"(?:%b(?:\r\n?|\n))*+" % _row(written), content, re.DOTALL)
    return match.end() if match else 0


def header_of(content: bytes, written: CsvFormat) -> bytes:
    """The first line that is not empty, of content without escapes."""
    plain = written.model_copy(update={"escape": None, "quote": quote_of(written) or "none"})
    match = re.match(rb"[\r\n]*+%b" % _row(plain), content, re.DOTALL)
    return match[0] + LINE_END if match else content


def check_quotes(content: bytes, written: CsvFormat, line: int = 1) -> None:
    """Refuses text behind a closing quote, and a quote that is never closed.

    Args:
        content: Complete rows.
        written: How they are written.
        line: The number of their first line.

    Raises:
        CsvError: At the first such quote.
    """
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
    message = f"line {line + content.count(LINE_END, 0, end)}: {problem}: {shown(field)}"
    if text and text[0].endswith(b"\\" + written.quote.encode()):
        raise CsvError(message, 'declare `escape: "\\\\"` under `csv` if quotes within text are escaped by backslashes')
    raise CsvError(message)


def without_escapes(content: bytes, written: CsvFormat) -> bytes:
    """The file with doubled quotes in place of escapes, and null words as empty fields."""
    quote, escape = quote_of(written).encode(), str(written.escape).encode()
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


def quote_of(written: CsvFormat) -> str:
    """The character around quoted text; empty if there is none. Without escapes there is one in any case."""
    if written.quote == "none":
        return '"' if written.escape is not None else ""
    return written.quote


def _classes(written: CsvFormat) -> tuple[bytes, bytes, bytes]:
    """For regular expressions: the quote, the escape (never matched if there is none), and what ends a field."""
    quote, separator = (re.escape(text.encode()) for text in (quote_of(written), written.separator))
    return quote, re.escape((written.escape or "\0").encode()), separator + rb"\r\n"


def _quoted(written: CsvFormat) -> bytes:
    """A regular expression of quoted text. Possessive, as all here: a large file is matched in linear time."""
    quote, escape, _ = _classes(written)
    return rb"%b(?:[^%b%b]++|%b.|%b%b)*+%b" % (quote, quote, escape, escape, quote, quote, quote)


def _row(written: CsvFormat) -> bytes:
    """A regular expression of a row without its line end; quoted text may have line ends."""
    quote, escape, ends = _classes(written)
    escape, escaped = (b"", b"") if written.escape is None else (escape, rb"|%b." % escape)
    if written.quote == "none":
        return rb"(?:[^%b\r\n]++%b)*+" % (escape, escaped)
    return rb"(?:[^%b%b\r\n]++%b|(?<=[^%b])%b|%b)*+" % (quote, escape, escaped, ends, quote, _quoted(written))


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
