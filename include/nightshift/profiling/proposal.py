"""A proposed source: the values to write into a definition, each with its evidence, rendered as YAML."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from textwrap import wrap
from typing import Any

from nightshift.definition.yaml_bounds import UNDECIDED
from nightshift.errors import shown

INDENT = "  "
# Durations; and texts that begin like a word and contain nothing that YAML reads as syntax.
_PLAIN_INSIDE = re.compile(r"-?\d+[smhd]|[A-Za-z_](?:[\w./+()%<>=*-]|(?<=\S) (?=\S))*", re.ASCII)
_PLAIN = re.compile(r"-?\d+[smhd]|[A-Za-z_(](?:[^:# ]|:(?=[^ ])|(?<=\S) (?=[^ #])|(?<=[^ ])#)*")
_YAML_KEYWORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))
MAX_INLINE = 128  # characters of a mapping on one line
MAX_WRAPPED = 200  # characters of a mapping on two lines
MAX_LINE = 110  # characters of a text on one line


@dataclass(frozen=True)
class ProposedValue:
    """A value to write into a definition.

    Attributes:
        value: The value, as a definition writes it.
        evidence: What the files show that supports it; empty if there is nothing to say.
        undecided: Whether a person has to decide: `evidence` is the question.
    """

    value: Any
    evidence: str = ""
    undecided: bool = False


@dataclass(frozen=True)
class ProposedSection:
    """A mapping to write into a definition.

    Attributes:
        entries: The values and sections, by key.
        evidence: A comment on the section.
    """

    entries: Mapping[str, ProposedValue | ProposedSection]
    evidence: str = ""


@dataclass(frozen=True)
class Proposal:
    """A source to write into a definition.

    Attributes:
        name: The source.
        source: Its section of the definition.
        heading: The files it was proposed from.
        notes: Notes for the reader that belong to no line.
        shared: Whether it is the content of a file of its own, not a section of a definition.
    """

    name: str
    source: ProposedSection
    heading: str
    notes: tuple[str, ...] = ()
    shared: bool = False

    @property
    def values(self) -> dict[str, Any]:
        """The source's section without evidence."""
        return plain_values(self.source)

    def to_yaml(self) -> str:
        """YAML to paste into a definition, with the evidence as comments."""
        section = ProposedSection({"sources": ProposedSection({self.name: self.source})})
        document = self.source if self.shared else section
        return render_yaml(document, [self.heading])


def render_yaml(document: ProposedSection, heading: Sequence[str]) -> str:
    """A section as YAML, below lines of comment."""
    return "\n".join([*(f"# {shown(line)}" for line in heading), *_section_lines(document, "")]) + "\n"


def plain_values(section: ProposedSection) -> dict[str, Any]:
    """A section without its evidence."""
    return {
        key: plain_values(entry) if isinstance(entry, ProposedSection) else entry.value
        for key, entry in section.entries.items()
    }


def without_evidence(section: ProposedSection) -> ProposedSection:
    """A section without its comments."""
    entries = {
        key: without_evidence(entry) if isinstance(entry, ProposedSection) else ProposedValue(entry.value)
        for key, entry in section.entries.items()
    }
    return ProposedSection(entries)


def _section_lines(section: ProposedSection, indent: str) -> Iterator[str]:
    for key, entry in section.entries.items():
        if isinstance(entry, ProposedValue):
            yield from _value_lines(key, entry, indent)
        elif entry.entries and all(
            isinstance(child, ProposedValue) and not child.evidence and not child.undecided
            for child in entry.entries.values()
        ):
            yield from _value_lines(key, ProposedValue(plain_values(entry), entry.evidence), indent)
        elif question := _single_question(entry):
            name, child = question
            value = f"{{{inline_yaml(name, True)}: {UNDECIDED} {inline_yaml(child.value, True)}}}"
            yield f"{indent}{inline_yaml(key)}: {value}{_comment(child.evidence)}"
        else:
            yield f"{indent}{inline_yaml(key)}:{_comment(entry.evidence)}"
            yield from _section_lines(entry, indent + INDENT)


def _single_question(section: ProposedSection) -> tuple[str, ProposedValue] | None:
    """The only value of a section, if a person has to decide it."""
    entries = list(section.entries.items())
    if len(entries) == 1 and isinstance(entries[0][1], ProposedValue) and entries[0][1].undecided:
        return entries[0][0], entries[0][1]
    return None


def _value_lines(name: str, entry: ProposedValue, indent: str) -> Iterator[str]:
    """The lines of a value: one line, or an indented block where that would be too long."""
    value, key, comment = entry.value, f"{indent}{inline_yaml(name)}:", _comment(entry.evidence)
    if entry.undecided:
        yield f"{key} {UNDECIDED} {inline_yaml(value)}{comment}"
        return
    line = f"{key} {inline_yaml(value)}"
    if isinstance(value, Mapping) and value and MAX_INLINE < len(line) <= MAX_WRAPPED and _is_flat(value):
        *lines, last = _wrapped(key, value, indent)
        yield from lines
        yield f"{last}{comment}"
    elif isinstance(value, Mapping) and value and len(line) > MAX_INLINE:
        yield f"{key}{comment}"
        children = {str(child): ProposedValue(child_value) for child, child_value in value.items()}
        yield from _section_lines(ProposedSection(children), indent + INDENT)
    elif (
        isinstance(value, list) and value and len(line) > MAX_LINE and all(isinstance(item, Mapping) for item in value)
    ):
        yield f"{key}{comment}"
        yield from (f"{indent}{INDENT}- {inline_yaml(item)}" for item in value)
    elif isinstance(value, str) and len(line) > MAX_LINE and _can_be_folded(value):
        yield f"{key} >-{comment}"
        yield from wrap(
            value, MAX_LINE, initial_indent=indent + INDENT, subsequent_indent=indent + INDENT,
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
    else:
        yield f"{line}{comment}"


def _wrapped(key: str, value: Mapping[str, Any], indent: str) -> Iterator[str]:
    """A mapping on lines that end between two entries."""
    line = f"{key} {{"
    entries = [f"{inline_yaml(name, True)}: {inline_yaml(entry, True)}" for name, entry in value.items()]
    for number, entry in enumerate(entries):
        text = entry + ("," if number < len(entries) - 1 else "}")
        if number and len(line) + len(text) + 1 > MAX_LINE:
            yield line
            line = indent + INDENT + text
        else:
            line += f" {text}" if number else text
    yield line


def _is_flat(value: Mapping[str, Any]) -> bool:
    return not any(isinstance(entry, Mapping) for entry in value.values())


def _can_be_folded(text: str) -> bool:
    return text.isprintable() and text.split(" ") == text.split()


def inline_yaml(value: Any, inside: bool = False) -> str:
    """Renders a value as one line of YAML that a definition reads back unchanged.

    Args:
        value: The value.
        inside: Whether it is part of a list or mapping on the same line.
    """
    match value:
        case Mapping():
            entries = (f"{inline_yaml(key, True)}: {inline_yaml(entry, True)}" for key, entry in value.items())
            return "{" + ", ".join(entries) + "}"
        case list() | tuple():
            return "[" + ", ".join(inline_yaml(item, True) for item in value) + "]"
        case str():
            return value if _is_plain(value, inside) else _quoted(value)
        case date():
            return value.isoformat()
        case bool() | None:
            return {True: "true", False: "false", None: "null"}[value]
        case _:
            return repr(value)


def _is_plain(text: str, inside: bool) -> bool:
    """Whether a text needs no quotes, also for readers that take `no` for false."""
    if text.lower() in _YAML_KEYWORDS or not text.isprintable():
        return False
    return bool((_PLAIN_INSIDE if inside else _PLAIN).fullmatch(text))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    characters = (char if char.isprintable() else f"\\U{ord(char):08X}" for char in escaped)
    return '"' + "".join(characters) + '"'


def _comment(evidence: str) -> str:
    return f"  # {shown(evidence)}" if evidence else ""
