"""A DAG bundle with one small file per model, so that a broken definition is an import error of its own file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.dag_processing.bundles.base import BaseDagBundle

from nightshift.definition.load import definition_folders
from nightshift.settings import get_settings
from nightshift_airflow.preload import preload_parsing

TEMPLATE = '''"""The DAGs of {name}, built from {folder}."""

from nightshift_airflow.factory import build_dags

globals().update(build_dags("{name}"))
'''


class ModelsBundle(BaseDagBundle):
    """The DAGs of every model that has a definition.

    Adding a folder under `include/models` adds its file here at the next refresh; removing it removes it.
    """

    supports_versioning = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settings = get_settings()

    @property
    def path(self) -> Path:
        """Where the files are."""
        return self._settings.var_path / "dags"

    def get_current_version(self) -> None:
        """Local files have no version."""
        return

    def initialize(self) -> None:
        """Writes the files if need be; every component that uses the bundle calls it.

        It also imports what they need: Airflow parses each in a fork of the process that initialized the bundle.
        """
        preload_parsing()
        self.refresh()
        super().initialize()

    def refresh(self) -> None:
        """Makes the files those of the definitions there are now."""
        self.path.mkdir(parents=True, exist_ok=True)
        wanted = {
            f"{folder.name}.py": TEMPLATE.format(name=folder.name, folder=folder)
            for folder in definition_folders(self._settings.models_path)
        }
        for file in self.path.glob("*.py"):
            if file.name not in wanted:
                file.unlink(missing_ok=True)
        for name, text in wanted.items():
            file = self.path / name
            if not file.exists() or file.read_text() != text:
                part = file.with_suffix(".part")
                part.write_text(text)
                part.rename(file)
