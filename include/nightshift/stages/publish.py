"""Staged sets become visible, each by one atomic commit."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nightshift.lake.publish import publish as commit
from nightshift.lake.staging import load_staged
from nightshift.lake.tables import Layer, layer_of, table_spec
from nightshift.project import Project

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PublishResult:
    """What was published.

    Attributes:
        snapshots: Each published table's snapshot.
        failed: The tables of challengers that could not be published, which stops nothing.
    """

    snapshots: Mapping[str, int]
    failed: tuple[str, ...] = ()


def publish(project: Project, locations: Sequence[str]) -> PublishResult:
    """Makes staged sets visible. Publishing the same set again changes nothing."""
    snapshots: dict[str, int] = {}
    failed: list[str] = []
    for staged in [load_staged(location) for location in locations]:
        try:
            spec = table_spec(project.definition, staged.table, staged.inputs)
            snapshots[staged.table] = commit(project.lake, spec, staged)
        except Exception:
            if layer_of(staged.table) is not Layer.SHADOW:
                raise
            log.exception("%s of %s could not be published", staged.table, staged.dates)
            failed.append(staged.table)
    return PublishResult(snapshots, tuple(failed))
