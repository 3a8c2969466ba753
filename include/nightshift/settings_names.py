"""The environment variables of the settings, and names that are near one of them but none."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from nightshift.errors import TerminalError

PREFIX = "NIGHTSHIFT_"
NEAR = 0.85  # a name's likeness to a setting's, from which it is taken for a misspelling of it


def setting_names(settings: type[BaseModel]) -> list[str]:
    """Every variable that sets something; a group of settings may be one variable in JSON, too.

    A name that ends in two underscores is the beginning of those of a mapping.
    """
    names = []
    for name, field in _fields(settings, PREFIX):
        names += [name, f"{name}__"] if get_origin(field.annotation) is dict else [name]
    return names


def refuse_misspelt(variables: Iterable[str], names: Iterable[str]) -> None:
    """Refuses variables that are near a setting's name: others may begin so too, such as those of Kubernetes' services.

    Args:
        variables: The names of variables.
        names: Those of settings.

    Raises:
        TerminalError: Naming the first.
    """
    names = list(names)
    ours = {variable for variable in variables if variable.startswith(PREFIX)}
    for variable in sorted(name for name in ours if not is_setting(name, names)):
        if near := nearest(variable, names):
            raise TerminalError(
                "there is no such setting",
                where=f"environment variable {variable}",
                fix=f"did you mean {near}? else give it another name",
            )


def is_setting(variable: str, names: Iterable[str]) -> bool:
    """Whether a variable sets something."""
    return any(variable.startswith(name) if name.endswith("__") else variable == name for name in names)


def nearest(variable: str, names: Iterable[str]) -> str | None:
    """The setting that a variable of Nightshift's is most like, if it is like any."""
    by_end = {name.removeprefix(PREFIX): name for name in names if not name.endswith("__")}
    near = difflib.get_close_matches(variable.upper().removeprefix(PREFIX), by_end, n=1, cutoff=NEAR)
    return by_end[near[0]] if near else None


def first_blank(settings: type[BaseModel], variables: Mapping[str, str]) -> str | None:
    """The first variable that sets something to nothing: a folder "" would be the current one, a token "" anybody's."""
    names = setting_names(settings)
    return next((name for name, value in variables.items() if is_setting(name, names) and not value.strip()), None)


def first_not_json(settings: type[BaseModel], variables: Mapping[str, str]) -> str | None:
    """The first variable of a group, mapping or list whose value is not JSON."""
    for name, field in _fields(settings, PREFIX):
        is_json = _is_group(field) or get_origin(field.annotation) in (dict, list)
        if is_json and name in variables and not _is_json(variables[name]):
            return name
    return None


def variable_of(location: Iterable[str | int], variables: Iterable[str]) -> str:
    """The variable that set a value, with the value's key where the variable is JSON.

    Args:
        location: The names of groups, the setting and keys, as Pydantic's errors have them.
        variables: Those that are set.
    """
    parts, variables = [str(part) for part in location], set(variables)
    for count in range(len(parts), 0, -1):
        name = PREFIX + "__".join(parts[:count]).upper()
        if name in variables:
            keys = ".".join(parts[count:])
            return f"{name}, key '{keys}'" if keys else name
    return PREFIX + "__".join(parts).upper()


def _fields(group: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in group.model_fields.items():
        variable = f"{prefix}{name.upper()}"
        yield variable, field
        if _is_group(field):
            assert isinstance(field.annotation, type)
            yield from _fields(field.annotation, f"{variable}__")


def _is_group(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
