"""What the checks of an examination share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from nightshift.definition.load import definition_folders
from nightshift.lake.catalog import Lake
from nightshift.settings import Settings


@dataclass(frozen=True)
class Examination:
    """An examination of an installation.

    Attributes:
        settings: The installation.
        deep: Whether all data are read, instead of the sizes of files alone.
        progress: Takes what is examined.
    """

    settings: Settings
    deep: bool
    progress: Callable[[str], None]

    @cached_property
    def lake(self) -> Lake:
        """Its tables."""
        return Lake(self.settings)

    @cached_property
    def models(self) -> list[str]:
        """The names of the models that have a definition."""
        return [folder.name for folder in definition_folders(self.settings.models_path)]
