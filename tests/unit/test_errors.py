from __future__ import annotations

import pytest

from nightshift.errors import (
    LONGEST,
    DataError,
    NightshiftError,
    NotYetAvailable,
    TerminalError,
    TransientError,
    first_line,
    shown,
)


def test_an_error_is_one_line_that_answers_five_questions() -> None:
    error = TerminalError("bad value", where="file:3", received="x", allowed=["a", "b"], fix="write a")
    assert str(error) == "file:3: bad value; received 'x'; allowed: a, b; fix: write a"


def test_an_error_says_only_what_is_known() -> None:
    assert str(TerminalError("bad value")) == "bad value"
    assert str(TerminalError("bad value", received=0, allowed="one of a, b")) == (
        "bad value; received 0; allowed: one of a, b"
    )


def test_an_error_stays_on_one_line_whatever_it_received() -> None:
    assert "\n" not in str(TerminalError("bad\nvalue", where="a\nb", received="x\ny", allowed=["1\n2"], fix="3\n4"))


@pytest.mark.parametrize("part", ["what", "where", "received", "allowed", "fix"])
@pytest.mark.parametrize("odd", ["\x00", "\x1b[31m", "\r", "\t", "\x85", "\u202e", "\udc80", "\u2028"])
def test_nothing_in_an_error_is_unprintable(part: str, odd: str) -> None:
    told = {"what": "bad", part: f"a{odd}b"}
    line = str(TerminalError(told.pop("what"), **told))
    assert line.isprintable()
    assert line.encode()
    assert f"a{odd.encode('unicode_escape').decode()}b" in line


def test_letters_of_any_language_and_backslashes_stay_as_they_are() -> None:
    assert str(TerminalError("größe 大きさ C:\\x00")) == "größe 大きさ C:\\x00"
    assert shown("größe \\x00") == "größe \\x00"


def test_an_error_shows_no_more_of_a_long_value_than_fits_a_log() -> None:
    line = str(TerminalError("bad value", received="x" * 100_000, fix="write a"))
    assert line == f"bad value; received '{'x' * (LONGEST - 1)}…; fix: write a"
    fits = "x" * (LONGEST - 2)
    assert str(TerminalError("bad value", received=fits)) == f"bad value; received '{fits}'"


@pytest.mark.parametrize("text", ["x" * LONGEST, "x" * (LONGEST + 1), "\x00" * LONGEST, "\x00" * 100_000])
def test_what_is_quoted_is_cut_after_it_was_escaped(text: str) -> None:
    told, whole = shown(text), text.replace("\x00", "\\x00")
    assert told == (whole if len(whole) <= LONGEST else f"{whole[:LONGEST]}…")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("no\nbecause"), "no"),
        (ValueError("\n  no\nbecause"), "no"),
        (ValueError("a\x00b\x85c"), "a\\x00b\\x85c"),
        (ValueError("x" * 1000), "x" * LONGEST + "…"),
        (EOFError(), "EOFError"),
    ],
)
def test_of_a_librarys_error_the_first_line_is_told(error: Exception, line: str) -> None:
    assert first_line(error) == line


@pytest.mark.parametrize(
    ("kind", "parent"),
    [(DataError, TerminalError), (NotYetAvailable, TransientError), (TransientError, NightshiftError)],
)
def test_whether_to_try_again_follows_from_the_type(kind: type, parent: type) -> None:
    assert issubclass(kind, parent)
    assert not issubclass(kind, TerminalError) or not issubclass(kind, TransientError)
