"""A proposed source: what to write into a definition, with the evidence behind each line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from nightshift.errors import shown

INDENT = "  "
# Durations; and what begins like a word and has nothing in it that YAML reads as more than text.
_INSIDE = re.compile(r"-?\d+[smhd]|[A-Za-z_](?:[\w./+()%<>=*-]|(?<=\S) (?=\S))*", re.ASCII)
_PLAIN = re.compile(r"-?\d+[smhd]|[A-Za-z_(](?:[^:# ]|:(?=[^ ])|(?<=\S) (?=[^ #])|(?<=[^ ])#)*")
_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))
INLINE = 88  # characters of a part that is written on one line
LONGEST = 110  # characters of a text that is


@dataclass(frozen=True)
class Told:
    """Something to write, and why.

    Attributes:
        value: As a definition writes it.
        why: What was seen that speaks for it; empty if there is nothing to say.
    """

    value: Any
    why: str = ""


@dataclass(frozen=True)
class Part:
    """A part of a definition, line by line.

    Attributes:
        lines: What is written by key.
        why: What is said of all of it.
    """

    lines: Mapping[str, Told | Part]
    why: str = ""


@dataclass(frozen=True)
class Proposal:
    """What is proposed of a source.

    Attributes:
        name: The source.
        source: Its part of a definition.
        heading: What it was made from.
        notes: What else is worth knowing.
    """

    name: str
    source: Part
    heading: str
    notes: tuple[str, ...] = ()

    @property
    def values(self) -> dict[str, Any]:
        """The source as a definition holds it."""
        return plain_values(self.source)

    def text(self) -> str:
        """YAML to paste into a definition."""
        whole = Part({"sources": Part({self.name: self.source})})
        return "\n".join([_comment(self.heading).strip(), *_lines(whole, "")]) + "\n"


def plain_values(part: Part) -> dict[str, Any]:
    """A part without its evidence."""
    return {name: plain_values(one) if isinstance(one, Part) else one.value for name, one in part.lines.items()}


def _lines(part: Part, indent: str) -> Iterator[str]:
    for name, one in part.lines.items():
        if isinstance(one, Told):
            yield from _told(name, one, indent)
        elif one.lines and all(isinstance(line, Told) and not line.why for line in one.lines.values()):
            yield from _told(name, Told(plain_values(one), one.why), indent)
        else:
            yield f"{indent}{written(name)}:{_comment(one.why)}"
            yield from _lines(one, indent + INDENT)


def _told(name: str, one: Told, indent: str) -> Iterator[str]:
    """On one line, or where that is too long as a block of its own."""
    value, key, why = one.value, f"{indent}{written(name)}:", _comment(one.why)
    line = f"{key} {written(value)}"
    if isinstance(value, Mapping) and value and len(line) > INLINE:
        yield f"{key}{why}"
        yield from _lines(Part({str(below): Told(told) for below, told in value.items()}), indent + INDENT)
    elif isinstance(value, list) and value and len(line) > LONGEST and all(isinstance(item, Mapping) for item in value):
        yield f"{key}{why}"
        yield from (f"{indent}{INDENT}- {written(item)}" for item in value)
    elif isinstance(value, str) and len(line) > LONGEST and _can_be_folded(value):
        yield f"{key} >-{why}"
        yield from wrap(
            value, LONGEST, initial_indent=indent + INDENT, subsequent_indent=indent + INDENT,
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
    else:
        yield f"{line}{why}"


def _can_be_folded(text: str) -> bool:
    return text.isprintable() and text.split(" ") == text.split()


def written(value: Any, inside: bool = False) -> str:
    """A value as YAML of one line, as a definition is read.

    Args:
        value: The value.
        inside: Whether it is part of a list or mapping on the same line.
    """
    match value:
        case Mapping():
            return "{" + ", ".join(f"{written(key, True)}: {written(one, True)}" for key, one in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(written(one, True) for one in value) + "]"
        case str():
            return value if _is_plain(value, inside) else _quoted(value)
        case bool() | None:
            return {True: "true", False: "false", None: "null"}[value]
        case _:
            return repr(value)


def _is_plain(text: str, inside: bool) -> bool:
    """Whether a text needs no quotes, also for those who take `no` for false."""
    if text.lower() in _WORDS or not text.isprintable():
        return False
    return bool((_INSIDE if inside else _PLAIN).fullmatch(text))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(one if one.isprintable() else f"\\U{ord(one):08X}" for one in escaped) + '"'


def _comment(why: str) -> str:
    return f"  # {shown(why)}" if why else ""
