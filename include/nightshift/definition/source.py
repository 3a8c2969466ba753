"""Sources: dated external data sets, and how their files are read."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from nightshift.definition.base import (
    AlternativeForm,
    ColumnName,
    Name,
    SourceName,
    SparkSql,
    StrictModel,
    ValueType,
)
from nightshift.definition.checks import (
    ColumnChecks,
    CustomExpectation,
    Freshness,
    Quarantine,
    Reference,
    Repeats,
    RowCount,
    RowRule,
)
from nightshift.definition.duration import Days, Duration
from nightshift.definition.schedule import TimeZone
from nightshift.definition.source_places import DATE as DATE
from nightshift.definition.source_places import DatabaseQuery, IcebergTable

ColumnType = Literal["string", "integer", "number", "boolean", "date", "timestamp"]

PART = "*"  # in a path: what differs between the parts of a date
CSV_ENDINGS = (".csv", ".csv.gz")
JSON_ENDINGS = (".json", ".jsonl", ".ndjson")  # an object a line
# Of the formats that `nightshift.lake.source_formats` reads.
SOURCE_ENDINGS = (*CSV_ENDINGS, ".parquet", *JSON_ENDINGS, *(f"{ending}.gz" for ending in JSON_ENDINGS))


class Column(ColumnChecks):
    """A column of a source: its type, and the checks of its values."""

    type: ColumnType = Field(description="The type that its values are [converted](conversions.md) to.")
    from_: str | None = Field(
        None,
        alias="from",
        min_length=1,
        description="The name of the column in the file, such as `Dep Time`; with a `lookup`, in the source that is "
        "looked up. The name of this column if left out.",
    )
    lookup: Name | None = Field(None, description="The [look-up](#look-ups-of-landed-rows) that gives its values.")
    description: str = Field("", description="What it contains.")


# How systems write a missing value in a CSV file: Arrow's list, and the `\N` of databases.
NULL_WORDS = (
    "NA", "N/A", "n/a", "NULL", "null", "NaN", "nan", "-NaN", "-nan", "#N/A", "#N/A N/A", "#NA",
    "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN", "\\N",
)  # fmt: skip


def _printed_character(text: str) -> str:
    if len(text) != 1 or not text.isascii() or text in "\r\n\0":
        raise PydanticCustomError(
            "character", "not a single character", {"allowed": "one ASCII character, no line end", "fix": 'such as ";"'}
        )
    return text


Encoding = Literal["utf-8", "cp1252", "latin-1", "utf-16"]
Character = Annotated[str, AfterValidator(_printed_character), ValueType("character")]


class CsvFormat(StrictModel):
    """How the CSV files of a source are written; of `.csv` and `.csv.gz` files only.

    A file begins with a line of column names. An empty field is missing, quoted or not. The header a second time is
    refused, and so are text between a closing quote and the next separator, and a quote that is never closed. Quoted
    text may have line ends.
    """

    encoding: Encoding = Field(
        "utf-8",
        description="How characters are stored. Spreadsheets of Windows often write `cp1252`; a byte order mark of "
        "UTF-8 is read in any case.",
    )
    separator: Character = Field(",", description='The character between two fields, such as `";"` or `"\\t"`.')
    quote: Character | Literal["none"] = Field(
        '"',
        description="The character around quoted text; twice within it, it is itself. `none`: there is no quoted text.",
    )
    escape: Character | None = Field(
        None,
        description="The character before a character that stands for itself, such as a backslash before a quote. "
        "An unquoted null word is recognised before.",
    )
    null: Annotated[tuple[str, ...], ValueType("list of texts")] = Field(
        NULL_WORDS,
        description="The unquoted fields that mean a missing value, besides the empty field. Quoted text is never one "
        'of them: `"NA"` is a value. In a YAML list they are quoted: `["NA", "\\\\N"]`.',
    )
    decimal: Literal[".", ","] = Field(
        ".", description="The decimal point of numbers. With a comma, a number with any other point is refused."
    )
    thousands: Literal[".", ",", " ", "'"] | None = Field(
        None,
        description="The character between groups of three digits, as in `1.480,5`, which is 1480.5. A number without "
        "it is read as well.",
    )


PLAIN_CSV = CsvFormat()


class Availability(StrictModel):
    """When a partition of a source is available."""

    after: Duration = Field(
        description="A partition is available this long after the midnight with which its date begins, by the clock "
        "of `timezone`. Negative for the day before."
    )


class Completeness(StrictModel):
    """What shows that a date is complete: a marker, a manifest, or that no part has changed for a while; one of them.

    Parts are the files that the `path` with its `*` matches; a file whose name begins with `_` or `.` is none. A part
    that appears or changes while a date is read makes the task try again. What lands after a date was read is read
    within `restates`, and never without it.
    """

    marker: str | None = Field(
        None,
        description="The path of a file below the landing folder that lands after all parts, such as "
        "`clicks/{date}/_SUCCESS`. Its content does not matter.",
    )
    manifest: str | None = Field(
        None,
        description="The path of a JSON file that lands after all parts and lists them, by their paths below its own "
        'folder, with their numbers of rows or null: `{"parts": {"part-0.parquet": 1200}}`. Any other part is refused.',
    )
    settled: Duration | None = Field(
        None, description="How long no part has been written. Choose it longer than the sender's longest pause."
    )


class SourceLookup(StrictModel):
    """A source that completes landed rows, such as products with their department.

    Of each file the newest version counts that is available when the file is, by the times that both sources declare.
    The columns it gives are declared among `columns`, with `lookup`; they are stored, audited and used as those of the
    file. A row whose key the version lacks has no values there: `required` says what follows. The version is read as it
    landed: checks that set rows of it aside do not apply here.
    """

    source: SourceName = Field(description="A source of `cadence: irregular` without look-ups of its own.")
    key: tuple[ColumnName, ...] = Field(
        min_length=1, description="Exactly the source's `key`; the rows' files have these columns as well."
    )


class DerivedColumn(StrictModel):
    """A column computed from the landed columns of the same row.

    It is computed whenever rows are read for features, and not stored. It can be used in `event_time`, in row features
    and aggregates, in `by` and in a look-up's `key`; not in another derived column, in the label, in a source's `key`
    or in the observations' `key`.
    """

    expression: SparkSql = Field(description="Over the landed columns of the same row and `source_date`.")
    type: ColumnType = Field(description="The type that the result is cast to.")
    description: str = Field("", description="What it contains.")


class Source(StrictModel):
    """A dated external data set: files in the landing folder, a query or a table. It becomes `raw.<source>`."""

    description: str = Field(description="What it contains.")
    path: str = Field(
        "",
        description="The path of its files below the landing folder, with one `{date}` in place of the ISO date and no "
        "other braces. Ends in `.csv`, `.parquet`, or `.json`, `.jsonl` or `.ndjson` for a JSON object a line; "
        "`.csv` and those of JSON may be followed by `.gz`. With a `*`, which is any text within a name, a date "
        "has parts, such as `clicks/{date}/*.parquet`, and needs `complete`. A symbolic link that leads out of the "
        "landing folder is refused, and so is a file of more than 64 MiB that is unpacked to more than 200 times its "
        "compressed bytes.",
    )
    query: DatabaseQuery | None = Field(None, description="In place of files, [a query on a database](#queries).")
    table: IcebergTable | None = Field(None, description="In place of files, [an Iceberg table](#iceberg-tables).")
    complete: Completeness | None = Field(
        None,
        description="What shows that all of a date [has landed](#complete-dates). Of a single file, that it is there.",
    )
    cadence: Literal["daily", "irregular"] = Field(
        "daily",
        description="`daily`: a file for every date. `irregular`: each file is a full version, and a night uses the "
        "newest version available.",
    )
    available: Availability = Field(description="When a partition is available.")
    timezone: TimeZone | None = Field(
        None,
        description="The zone of its dates and of its clock: of `available`, of times without an offset, of "
        "`event_time` and of `freshness`. The schedule's zone if left out.",
    )
    event_time: SparkSql | None = Field(
        None,
        description="When the event of a row happened, over its columns, landed and derived, and `source_date`. Needed "
        "by `last`. [What follows from it](features.md#point-in-time).",
    )
    restates: Days | None = Field(
        None,
        description="Daily sources only: how long after its date was the newest date a file may "
        "[land again](features.md#files-that-land-again), corrected.",
    )
    csv: CsvFormat = Field(PLAIN_CSV, description="How its CSV files are [written](#csv-files).")
    columns: dict[Name, Column] = Field(
        min_length=1, description="The columns to read. Other columns of the file are ignored."
    )
    lookups: dict[Name, SourceLookup] = Field(
        {}, description="Sources that [complete its rows](#look-ups-of-landed-rows) as they land."
    )
    derived: dict[Name, DerivedColumn] = Field({}, description="Columns that are computed from them.")
    key: tuple[ColumnName, ...] = Field(
        (), description="The landed columns that identify a row within its date. Checked to be unique."
    )
    rows: RowCount = Field(RowCount(), description="How many rows a partition has.")
    rules: dict[Name, RowRule] = Field(
        {}, description="Conditions on the [columns of a row](quality.md#rules-between-columns)."
    )
    references: dict[Name, Reference] = Field({}, description="Values that must exist in another source.")
    freshness: Freshness | None = Field(None, description="How close the newest row is to the end of its date.")
    repeats: Repeats = Field(
        "fail",
        description="Daily sources: what follows if a file is, byte for byte, "
        "[the file of another date](quality.md#repeated-files).",
    )
    expectations: tuple[CustomExpectation, ...] = Field(
        (), description="Any other [Great Expectations expectation](quality.md#custom-expectations)."
    )
    uncounted: float = Field(
        0.01,
        ge=0,
        le=1,
        description="The largest share of a partition's rows that [no feature counts](quality.md#uncounted-rows) "
        "without a warning: those from after the partition was available, and those that lack a key.",
    )
    quarantine: Quarantine = Field(Quarantine(), description="How many rows may be set aside.")

    @property
    def place(self) -> str:
        """The key that says where its rows are."""
        return "query" if self.query else "table" if self.table else "path"

    @property
    def file_columns(self) -> dict[str, str]:
        """The name in its files of every column that they have."""
        return {name: column.from_ or name for name, column in self.columns.items() if column.lookup is None}

    def looked_up(self, lookup: str) -> dict[str, str]:
        """The columns that a look-up gives, each with its name in the source that is looked up."""
        return {name: column.from_ or name for name, column in self.columns.items() if column.lookup == lookup}

    @property
    def always_present(self) -> frozenset[str]:
        """The landed columns of which every published row has a value: without one it is stopped or set aside."""
        columns = self.columns.items()
        return frozenset(name for name, column in columns if column.required and column.severity != "warn")

    @property
    def landed(self) -> dict[str, str]:
        """Every column of its files and of its look-ups, with its type."""
        return {name: str(column.type) for name, column in self.columns.items()}

    @property
    def types(self) -> dict[str, str]:
        """Every column an expression may use, landed or derived, with its type."""
        return self.landed | {name: str(column.type) for name, column in self.derived.items()}


class SharedSource(Source):
    """A source that models share: the content of `include/sources/<source>.yaml`."""

    timezone: TimeZone = Field(
        description="As of every source, but required: the schedules of the models that share it may have different "
        "zones."
    )


DeclaredSource = Annotated[Source, AlternativeForm({"const": "shared"}), ValueType("mapping or `shared`")]
