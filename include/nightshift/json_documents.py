"""Reads the JSON documents that Nightshift keeps: small records, and the files of tasks and jobs.

A document may be damaged by a full disk or by hand, or lie there by mistake. Where each is an entry of many, it is
skipped with a warning that names it, and stays where it is, so that the others count; where it is the only document,
the reader fails with one line.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Hashable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from nightshift.errors import TerminalError

log = logging.getLogger(__name__)

T = TypeVar("T")


def parse_object(content: bytes, where: str, keys: Mapping[str, type | tuple[type, ...]], fix: str) -> dict[str, Any]:
    """The object of a JSON document.

    Args:
        content: The document.
        where: Its name or address.
        keys: The keys that it must have, each with the types of its value; further keys may be there.
        fix: What to do about a document that is damaged.

    Raises:
        TerminalError: If it is no such object; nothing of it is quoted.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):  # as half of a document, other bytes, or brackets without end
        problem = "is empty" if not content.strip(b"\0 \t\r\n") else "is not valid JSON"
        raise TerminalError(f"the file is damaged: it {problem}", where=where, fix=fix) from None
    if not isinstance(document, dict):
        raise TerminalError("the file is damaged: it is not an object of JSON", where=where, fix=fix)
    for key, kind in keys.items():
        if not isinstance(document.get(key), kind):
            problem = "has another type" if key in document else "is missing"
            raise TerminalError(f"the file is damaged: `{key}` {problem}", where=where, fix=fix)
    return document


def parse_as(content: bytes, where: str, kind: type[T], keys: Mapping[str, type | tuple[type, ...]], fix: str) -> T:
    """The value that a JSON document stands for: everything within it is of the type that it should have.

    Args:
        content: The document.
        where: Its name or address.
        kind: A dataclass or a typed dictionary; further keys of the document are left out.
        keys: The keys that it must have, also those with a default, each with the types of its value.
        fix: What to do about a document that is damaged.

    Raises:
        TerminalError: If it is no such value; nothing of it is quoted.
    """
    parse_object(content, where, keys, fix)
    try:
        value: T = _adapter(cast(Hashable, kind)).validate_json(content, strict=True)
    except ValidationError as error:
        raise TerminalError(f"the file is damaged: {_problem(error)}", where=where, fix=fix) from None
    return value


def _problem(error: ValidationError) -> str:
    """The first problem of a document, in the words of `parse_object`."""
    first = error.errors(include_url=False, include_input=False)[0]
    if not first["loc"]:  # such as half of a surrogate pair, which Python reads
        return "it is not valid JSON"
    is_missing = first["type"] == "missing" and len(first["loc"]) == 1
    return f"`{first['loc'][0]}` {'is missing' if is_missing else 'has a value of another type'}"


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast(Any, kind))


def readable_objects(
    contents: Iterable[tuple[str, bytes]], keys: Mapping[str, type | tuple[type, ...]], fix: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of the documents that are readable, each with its name; a warning names every other document.

    Args:
        contents: The name or address of each document, and its content.
        keys: The keys that each must have, with the types of their values.
        fix: What to do about a document that is damaged.
    """
    for where, content in contents:
        try:
            yield where, parse_object(content, where, keys, fix)
        except TerminalError as error:
            log.warning("skipped: %s", error)
