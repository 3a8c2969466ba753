"""The Iceberg commit that replaces files, at a price that hardly grows with the commits before it.

PyIceberg's own overwrite adds a manifest or two to the table each time and never removes one that only lists what was
dropped; and it copies the table's metadata, every snapshot of it, more than a dozen times.
"""

from __future__ import annotations

import math
from collections import defaultdict

from pyiceberg.manifest import ManifestFile
from pyiceberg.table import Table, TableProperties, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update.snapshot import _ManifestMergeManager, _OverwriteFiles

# So many manifests of a size, 1 to 15 files, 16 to 255 and so on, become one of the next size. Readers find few of
# each, those of the latest nights are small, and a file is listed anew only once a size.
MERGE_COUNT = 16


class Replacement(_OverwriteFiles):
    """Files in place of other files, in one snapshot.

    Args:
        table: The table, freshly loaded.
        properties: What the snapshot says of itself.
    """

    def __init__(self, table: Table, properties: dict[str, str]) -> None:
        operation = Operation.OVERWRITE if table.current_snapshot() else Operation.APPEND
        super().__init__(operation, _Change(table), table.io, snapshot_properties=properties)
        self._isolation_operation = Operation.OVERWRITE

    def publish(self) -> int:
        """Makes the replacement visible.

        Returns:
            The id of the snapshot that shows it.
        """
        self.commit()
        self._transaction.commit_transaction()
        return int(self.snapshot_id)

    def _process_manifests(self, manifests: list[ManifestFile]) -> list[ManifestFile]:
        # This commit's own stay as they are: they tell a concurrent commit what was added and dropped.
        own = [manifest for manifest in manifests if manifest.added_snapshot_id == self.snapshot_id]
        sizes: dict[int, list[ManifestFile]] = defaultdict(list)
        for manifest in manifests:
            files = (manifest.added_files_count or 0) + (manifest.existing_files_count or 0)
            if files and manifest.added_snapshot_id != self.snapshot_id:
                sizes[int(math.log(files, MERGE_COUNT))].append(manifest)
        most = TableProperties.MANIFEST_TARGET_SIZE_BYTES_DEFAULT
        merging = _ManifestMergeManager(most, MERGE_COUNT, merge_enabled=True, snapshot_producer=self)
        return own + [manifest for alike in sizes.values() for manifest in merging.merge_manifests(alike)]


class _Change(Transaction):
    """A transaction of one change, which is made to the table as it was loaded; nothing is made to the result."""

    @property
    def table_metadata(self) -> TableMetadata:
        return self._table.metadata
