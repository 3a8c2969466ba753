"""The tables and partitions of one model, to delete them once its definition is gone."""

from __future__ import annotations

from dataclasses import dataclass

from pyiceberg.expressions import BooleanExpression

from nightshift.errors import NotYetAvailable
from nightshift.lake.catalog import Lake
from nightshift.lake.commit import Replacement
from nightshift.lake.files import list_files, remove
from nightshift.lake.inventory import SOURCE_LAYERS, UsedSources, drop, users
from nightshift.lake.publish import INPUT, retry_on_conflict
from nightshift.lake.read import equal_to
from nightshift.lake.staging import staging_folder
from nightshift.lake.tables import REGISTRY_EVENTS, Layer, split_identifier

MODEL_LAYERS = (Layer.SCORES, Layer.SHADOW, Layer.SERVING, Layer.MONITORING, Layer.FEATURES)
SPLIT_BY_MODEL = "model"  # the partition column of tables that models share


@dataclass(frozen=True)
class ModelTables:
    """What the tables of an installation have of one model.

    Attributes:
        tables: The tables that no other model uses, in the order in which they are dropped: that of the features,
            which names the model's sources, is the last.
        partitions: The tables of which only the model's partitions go, each with their number of rows.
        used_elsewhere: The tables of its sources that stay, each with the models that use them.
    """

    tables: tuple[str, ...]
    partitions: dict[str, int]
    used_elsewhere: dict[str, tuple[str, ...]]


def find_model_tables(lake: Lake, model: str, used: UsedSources) -> ModelTables:
    """What the tables have of a model, also after a deletion that was interrupted.

    Args:
        lake: The lake.
        model: The model.
        used: The sources that each definition names, by model; not those of this one.
    """
    names = [layer.table(source) for source in _sources_of(lake, model) for layer in sorted(SOURCE_LAYERS)]
    used_elsewhere = {name: models for name in names if (models := users(name, used)) and lake.table_exists(name)}
    own = [name for name in names if not users(name, used)] + [layer.table(model) for layer in MODEL_LAYERS]
    shared = [name for name in used_elsewhere if split_identifier(name)[0] is Layer.TILES]
    shared += [Layer.MONITORING.table(REGISTRY_EVENTS)]
    partitions = {name: rows for name in shared if (rows := _rows_of(lake, name, model))}
    tables = [name for name in own if lake.table_exists(name) or _files_of(lake, name)]
    return ModelTables(tuple(tables), partitions, used_elsewhere)


def delete_model_tables(lake: Lake, model: str, found: ModelTables) -> None:
    """Deletes what was found; run again after an interruption, it deletes the rest."""
    for name in found.partitions:
        with lake.lock(name):
            retry_on_conflict()(_delete_partitions, lake, name, model)
    for name in found.tables:
        if lake.table_exists(name):
            drop(lake, name)
        for file in _files_of(lake, name):  # of a drop that was interrupted
            remove(file)


def _sources_of(lake: Lake, model: str) -> list[str]:
    """The sources that the features of a model were computed from, as their commits record it."""
    try:
        table = lake.table(Layer.FEATURES.table(model))
    except NotYetAvailable:
        return []
    prefix = INPUT + Layer.RAW.table("")
    properties = (snapshot.summary for snapshot in table.snapshots() if snapshot.summary is not None)
    names = {name for summary in properties for name in summary.additional_properties}
    return sorted(name.removeprefix(prefix) for name in names if name.startswith(prefix))


def _rows_of(lake: Lake, name: str, model: str) -> int:
    if not lake.table_exists(name):
        return 0
    files = lake.table(name).scan(_of_model(model)).plan_files()
    return sum(task.file.record_count for task in files)


def _of_model(model: str) -> BooleanExpression:
    return equal_to(SPLIT_BY_MODEL, model)


def _delete_partitions(lake: Lake, name: str, model: str) -> None:
    table, predicate = lake.table(name), _of_model(model)
    files = [task.file for task in table.scan(predicate).plan_files()]
    if files:
        replacement = Replacement(table, {})
        replacement.delete_by_predicate(predicate)
        for file in files:
            replacement.delete_data_file(file)
        replacement.publish()


def _files_of(lake: Lake, name: str) -> list[str]:
    """The files of a table that the catalog does not know, and of those staged for it."""
    layer, local_name = split_identifier(name)
    folders = (staging_folder(lake.warehouse, name, "").rstrip("/"), f"{lake.warehouse}/{layer}/{local_name}")
    return [file for folder in folders for file in list_files(folder)]
