"""One model in one installation: what every stage works with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from datetime import date
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from nightshift.definition.load import find_definition
from nightshift.definition.model import ModelDefinition
from nightshift.definition.prediction import mismatch
from nightshift.errors import NotYetAvailable
from nightshift.lake.catalog import Lake
from nightshift.lake.parquet import read_files
from nightshift.lake.publish import publish
from nightshift.lake.read import read_dates
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import TableSpec, monitoring_table
from nightshift.settings import Settings, get_settings
from nightshift.types import Measurement

if TYPE_CHECKING:
    from nightshift.monitoring.expected_performance import Metrics
    from nightshift.registry.challengers import Challengers
    from nightshift.registry.champions import Champions
    from nightshift.registry.classes import LabelClasses
    from nightshift.registry.store import Registry, Version

Progress = Callable[[str], None]


class Project:
    """One model's definition, its tables and its registry, in one installation.

    Args:
        model: The model's name.
        settings: The installation's settings; those of this process if left out.
        checked: A folder that remembers definitions that were checked; the definition is checked again if left out.

    Raises:
        DefinitionError: If the model's definition cannot be used.
    """

    def __init__(self, model: str, settings: Settings | None = None, checked: Path | None = None) -> None:
        self.settings = settings or get_settings()
        self.definition: ModelDefinition = find_definition(
            self.settings.models_path, model, self.settings.sources_path, checked
        )

    def with_definition(self, definition: ModelDefinition) -> Project:
        """The same model by another definition; tables and registry are shared."""
        project = copy(self)
        project.definition = definition
        project.__dict__.pop("metrics", None)
        return project

    @cached_property
    def lake(self) -> Lake:
        return Lake(self.settings)

    # The registry's libraries take a second to import, which most stages need not spend.

    @cached_property
    def registry(self) -> Registry:
        """The model's runs and versions.

        Raises:
            TransientError: If it does not answer, or lacks versions that the events know.
        """
        from nightshift.registry.events import read_events
        from nightshift.registry.lost_versions import require_database, require_versions
        from nightshift.registry.store import Registry

        require_database(self.settings)
        registry = Registry(self.settings, self.definition.name)
        require_versions(registry, read_events(self.lake, self.definition.name))
        return registry

    @cached_property
    def champions(self) -> Champions:
        from nightshift.registry.champions import Champions

        return Champions(self.registry, self.lake, self.definition)

    @cached_property
    def challengers(self) -> Challengers:
        from nightshift.registry.challengers import Challengers

        return Challengers(self.registry, self.lake, self.definition)

    @cached_property
    def metrics(self) -> Metrics:
        """The gate's metrics of the prediction, without `bias`, which is recorded with its sign apart from them."""
        from nightshift.training.bootstrap import metrics

        return partial(metrics, wanted=[name for name in self.definition.metrics if name != "bias"])

    def classes_of(self, version: Version) -> LabelClasses | None:
        """The classes of a version; None if the label is a condition or a number."""
        return self.registry.classes(version) if self.definition.label.kind == "category" else None

    def mismatch(self, version: Version) -> str:
        """Why a version does not predict the label, in words; empty if it does. The label's type may change."""
        predicted, declared = self.registry.prediction(version), self.definition.prediction
        return "" if predicted == declared else mismatch(f"version {version.number}", predicted, declared)

    def record(self, monitor: str, night: date, measurements: Sequence[Measurement], run_id: str) -> None:
        """Publishes monitored values; those of the same monitor and night are replaced."""
        spec = monitoring_table(self.definition)
        rows = [{"monitor": monitor, "score_date": night, "run_id": run_id, **vars(value)} for value in measurements]
        table = pa.Table.from_pylist(rows, schema=pa.schema([spec.schema.field(name) for name in spec.columns]))
        staged = stage_arrow(self.lake, spec, table, night, night, {}, {"monitor": monitor})
        publish(self.lake, spec, staged)

    def monitored(self, first: date, last: date, monitor: str | None = None) -> list[dict[str, Any]]:
        """The rows monitored from `first` to `last`, of one monitor if it is given; none if nothing was yet."""
        split = {"monitor": monitor} if monitor else {}
        return list(self.read(monitoring_table(self.definition), first, last, split=split).to_pylist())

    def read(self, spec: TableSpec, first: date, last: date, **options: Any) -> pa.Table:
        """Published rows, see `read_dates`; none if the table does not exist yet."""
        try:
            return read_dates(self.lake, spec, first, last, **options)
        except NotYetAvailable:
            return read_files([], spec, options.get("columns", ()))
