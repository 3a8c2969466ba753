from __future__ import annotations

import pytest

from nightshift.errors import DataError, NightshiftError, NotYetAvailable, TerminalError, TransientError


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


@pytest.mark.parametrize(
    ("kind", "parent"),
    [(DataError, TerminalError), (NotYetAvailable, TransientError), (TransientError, NightshiftError)],
)
def test_whether_to_try_again_follows_from_the_type(kind: type, parent: type) -> None:
    assert issubclass(kind, parent)
    assert not issubclass(kind, TerminalError) or not issubclass(kind, TransientError)
