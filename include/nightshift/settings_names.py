"""The environment variables of the settings, and names that are near one of them but none."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import get_origin

from pydantic import BaseModel

from nightshift.errors import TerminalError

PREFIX = "NIGHTSHIFT_"
NEAR = 0.85  # a name's likeness to a setting's, from which it is taken for a misspelling of it


def setting_names(settings: type[BaseModel]) -> list[str]:
    """Every variable that sets something; a group of settings may be one variable in JSON, too.

    A name that ends in two underscores is the beginning of those of a mapping.
    """
    return [f"{PREFIX}{name}" for name in _names(settings, "")]


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


def _names(group: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in group.model_fields.items():
        yield f"{prefix}{name.upper()}"
        if get_origin(field.annotation) is dict:
            yield f"{prefix}{name.upper()}__"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _names(field.annotation, f"{prefix}{name.upper()}__")
