"""A proposed source: what to write into a definition, with the evidence behind each line."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from nightshift.errors import shown

INDENT = "  "
NULL = "tag:yaml.org,2002:null"
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
    elif isinstance(value, list) and len(line) > LONGEST and all(isinstance(item, Mapping) for item in value):
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


def written(value: Any) -> str:
    """A value as YAML of one line, as a definition is read."""
    from ruamel.yaml import YAML

    yaml = YAML()
    # Braces need no quotes outside of lists and mappings.
    flow = not (isinstance(value, str) and value.isprintable() and value)
    yaml.default_flow_style = flow
    yaml.width = 1_000_000
    yaml.representer.add_representer(
        type(None), lambda make, _: make.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    sink = io.StringIO()
    yaml.dump({"k": value}, sink)
    text = sink.getvalue().strip()
    return text.removeprefix("{k: ").removesuffix("}") if flow else text.removeprefix("k: ")


def _comment(why: str) -> str:
    return f"  # {shown(why)}" if why else ""
