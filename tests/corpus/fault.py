"""What a fault is, what may become of it, and the register of all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal


@dataclass(frozen=True)
class Landed:
    """A good landing file and what lies around it.

    Attributes:
        good: The file.
        yesterday: The source's file of the day before.
        last_week: The source's file of the same weekday a week before.
        others: The files of the other sources that the night needs.
        random: Seeded by the fault's name: the same file in every run.
    """

    good: bytes
    yesterday: bytes
    last_week: bytes
    others: Mapping[str, bytes]
    random: Random


@dataclass(frozen=True)
class Refused:
    """Nothing is published, and the message says what and where."""

    at: Literal["ingest", "audit"]
    says: str


@dataclass(frozen=True)
class SetAside:
    """So many rows are set aside because of a column; all others are published as they would have been."""

    column: str
    rows: int


@dataclass(frozen=True)
class Warned:
    """Published as it is, with a warning."""

    says: str


@dataclass(frozen=True)
class Harmless:
    """What is published is what the good file gives, value by value."""


Outcome = Refused | SetAside | Warned | Harmless
Form = Literal["csv", "csv.gz", "parquet"]


@dataclass(frozen=True)
class Fault:
    """One way in which a landed file is wrong.

    Attributes:
        name: Its name.
        source: Whose file it is.
        outcome: What becomes of it; None if it gets through unnoticed, see `not_caught.py`.
        make: The faulty file from the good one.
        form: How the file lands; another form than CSV is another `path` in the definition.
        back: How many days before the newest file of the night: a file that lands again.
    """

    name: str
    source: str
    outcome: Outcome | None
    make: Callable[[Landed], bytes]
    form: Form = "csv"
    back: int = 0

    @property
    def description(self) -> str:
        return (self.make.__doc__ or "").strip()


FAULTS: dict[str, Fault] = {}


def fault(
    source: str, outcome: Outcome | None, *, form: Form = "csv", back: int = 0
) -> Callable[[Callable[[Landed], bytes]], Callable[[Landed], bytes]]:
    """Registers a function under its name; its docstring is the description."""

    def register(make: Callable[[Landed], bytes]) -> Callable[[Landed], bytes]:
        name = make.__name__
        assert name not in FAULTS, f"two faults are called {name}"
        assert make.__doc__, f"{name} has no description"
        FAULTS[name] = Fault(name, source, outcome, make, form, back)
        return make

    return register
