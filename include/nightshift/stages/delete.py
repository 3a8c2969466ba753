"""Deletes everything of a model but its definition and the landed files, once its definition is gone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from nightshift.alerts.deliver import read_alerts, remove_alerts
from nightshift.definition.base import NAME_FORM, is_name
from nightshift.definition.declarations import used_sources
from nightshift.definition.load import FILE, definition_folders
from nightshift.errors import TerminalError
from nightshift.lake.catalog import Lake
from nightshift.lake.files import as_uri, list_files, remove
from nightshift.lake.inventory import describe_table
from nightshift.lake.model_tables import ModelTables, delete_model_tables, find_model_tables
from nightshift.lake.tables import REGISTRY_EVENTS
from nightshift.quality.docs import pages_folders
from nightshift.registry.removal import count_versions, experiments_of, has_registered_model, remove_from_mlflow
from nightshift.registry.store import Registry
from nightshift.settings import Settings


@dataclass(frozen=True)
class Remains:
    """What an installation has of a model whose definition is gone.

    Attributes:
        tables: What its tables have of it.
        contents: The content of each table that goes, as phrases.
        registered: The number of its versions in MLflow; None if MLflow has nothing of it.
        alerts: The number of its alerts.
        files: Its pages, and the file of its DAGs.
    """

    tables: ModelTables
    contents: dict[str, str]
    registered: int | None
    alerts: int
    files: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to delete."""
        return not (self.contents or self.tables.partitions or self.alerts or self.files) and self.registered is None

    def sentences(self) -> list[str]:
        """What goes and what stays, a line each."""
        lines = [f"{name}: {content}" for name, content in self.contents.items()]
        lines += [f"{name}: its {rows:,} rows; the table stays" for name, rows in self.tables.partitions.items()]
        if self.registered is not None:
            lines.append(f"MLflow: the registered model with {self.registered} versions, and its runs")
        lines += [f"{self.alerts} alerts"] if self.alerts else []
        lines += [f"{len(self.files)} files of pages and DAGs"] if self.files else []
        lines += [
            f"{name} stays, it is used by {', '.join(models)}" for name, models in self.tables.used_elsewhere.items()
        ]
        return lines


class ModelDeletion:
    """The deletion of a model from an installation.

    Args:
        settings: The installation.
        model: The model.

    Raises:
        TerminalError: If it still has a definition: its DAGs would come back, and write its tables again.
    """

    def __init__(self, settings: Settings, model: str) -> None:
        self.settings, self.model = settings, model
        if not is_name(model) or model == REGISTRY_EVENTS:  # that table is all models'
            raise TerminalError(
                "not the name of a model", where="model", received=model, allowed=NAME_FORM, fix="correct it"
            )
        file = settings.models_path / model / FILE
        if file.exists():
            raise TerminalError(
                "the model still has a definition, from which its DAGs would come back",
                where=str(file),
                allowed="a model whose definition is gone",
                fix=f"move {file.parent} away, or remove it; then delete the model",
            )

    @cached_property
    def _lake(self) -> Lake:
        return Lake(self.settings)

    @cached_property
    def _registry(self) -> Registry:
        return Registry(self.settings, self.model)

    def find(self) -> Remains:
        """What would be deleted, also after a deletion that was interrupted."""
        tables = ModelTables((), {}, {})
        if self.settings.has_catalog:
            folders = definition_folders(self.settings.models_path)
            tables = find_model_tables(self._lake, self.model, used_sources(folder / FILE for folder in folders))
        alerts = sum(alert["model"] == self.model for alert in read_alerts(self.settings))
        contents = {name: describe_table(self._lake, name) for name in tables.tables}
        return Remains(tables, contents, self._versions(), alerts, self._files())

    def delete(self, remains: Remains) -> None:
        """Deletes what was found, the tables last: interrupted and run again, it deletes the rest."""
        if remains.registered is not None:
            remove_from_mlflow(self._registry)
        remove_alerts(self.settings, self.model)
        for file in remains.files:
            remove(file)
        if self.settings.has_catalog:
            delete_model_tables(self._lake, self.model, remains.tables)

    def _versions(self) -> int | None:
        if not self.settings.has_registry:
            return None
        present = has_registered_model(self._registry) or experiments_of(self._registry)
        return count_versions(self._registry) if present else None

    def _files(self) -> tuple[str, ...]:
        var = self.settings.var_path
        pages = [
            file for folder in pages_folders(self.settings.quality_docs_uri, self.model) for file in list_files(folder)
        ]
        own = [*var.glob(f"trials/{self.model}-*.html"), *var.glob(f"thresholds/{self.model}-*.html")]
        dag_file = var / "dags" / f"{self.model}.py"
        return (*pages, *map(as_uri, [*own, *([dag_file] if dag_file.exists() else [])]))
