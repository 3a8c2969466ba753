"""What is there of a source for a date, read as its source declares it, a table after the other."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import pyarrow as pa

from nightshift.definition.source import PLAIN_CSV, CsvFormat, Source
from nightshift.errors import DataError, first_line
from nightshift.lake.declared_columns import check_header, declared_tables, notation_of
from nightshift.lake.landed_bytes import open_landed
from nightshift.lake.landed_parts import LandingFile, combined_digest, digest_of_files, landed_parts
from nightshift.lake.query_partitions import QueryPartition
from nightshift.lake.rows_digest import RowsDigest
from nightshift.lake.source_formats import read_source_file
from nightshift.lake.source_partitions import SourcePartition
from nightshift.lake.table_partitions import TablePartition
from nightshift.lake.tables import TableSpec


class StoredTables:
    """The rows of a date as they are stored, part by part, in tables that fit into memory. Read once.

    Args:
        partition: The file or the parts, the query, or the table.
        written: How its source's CSV files are written.
        columns: The columns that a digest of rows is made of; all if None.

    Attributes:
        rows: The number of rows that were read.
        digest: The SHA-256 of the file or of all parts, or the digest of the rows, once all were read.
    """

    def __init__(self, partition: SourcePartition, written: CsvFormat, columns: Collection[str] | None = None) -> None:
        self._partition, self._written, self._columns = partition, written, columns
        self.rows, self.digest = 0, ""

    def __iter__(self) -> Iterator[pa.Table]:
        """The rows; at least one table.

        Raises:
            NotYetAvailable: If the date is not there completely.
            DataError: If it cannot be read as it is declared.
            TransientError: If a part appears or changes meanwhile, or a database goes away.
        """
        if isinstance(self._partition, LandingFile):
            return self._files(self._partition)
        return self._typed_rows(self._partition)

    def _files(self, file: LandingFile) -> Iterator[pa.Table]:
        parts, digests = landed_parts(file), list[str]()
        for uri in parts.uris:
            rows = 0
            with open_landed(uri) as content:
                for table in self._checked(uri, read_source_file(uri, content, self._written)):
                    rows += table.num_rows
                    self.rows += table.num_rows
                    yield table
                digests.append(content.digest())
            parts.check_rows(uri, rows)
        parts.check_unchanged()
        self.digest = combined_digest(file, digests)

    def _typed_rows(self, partition: QueryPartition | TablePartition) -> Iterator[pa.Table]:
        digest = RowsDigest()
        for table in self._checked(partition.uri, _digested(partition.tables(), digest, self._columns)):
            self.rows += table.num_rows
            yield table
        self.digest = digest.hexdigest()

    def _checked(self, uri: str, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """The tables of a part, of which no row is the header once more."""
        row = 1
        for table in tables:
            check_header(uri, table, self._written, row)
            yield table
            row += table.num_rows


class LandedTables(StoredTables):
    """The rows of a date as its source declares them, with the columns of the raw table that files have.

    A file that lacks a column, or holds a value of another type, is a `DataError`.

    Args:
        partition: The file or the parts, the query, or the table.
        source: Their declaration.
        spec: The raw table of the source.
        zone: The time zone of instants that are written without one.
    """

    def __init__(self, partition: SourcePartition, source: Source, spec: TableSpec, zone: str = "UTC") -> None:
        super().__init__(partition, source.csv, source.file_columns.values())
        self._source, self._spec, self._notation = source, spec, notation_of(source.csv, zone)

    def _checked(self, uri: str, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """The tables of a part as they are declared."""
        return map(self._dated, declared_tables(uri, tables, self._source, self._notation))

    def _dated(self, table: pa.Table) -> pa.Table:
        days = pa.repeat(pa.scalar(self._partition.day, pa.date32()), table.num_rows)
        schema = pa.schema([field for field in self._spec.schema if field.name in {"source_date", *table.column_names}])
        return table.append_column("source_date", days).select(schema.names).cast(schema)


def read_landed(partition: SourcePartition, source: Source, spec: TableSpec, zone: str = "UTC") -> tuple[pa.Table, str]:
    """Reads what is there for a date into memory: see `LandedTables`.

    Returns:
        The rows, and their digest.
    """
    tables = LandedTables(partition, source, spec, zone)
    return pa.concat_tables(tables), tables.digest


def parse_parts(partition: SourcePartition, written: CsvFormat = PLAIN_CSV) -> tuple[pa.Table, str]:
    """Reads what has landed for a date like `parse_landed`; a column that a part lacks is null there.

    Raises:
        NotYetAvailable: If it has not landed completely.
        DataError: If a file cannot be read, is the header once more, or a column has different types in parts.
        TransientError: If a part appears or changes meanwhile.
    """
    tables = StoredTables(partition, written)
    return _joined(partition.uri, list(tables)), tables.digest


def digest_of(partition: SourcePartition, source: Source) -> str:
    """The digest of what is there for a date: of the bytes of files, or of the declared columns of rows.

    Raises:
        NotYetAvailable, DataError, TransientError: As of `StoredTables`.
    """
    if isinstance(partition, LandingFile):
        return digest_of_files(partition)
    digest = RowsDigest()
    for _ in _digested(partition.tables(), digest, source.file_columns.values()):
        pass
    return digest.hexdigest()


def parse_landed(uri: str, written: CsvFormat = PLAIN_CSV) -> tuple[pa.Table, str]:
    """Reads a landed file without a declaration of its columns: texts from CSV, the stored types from Parquet.

    Args:
        uri: The file.
        written: How its source's CSV files are written.

    Returns:
        The rows, and the SHA-256 of the file.

    Raises:
        NotYetAvailable: If the file has not landed.
        DataError: If it cannot be read.
    """
    with open_landed(uri) as content:
        tables = list(read_source_file(uri, content, written))
        return _joined(uri, tables), content.digest()


def _digested(tables: Iterable[pa.Table], digest: RowsDigest, columns: Collection[str] | None) -> Iterator[pa.Table]:
    """The tables, of which columns are added to a digest."""
    for table in tables:
        places = [place for place, name in enumerate(table.column_names) if columns is None or name in columns]
        digest.add(table.select(places))
        yield table


def _joined(uri: str, tables: list[pa.Table]) -> pa.Table:
    if all(table.schema.equals(tables[0].schema) for table in tables):
        return pa.concat_tables(tables)
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        problem = f"parts differ in the type of a column: {first_line(error)}"
        raise DataError(problem, where=uri, fix="land them with the same types") from None
