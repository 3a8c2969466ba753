"""The Iceberg commit that replaces files, at a cost that hardly grows with the number of earlier commits.

PyIceberg's own overwrite adds one or two manifests to the table each time and never removes a manifest that only lists
deleted files; and it copies the table's metadata, with every snapshot, more than a dozen times.
"""

from __future__ import annotations

import math
from collections import defaultdict

from pyiceberg.manifest import ManifestFile
from pyiceberg.table import Table, TableProperties, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update.snapshot import _ManifestMergeManager, _OverwriteFiles

# This many manifests of one size class (1 to 15 files, 16 to 255 and so on) are merged into one of the next class.
# A table has few manifests of each class, those of the latest nights are small, and a file is rewritten into a manifest
# once a class.
MERGE_COUNT = 16


class Replacement(_OverwriteFiles):
    """Replaces files by other files in one snapshot.

    Args:
        table: The table, freshly loaded.
        properties: The snapshot's properties.
    """

    def __init__(self, table: Table, properties: dict[str, str]) -> None:
        operation = Operation.OVERWRITE if table.current_snapshot() else Operation.APPEND
        super().__init__(operation, _SingleChangeTransaction(table), table.io, snapshot_properties=properties)
        self._isolation_operation = Operation.OVERWRITE

    def publish(self) -> int:
        """Commits the replacement: readers see it from now on.

        Returns:
            The id of its snapshot.
        """
        self.commit()
        self._transaction.commit_transaction()
        return int(self.snapshot_id)

    def _process_manifests(self, manifests: list[ManifestFile]) -> list[ManifestFile]:
        # This commit's manifests are not merged: concurrent commits read from them which files it added and deleted.
        added = [manifest for manifest in manifests if manifest.added_snapshot_id == self.snapshot_id]
        size_classes: dict[int, list[ManifestFile]] = defaultdict(list)
        for manifest in manifests:
            files = (manifest.added_files_count or 0) + (manifest.existing_files_count or 0)
            if files and manifest.added_snapshot_id != self.snapshot_id:
                size_classes[int(math.log(files, MERGE_COUNT))].append(manifest)
        max_bytes = TableProperties.MANIFEST_TARGET_SIZE_BYTES_DEFAULT
        merger = _ManifestMergeManager(max_bytes, MERGE_COUNT, merge_enabled=True, snapshot_producer=self)
        return added + [manifest for group in size_classes.values() for manifest in merger.merge_manifests(group)]


class _SingleChangeTransaction(Transaction):
    """A transaction of one change: it reads the metadata of the table as loaded, not a copy with its own changes."""

    @property
    def table_metadata(self) -> TableMetadata:
        return self._table.metadata
