"""Bodies of requests in the protocol of MLflow's scoring server: JSON with rows, or columns, of features.

`dataframe_split`, `dataframe_records` and `inputs`; the last has a list of values for each column, or a list of rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain
from typing import Any, Final, TypeAlias

import pyarrow as pa
import pydantic_core

from nightshift.errors import DataError, shown
from nightshift.serving.refusals import RequestRefusal

Values: TypeAlias = Sequence[Any] | pa.Array

SPLIT, RECORDS, INPUTS = "dataframe_split", "dataframe_records", "inputs"
FORMATS = (SPLIT, RECORDS, INPUTS)
MOST_GAPS, FEW = 20, 1_000  # cells of a table of records for each value that was sent; of fewer values than these
SEE = "see the API's /openapi.json for an example"


class Absent:
    """The type of the value of a column that a row does not name; `null` is a value that is missing."""

    def __repr__(self) -> str:
        return "nothing"


ABSENT: Final = Absent()


@dataclass(frozen=True)
class SentRows:
    """Rows as a caller sent them.

    Attributes:
        columns: The values of each column, by its name: JSON's types or `ABSENT`, or an array of Arrow.
        count: The number of rows.
    """

    columns: Mapping[str, Values]
    count: int


def read_rows(body: bytes, most_rows: int) -> SentRows:
    """The rows of a request's body.

    Args:
        body: The body.
        most_rows: The number of rows that a request may have.

    Raises:
        RequestRefusal: If it is not JSON, not of the protocol, or has too many rows.
    """
    document = _document(body)
    given = [name for name in document if name != "params"]
    if len(given) != 1 or given[0] not in FORMATS:
        raise malformed("the body names no rows, or several", ", ".join(given) or "nothing", " or ".join(FORMATS))
    if document.get("params"):
        raise malformed("a model takes no parameters", document["params"], "no params")
    name, content = given[0], document[given[0]]
    if name == SPLIT:
        rows = _of_split(content)
    elif isinstance(content, dict) and name == INPUTS:
        rows = _of_columns(content)
    else:
        rows = _of_records(name, content, most_rows)
    check_row_count(rows.count, most_rows)
    return rows


def check_row_count(count: int, most_rows: int) -> None:
    """Refuses a request with too many rows.

    Raises:
        RequestRefusal: If it has more than `most_rows`.
    """
    if count > most_rows:
        error = DataError(
            "too many rows in a request",
            received=count,
            allowed=f"{most_rows} rows",
            fix="send them in several requests, or raise NIGHTSHIFT_SERVING__MAX_ROWS",
        )
        raise RequestRefusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, error)


def malformed(problem: str, received: Any, allowed: Any) -> RequestRefusal:
    """The refusal of a body that is no rows."""
    received = shown(str(received)) if received is not None else None
    return RequestRefusal(
        HTTPStatus.BAD_REQUEST, DataError(problem, where="body", received=received, allowed=allowed, fix=SEE)
    )


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = pydantic_core.from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise malformed(f"the body is not JSON: {error}", None, "JSON, with null for a missing value") from None
    if not isinstance(document, dict):
        raise malformed("the body is no JSON object", document, f"an object with {' or '.join(FORMATS)}")
    return document


def _of_split(content: Any) -> SentRows:
    allowed = f"{SPLIT}: {{columns: [names], data: [rows]}}"
    if not isinstance(content, dict) or not content.keys() <= {"columns", "data", "index"}:
        raise malformed("these are no rows", content, allowed)
    names, data = content.get("columns"), content.get("data")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise malformed("columns are no list of names", names, allowed)
    if len(set(names)) < len(names):
        raise malformed("two columns have the same name", names, "each name once")
    if not isinstance(data, list) or not all(isinstance(row, list) for row in data):
        raise malformed("data is no list of rows", data, allowed)
    if set(map(len, data)) - {len(names)}:
        row = next(place for place, values in enumerate(data) if len(values) != len(names))
        received = f"{len(data[row])} values"
        raise malformed(f"row {row} has other columns than are named", received, f"{len(names)} values")
    values = list(chain.from_iterable(data))
    return SentRows({name: values[place :: len(names)] for place, name in enumerate(names)}, len(data))


def _of_records(name: str, content: Any, most_rows: int) -> SentRows:
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise malformed("these are no rows", content, f"{name}: [{{column: value}}]")
    check_row_count(len(content), most_rows)
    names = dict.fromkeys(column for row in content for column in row)
    # Else a small body of rows that each have another column would become a very large table.
    if len(names) * len(content) > MOST_GAPS * max(sum(map(len, content)), FEW):
        raise malformed("the rows have too many different columns", f"{len(names)} columns", "the same of each row")
    return SentRows({column: [row.get(column, ABSENT) for row in content] for column in names}, len(content))


def _of_columns(content: dict[str, Any]) -> SentRows:
    allowed = f"{INPUTS}: {{column: [values]}}, as many of each"
    for name, values in content.items():
        if not isinstance(values, list):
            raise malformed(f"column '{name}' is no list of values", values, allowed)
    lengths = {name: len(values) for name, values in content.items()}
    if len(set(lengths.values())) > 1:
        raise malformed("columns have different numbers of values", lengths, allowed)
    return SentRows(content, next(iter(lengths.values()), 0))
