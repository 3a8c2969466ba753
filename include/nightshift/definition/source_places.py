"""Where a source's rows are if they do not land as files: in a database, or in an Iceberg table."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import Field

from nightshift.definition.base import StrictModel
from nightshift.definition.problem import Problem

DATE = "{date}"  # in a path, the ISO date; in a query, the date as a value


class DatabaseQuery(StrictModel):
    """A query whose rows are those of a date; its columns are named as those of a file would be.

    The transaction is read-only, sees one state of the database, and has the clock of the source's `timezone`, which is
    required: an instant that is compared with `{date}` is compared with its midnight by that clock. A query that gives
    other rows when it is asked again has been corrected: within `restates` they are read again, and never without it.
    The order of rows is no difference.
    """

    connection: str = Field(
        min_length=1,
        description="The name of the database: `NIGHTSHIFT_CONNECTIONS__<NAME>` has its address, or else the Airflow "
        "connection of this id.",
    )
    sql: str = Field(
        min_length=1,
        description="One `select` with `{date}`, without quotes, where the date stands; it is bound as a value of type "
        "`date`: `select * from orders where placed_at >= {date} and placed_at < {date} + 1`.",
    )
    dates: str = Field(
        min_length=1,
        description="One `select` of one column with the dates that are complete, such as those that a loading job "
        "noted: `select day from loads where finished`. A night waits until its date is among them.",
    )


class IcebergTable(StrictModel):
    """A table whose rows of a date are read from its newest snapshot, a data file after the other.

    A date is complete once it has rows, or by `complete`: `settled` counts from the last commit that changed the date.
    Files that were rewritten with the same rows are no correction.
    """

    catalog: str = Field(
        min_length=1,
        description="The catalog's name in PyIceberg's own configuration, `.pyiceberg.yaml` or variables: `lake` for "
        "`PYICEBERG_CATALOG__LAKE__URI`.",
    )
    name: str = Field(min_length=1, description="The table with its namespace: `web.clicks`.")
    date: str = Field(
        min_length=1,
        description="The column that it is partitioned by: dates, or texts of ISO dates, by `identity`; or times by "
        "`day`, which are days of UTC, so that the source's `timezone` has to be `UTC`.",
    )


def query_problems(query: DatabaseQuery) -> Iterator[Problem]:
    """The problems of a query that can be seen without its database."""
    if not re.fullmatch(r"[\w.-]+", query.connection):  # an address may have a password, which is not repeated
        fix = "write the name of a connection, and its address as NIGHTSHIFT_CONNECTIONS__<NAME>"
        yield Problem(("connection",), "not a name", None, "letters, digits, and . _ -", fix)
    for key, sql, wanted in (("sql", query.sql, True), ("dates", query.dates, False)):
        allowed = "one `select`, with the date" if wanted else "one `select` of the complete dates"
        if f"'{DATE}'" in sql:
            yield Problem((key,), "the date is in quotes", f"'{DATE}'", DATE, "write it without: it is a date already")
        if wanted and DATE not in sql:
            yield Problem((key,), "has no date", sql, allowed, "such as `where day = {date}`")
        if not wanted and DATE in sql:
            yield Problem((key,), "lists all dates, so there is none", sql, allowed, "remove the condition")


def table_problems(table: IcebergTable) -> Iterator[Problem]:
    """The problems of a table's name."""
    parts = table.name.split(".")
    if len(parts) < 2 or not all(parts):
        yield Problem(("name",), "not a table with its namespace", table.name, "namespace.table", "such as web.clicks")
