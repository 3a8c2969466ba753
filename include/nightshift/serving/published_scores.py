"""The published score of an observation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from http import HTTPStatus
from typing import Any

import pyarrow as pa
from pyiceberg.expressions import And, EqualTo, Reference
from pyiceberg.expressions.literals import literal

from nightshift.errors import DataError, NotYetAvailable
from nightshift.lake.read import allowed_dates, published_dates, read_rows
from nightshift.lake.tables import key_within_night, scores_table
from nightshift.project import Project
from nightshift.serving.refusals import RequestRefusal

# How the texts of an address are read as values of a key; a value that cannot be read raises ValueError.
READ: Mapping[str, Callable[[str], Any]] = {
    "integer": int,
    "number": float,
    "string": str,
    "boolean": lambda text: {"true": True, "false": False}[text],
    "date": date.fromisoformat,
    "timestamp": datetime.fromisoformat,
}


def read_published(project: Project, night: date, key: Mapping[str, str]) -> dict[str, Any]:
    """The row of `scores.<model>` of an observation, with the id of the table's snapshot.

    Args:
        project: The model.
        night: The score date.
        key: The values of the other columns of the observation's key, as texts.

    Raises:
        RequestRefusal: If the key names other columns, a value cannot be read, or there is no such row.
    """
    values = _read_key(project, key)
    spec = scores_table(project.definition)
    names = {spec.date_column: night, **values}.items()
    equal = [EqualTo(term=Reference(name), value=literal(value)) for name, value in names]
    try:
        table = project.lake.table(spec.name)
    except NotYetAvailable as error:
        raise RequestRefusal(HTTPStatus.NOT_FOUND, error) from None
    snapshot = table.current_snapshot()
    rows = read_rows(table.scan(And(*equal), snapshot_id=snapshot.snapshot_id)) if snapshot else pa.table({})
    if snapshot is None or not rows.num_rows:
        raise RequestRefusal(HTTPStatus.NOT_FOUND, _no_such_row(project, night, key))
    [row] = rows.to_pylist()
    return {**row, "scores_snapshot": snapshot.snapshot_id}


def _read_key(project: Project, key: Mapping[str, str]) -> dict[str, Any]:
    columns = key_within_night(project.definition)
    if columns.keys() != key.keys():
        error = DataError(
            "these are not the columns of the observation's key",
            where="query",
            received=list(key),
            allowed=list(columns),
            fix="?" + "&".join(f"{name}=…" for name in columns),
        )
        raise RequestRefusal(HTTPStatus.UNPROCESSABLE_ENTITY, error)
    values, errors = {}, []
    for name, kind in columns.items():
        try:
            values[name] = READ[kind](key[name])
        except (ValueError, KeyError):
            errors.append(DataError("another type", where=f"query: {name}", received=key[name], allowed=kind))
    if errors:
        raise RequestRefusal(HTTPStatus.UNPROCESSABLE_ENTITY, *errors)
    return values


def _no_such_row(project: Project, night: date, key: Mapping[str, str]) -> DataError:
    spec = scores_table(project.definition)
    if published_dates(project.lake, spec, (night, night)):
        return DataError(
            "no such observation on that night", where=spec.name, received={"score_date": str(night), **key}
        )
    allowed = allowed_dates(project.lake, spec)
    return DataError("that night is not published", where=spec.name, received=str(night), allowed=allowed)
