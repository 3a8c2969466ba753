"""Keeps the instants in a table's metadata in order, whatever a machine's clock says.

PyIceberg dates what it commits by the clock. Iceberg's readers on Java, such as those of Spark, Trino and Athena, and
on Rust refuse a table whose metadata go back in time by more than a minute.
"""

from __future__ import annotations

from typing import Any

from pyiceberg.catalog import Catalog, MetastoreCatalog
from pyiceberg.table import StagedTable, Table
from pyiceberg.table.update import AddSnapshotUpdate, TableUpdate


def keep_times_in_order(catalog: Catalog) -> None:
    """Dates each commit of a catalog no earlier than the commit before it; a REST catalog's server requires that."""
    if not isinstance(catalog, MetastoreCatalog):
        return
    stage = catalog._update_and_stage_table

    def stage_in_order(
        current_table: Table | None, table_identifier: Any, requirements: Any, updates: tuple[TableUpdate, ...]
    ) -> StagedTable:
        newest = current_table.metadata.last_updated_ms if current_table else 0
        dated = tuple(_dated_after(newest, update) for update in updates)
        staged = stage(current_table, table_identifier, requirements, dated)
        if staged.metadata.last_updated_ms < newest:
            staged.metadata = staged.metadata.model_copy(update={"last_updated_ms": newest})
        return staged

    catalog._update_and_stage_table = stage_in_order  # type: ignore[method-assign]


def _dated_after(instant: int, update: TableUpdate) -> TableUpdate:
    if not isinstance(update, AddSnapshotUpdate) or update.snapshot.timestamp_ms > instant:
        return update
    snapshot = update.snapshot.model_copy(update={"timestamp_ms": instant + 1})
    return update.model_copy(update={"snapshot": snapshot})
