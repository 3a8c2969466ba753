"""The names under which a definition declares the columns of files."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

from nightshift.definition.base import NAME_FORM, is_name
from nightshift.definition.problem import RESERVED

# How letters are spelled that are more than an ASCII letter with an accent.
SPELLINGS = {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "æ": "ae", "ø": "o", "ł": "l"}


def column_names(landed: Iterable[str], declared: Mapping[str, str]) -> dict[str, str]:
    """The column for each column of some files: as declared, else of the same name, else of a similar valid name.

    Args:
        landed: The names of the columns in the files.
        declared: The name in the files of each declared column.

    Returns:
        A column for each name in the files, all different. A name is left out if it is that of a declared column
        which is read from another one.
    """
    names = dict.fromkeys(landed)
    columns = {name: column for column, name in declared.items() if name in names}
    for name in names:
        if name not in columns and name not in declared:
            columns[name] = name
    for name in names:
        similar = similar_name(name)
        is_free = similar not in {*columns.values(), *declared} and not name_problem(similar)
        if columns.get(name) == name and name_problem(name) and is_free:
            columns[name] = similar
    return {name: columns[name] for name in names if name in columns}


def similar_name(name: str) -> str:
    """The words of a name in lower case and ASCII with `_` between them.

    `Dep Time` and `DepTime` are `dep_time`, `Öltemperatur °C` is `oeltemperatur_c`, `Durée` is `duree`.
    """
    plain = "".join(SPELLINGS.get(char, char) for char in name)
    plain = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", plain)
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")


def name_problem(name: str) -> str:
    """Why a definition cannot name a column so; empty if it can."""
    if name in RESERVED or name.startswith("quarantine_"):
        return "a reserved name"
    return "" if is_name(name) else f"not a name: {NAME_FORM}"
