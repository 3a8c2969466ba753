"""Columns that landed rows take from another source: of the newest version that is available when their file is."""

from __future__ import annotations

from datetime import UTC, date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.calendar import available_at, newest_partition_at, zone_of
from nightshift.definition.model import ModelDefinition
from nightshift.errors import DataError, NotYetAvailable
from nightshift.lake.landed_files import read_landed
from nightshift.lake.source_partitions import LOOK_UP, SourcePartition, landed_dates, place_of, source_partition
from nightshift.lake.tables import ROW_NUMBER, raw_table


class LandedLookups:
    """The look-ups of a definition's sources, whose versions are read once each.

    A version is chosen by the times that are declared, not by when it landed: rows that are read again take the same
    values, unless a version was landed again.

    Args:
        definition: The model definition.
        landing: The address of the landing folder.
    """

    def __init__(self, definition: ModelDefinition, landing: str) -> None:
        self._definition, self._landing = definition, landing
        self._dates: dict[str, list[date]] = {}
        self._versions: dict[SourcePartition, tuple[pa.Table, str]] = {}

    def complete(self, file: SourcePartition, rows: pa.Table) -> tuple[pa.Table, dict[str, str]]:
        """Adds the columns that a file's rows take from other sources; null where no row there has their key.

        Args:
            file: The landed file.
            rows: Its rows, with the columns of the file.

        Returns:
            The rows in the same order with every column of the source, and the file of each look-up with its SHA-256.

        Raises:
            NotYetAvailable: If no version has landed that is available when the file is.
            DataError: If a version cannot be read, or has two rows of a key.
        """
        source, inputs = self._definition.sources[file.source], dict[str, str]()
        for name, lookup in source.lookups.items():
            taken = source.looked_up(name)
            version = self._version_for(file, lookup.source)
            values, digest = self._read(version, lookup.key)
            inputs[f"{LOOK_UP}{name} of {version.day}"] = digest
            values = values.select([*lookup.key, *taken.values()]).rename_columns([*lookup.key, *taken])
            numbered = rows.select(list(lookup.key)).append_column(ROW_NUMBER, pa.array(np.arange(rows.num_rows)))
            joined = numbered.join(values, list(lookup.key), join_type="left outer").sort_by(ROW_NUMBER)
            for column in taken:
                rows = rows.append_column(column, joined[column])
        return rows, inputs

    def _version_for(self, file: SourcePartition, name: str) -> SourcePartition:
        """The newest version of a source that is available when a file is."""
        source, schedule = self._definition.sources[name], self._definition.schedule
        landed_at = available_at(schedule, self._definition.sources[file.source], file.day)
        if name not in self._dates:
            self._dates[name] = landed_dates(self._landing, source)
        newest = newest_partition_at(schedule, source, landed_at)
        usable = [day for day in self._dates[name] if day <= newest]
        if not usable:
            raise NotYetAvailable(
                f"no version of {name} has landed that is available when the file is",
                where=file.uri,
                received=f"versions of {', '.join(map(str, self._dates[name][:3]))}" if self._dates[name] else None,
                allowed=f"a version available by {landed_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
                fix=f"land a version of {name} of an earlier date: {place_of(self._landing, source)}",
            )
        return source_partition(self._landing, name, source, max(usable))

    def _read(self, version: SourcePartition, key: tuple[str, ...]) -> tuple[pa.Table, str]:
        if version not in self._versions:
            source = self._definition.sources[version.source]
            zone = zone_of(self._definition.schedule, source)
            values, digest = read_landed(version, source, raw_table(self._definition, version.source), zone)
            for column in key:  # a row without its key is that of no key
                values = values.filter(values[column].is_valid())
            counts = values.group_by(list(key)).aggregate([([], "count_all")])
            repeated = counts.filter(pc.greater(counts["count_all"], 1))
            if repeated.num_rows:
                raise DataError(
                    f"it cannot be looked up: keys with more than one row, {repeated.num_rows:,} of them",
                    where=version.uri,
                    received=", ".join(str(repeated[column][0].as_py()) for column in key),
                    allowed=f"each {', '.join(key)} once",
                    fix="land the version again with one row of each key",
                )
            self._versions[version] = values, digest
        return self._versions[version]
