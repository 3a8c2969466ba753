"""Which texts are secret, and texts without them.

Passwords and keys are in settings of their own, in addresses of databases and services, and in mappings under names
that say so. Messages may quote any of them, of this code or of a library.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

HIDDEN = "***"
SECRET = re.compile(r"secret|password|passwd|token|credential|access[-_.]?key", re.IGNORECASE)
# Variables of libraries whose value is a secret: not those that name a file, a key's id, or a command.
SECRET_VARIABLE = re.compile(r"(SECRET|SECRET_KEY|PASSWORD|PASSWD|TOKEN|SECRET_ACCESS_KEY)$", re.IGNORECASE)
SHORTEST = 6  # characters of a secret that is looked for by its text: shorter ones are in many a word

# The password of an address, which may contain anything but spaces and quotes if it was not encoded; no port is one.
PASSWORD = re.compile(r"""(://[^\s/?#@:'"]*:)(?!\d{1,5}(?:[/?#\s'"]|$))[^\s'"]*(?=@)""")
PARAMETER = re.compile(rf"""([?&][^=&\s'"]*(?:{SECRET.pattern})[^=&\s'"]*=)[^&\s'"]+""", re.IGNORECASE)


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """A text without the passwords and keys of the addresses in it.

    Args:
        text: Any text.
        secrets: Texts that are secret, which are hidden too.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    if "://" not in text:
        return text
    return PARAMETER.sub(rf"\g<1>{HIDDEN}", PASSWORD.sub(rf"\g<1>{HIDDEN}", text))


def secret_texts(value: Any) -> Iterator[str]:
    """The passwords and keys in a value: in an address, or in a mapping under a name that says so."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if SECRET.search(str(name)) and item:
                yield str(item)
            else:
                yield from secret_texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from secret_texts(item)
    elif isinstance(value, str) and "://" in value:
        yield from _secrets_of_address(value)


def secret_variables(environment: Mapping[str, str]) -> Iterator[str]:
    """The values of variables whose names say that they are secret, such as AWS_SECRET_ACCESS_KEY."""
    for name, value in environment.items():
        if SECRET_VARIABLE.search(name) and len(value) >= SHORTEST:
            yield value


def _secrets_of_address(text: str) -> Iterator[str]:
    try:
        address = urlsplit(text)
        password = address.password
    except ValueError:  # no address after all
        return
    if password:
        yield password
        if (plain := unquote(password)) != password:
            yield plain
    yield from (value for name, value in parse_qsl(address.query) if SECRET.search(name))
