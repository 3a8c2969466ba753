"""Commands as tests call them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from nightshift.cli import main
from nightshift.settings import get_settings


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Command = Callable[..., Ended]


@contextmanager
def commands_in_this_process(
    environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[Any]
) -> Iterator[Command]:
    """Runs commands in this process, which is quicker, with settings from variables."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()

    def run(*words: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["nightshift", *words])
        capture.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return Ended(int(ended.value.code or 0), *capture.readouterr())

    yield run
    get_settings.cache_clear()
