"""Building tiles and reading them: raw rows to tiles of a day, tiles to longer tiles, and their files.

Everything here works on Arrow tables within one process; Spark decides which process gets which rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nightshift.definition.features import Aggregate
from nightshift.features.partials import Numbers, Partials, lift, load, merge_groups, store, take
from nightshift.features.plan import Tile
from nightshift.lake.damage import reading
from nightshift.lake.files import make_folder_of, open_fs
from nightshift.lake.footers import with_checksum
from nightshift.lake.groups import Group, partial_names
from nightshift.lake.parquet import with_columns
from nightshift.lake.tables import TableSpec
from nightshift.lake.zeros import plain_zeros

AT = "_at"  # the column with the instant of each row
DAY = "source_date"


@dataclass(frozen=True)
class TileFile:
    """A file of a tile, with its number of rows."""

    tile: Tile
    file: str
    rows: int

    SCHEMA: ClassVar[str] = "start date, days bigint, file string, rows bigint"

    def to_batch(self) -> pa.RecordBatch:
        """As a row of `SCHEMA`, for Spark."""
        row = {"start": self.tile.start, "days": self.tile.days, "file": self.file, "rows": self.rows}
        return pa.RecordBatch.from_pylist([row])

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> TileFile:
        """The inverse of `to_batch`."""
        return cls(Tile(row["start"], row["days"]), row["file"], row["rows"])


@dataclass(frozen=True)
class TileWriter:
    """Builds the tiles of a source and writes them; it is sent to the workers.

    Attributes:
        model: The model's name.
        spec: The tiles' table.
        groups: The aggregates by key.
        folder: The folder to write to, as a URI.
    """

    model: str
    spec: TableSpec
    groups: tuple[Group, ...]
    folder: str

    def write_days(
        self, rows: pa.Table, operands: Mapping[str, str], fingerprints: Mapping[Tile, str]
    ) -> Iterator[TileFile]:
        """Builds and writes tiles of one day each.

        Args:
            rows: Raw rows of some days.
            operands: For each aggregate, the column of the rows that it aggregates.
            fingerprints: The fingerprint of each day's tile.
        """
        for day in pc.unique(rows[DAY]).to_pylist():
            tile = Tile(day, 1)
            of_day = rows.filter(pc.equal(rows[DAY], pa.scalar(day, pa.date32()))).combine_chunks()
            yield from self._write(tile, aggregate_rows(self.groups, operands, of_day), fingerprints[tile])

    def write_longer(self, tile: Tile, fingerprint: str, shorter: Mapping[Tile, Iterable[str]]) -> Iterator[TileFile]:
        """Builds and writes a tile of several days from the files of its parts."""
        yield from self._write(tile, merge_tiles(self.groups, TileReader(self.spec, shorter), tile.parts), fingerprint)

    def _write(self, tile: Tile, groups: Iterable[pa.Table], fingerprint: str) -> Iterator[TileFile]:
        """Writes each group as a row group of its own, so that it is read alone; a tile without rows has no file."""
        tables = [(group, table) for group, table in zip(self.groups, groups, strict=True) if table.num_rows]
        if not tables:
            return
        file = f"{self.folder}/{tile.start}-{uuid4().hex}.parquet"
        identity = {"model": self.model, "days": tile.days, DAY: tile.start, "made_from": fingerprint}
        schema, (system, path) = self.spec.schema, open_fs(file)
        make_folder_of(file)
        with (
            system.open_output_stream(path) as stream,
            # Tiles are read much more often than written: fast matters more than small. Readers filter by few of their
            # many columns.
            pq.ParquetWriter(
                stream,
                schema,
                compression="lz4",
                use_dictionary=[*identity, "by"],
                write_statistics=[*identity, "by"],
                write_page_checksum=True,
            ) as writer,
        ):
            for group, table in tables:
                constants = {**identity, "by": group.name}
                writer.write_table(with_columns(table, schema, constants), row_group_size=table.num_rows)
        yield TileFile(tile, with_checksum(file), sum(table.num_rows for _, table in tables))


def aggregate_rows(groups: Iterable[Group], operands: Mapping[str, str], rows: pa.Table) -> Iterator[pa.Table]:
    """Aggregates rows by the keys of each group.

    Args:
        groups: The aggregates by key.
        operands: For each aggregate, the column of the rows that it aggregates.
        rows: The rows of one day or a part of it, with the keys, the operands and, for `last`, `_at`. A row with a null
            in a group's key is not counted in that group.

    Yields:
        For each group a row per key: its key and its partials.
    """
    columns = {name: rows[name].combine_chunks() for name in rows.column_names}
    lifted: dict[str, Partials] = {}
    for group in groups:
        for name, aggregate in group.stored_aggregates.items():
            if name not in lifted:
                lifted[name] = lift(aggregate, columns[operands[name]], columns.get(AT))
        keys = [plain_zeros(columns[column]) for column in group.by]
        yield _merged(group, keys, rows.num_rows, {name: lifted[name] for name in group.stored_aggregates})


def merge_tiles(groups: Iterable[Group], reader: TileReader, shorter: Sequence[Tile]) -> Iterator[pa.Table]:
    """Merges consecutive tiles into one.

    Yields:
        For each group a row per key: its key and its partials.
    """
    for group in groups:
        rows = reader.read(group, shorter)
        partials = {name: load_partials(rows, name, aggregate) for name, aggregate in group.stored_aggregates.items()}
        keys = [plain_zeros(rows[key].combine_chunks()) for key in group.keys]
        yield _merged(group, keys, rows.num_rows, partials)


def load_partials(rows: pa.Table, holder: str, aggregate: Aggregate) -> Partials:
    """Loads an aggregate's partials from rows of tiles, where they are the columns of its holder."""
    return load({part: rows[f"{holder}__{part}"] for part in partial_names(aggregate)})


class TileReader:
    """Reads some tiles, group by group; the metadata of each file is read once.

    Args:
        spec: The tiles' table.
        files: The files of each tile.
    """

    def __init__(self, spec: TableSpec, files: Mapping[Tile, Iterable[str]]) -> None:
        self.spec, self.files = spec, files
        self._metadata: dict[str, pq.FileMetaData] = {}

    def read(self, group: Group, tiles: Iterable[Tile], keys: Sequence[pa.Array] = ()) -> pa.Table:
        """The rows of a group in some tiles: its key, its partials, `days` and `source_date`.

        Args:
            group: The group.
            tiles: The tiles to read; those without files are skipped.
            keys: For each column of the key the values that are needed; rows with other values may be left out.
        """
        names = [*group.keys, *group.partial_columns, "days", DAY]
        schema = pa.schema([self.spec.schema.field(name) for name in names])
        tables = [schema.empty_table()]
        for file in (file for tile in tiles for file in self.files.get(tile, ())):
            rows = self._rows(file, group, names).cast(schema)
            for column, values in zip(group.keys, keys, strict=False):
                if rows.num_rows > len(values):  # else few rows could be left out
                    rows = rows.filter(pc.is_in(plain_zeros(rows[column]), plain_zeros(values)))
            tables.append(rows)
        return pa.concat_tables(tables)

    def _rows(self, file: str, group: Group, names: list[str]) -> pa.Table:
        """The rows of a group in a file. The file is closed again: a worker may need thousands."""
        system, path = open_fs(file)
        with reading([file]), system.open_input_file(path) as stream:
            parquet = pq.ParquetFile(stream, metadata=self._metadata.get(file), page_checksum_verification=True)
            metadata = self._metadata.setdefault(file, parquet.metadata)
            column = parquet.schema_arrow.get_field_index("by")
            row_groups = range(metadata.num_row_groups)
            of_group = [n for n in row_groups if metadata.row_group(n).column(column).statistics.min == group.name]
            return parquet.read_row_groups(of_group, names, use_threads=False).select(names)


def key_codes(keys: Sequence[pa.Array], rows: int) -> Numbers:
    """A code for each row, equal for equal keys; negative where any column of the key is null."""
    codes, null_key = np.zeros(rows, np.int64), np.zeros(rows, bool)
    for number, key in enumerate(keys):
        encoded = plain_zeros(key).dictionary_encode()
        indices = encoded.indices.fill_null(-1).to_numpy().astype(np.int64)
        null_key |= indices < 0
        if number > 1:  # so that the product of three or more does not overflow
            codes = np.unique(codes, return_inverse=True)[1]
        codes = codes * len(encoded.dictionary) + indices
    return np.where(null_key, -1, codes)


def _merged(group: Group, keys: Sequence[pa.Array], rows: int, partials: Mapping[str, Partials]) -> pa.Table:
    """A row per key, from rows in any order."""
    codes = key_codes(keys, rows)
    if (codes < 0).any():
        keyed = np.flatnonzero(codes >= 0)
        codes, keys = codes[keyed], [key.take(pa.array(keyed)) for key in keys]
        partials = {name: take(of_rows, keyed) for name, of_rows in partials.items()}
    if len(keys) > 1:
        codes = np.unique(codes, return_inverse=True)[1]
    count = codes.max(initial=-1) + 1
    first = np.empty(count, np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # of several rows with a key the last one assigned stays
    columns = {name: key.take(pa.array(first)) for name, key in zip(group.keys, keys, strict=True)}
    for name, aggregate in group.stored_aggregates.items():
        merged = merge_groups(aggregate, partials[name], codes, count)
        columns |= {f"{name}__{part}": store(part, partial) for part, partial in merged.items()}
    return pa.table(columns)
