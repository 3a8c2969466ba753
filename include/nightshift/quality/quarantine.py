"""The quarantine: rows that were set aside, and their release once the rule or the data was mended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.model import ModelDefinition
from nightshift.errors import NotYetAvailable, TerminalError
from nightshift.lake.catalog import Lake
from nightshift.lake.publish import publish
from nightshift.lake.read import published_dates, read_dates, snapshot_of
from nightshift.lake.staging import published_inputs, stage_arrow
from nightshift.lake.tables import QUARANTINE_COLUMNS, quarantine_table, raw_table
from nightshift.quality.audit import audit_table
from nightshift.quality.contract import row_contract
from nightshift.types import Staged


@dataclass(frozen=True)
class QuarantinedRows:
    """Rows of a date that are in quarantine for the same rule of the same column."""

    source: str
    day: date
    rule: str
    column: str
    rows: int
    first: str | None
    reason: str


def quarantined_rows(lake: Lake, definition: ModelDefinition, source: str | None = None) -> list[QuarantinedRows]:
    """What is in quarantine, by source, date and rule.

    Raises:
        TerminalError: If the definition has no such source.
    """
    found = []
    for name in [_known(definition, source)] if source else definition.sources:
        spec = quarantine_table(definition, name)
        if not lake.table_exists(spec.name):
            continue
        by_rule: dict[tuple[date, str, str], list[dict[str, Any]]] = {}
        for row in read_dates(lake, spec, date.min, date.max, columns=("source_date", *QUARANTINE_COLUMNS)).to_pylist():
            told = (row["source_date"], row["quarantine_rule"], row["quarantine_column"])
            by_rule.setdefault(told, []).append(row)
        for (day, rule, column), [first, *others] in sorted(by_rule.items(), key=lambda one: one[0]):
            count = 1 + len(others)
            found.append(
                QuarantinedRows(name, day, rule, column, count, first["quarantine_value"], first["quarantine_reason"])
            )
    return found


def stage_quarantine(
    lake: Lake, definition: ModelDefinition, source: str, staged: Staged, aside: pa.Table
) -> Staged | None:
    """Stages the rows of a staged set that were set aside, in place of those that were before.

    Returns:
        The staged set; None if there is nothing to set aside and nothing to replace.
    """
    spec = quarantine_table(definition, source)
    if not aside.num_rows and not published_dates(lake, spec, (staged.first, staged.last)):
        return None
    return stage_arrow(lake, spec, aside, staged.first, staged.last, staged.inputs)


def release(lake: Lake, definition: ModelDefinition, source: str, day: date, *, force: bool = False) -> tuple[int, int]:
    """Publishes rows of a date that are in quarantine, as far as they satisfy the present rules.

    It can be interrupted and run again: what was published is known by the quarantine's snapshot.

    Args:
        lake: The lake.
        definition: The model definition.
        source: The source.
        day: The date of the rows.
        force: Release also those that still break a rule.

    Returns:
        How many rows were released, and how many stay.

    Raises:
        NotYetAvailable: If none of the date's rows is in quarantine.
        TerminalError: If a released row has the key of a published one, or there is no such source.
    """
    raw, quarantine = raw_table(definition, _known(definition, source)), quarantine_table(definition, source)
    held = (
        read_dates(lake, quarantine, day, day)
        if lake.table_exists(quarantine.name)
        else quarantine.schema.empty_table()
    )
    if not held.num_rows:
        raise NotYetAvailable(f"no row of {day} is in quarantine", where=quarantine.name, fix="see `quarantine list`")
    broken = set(audit_table(row_contract(source, definition.sources[source]), held.select(list(raw.columns))).broken)
    stays = pa.array([not force and number in broken for number in range(held.num_rows)], pa.bool_())
    released = held.filter(pc.invert(stays)).select(list(raw.columns))
    told, snapshot = published_inputs(lake, raw, day), str(snapshot_of(lake, quarantine.name))
    if released.num_rows and told.get(quarantine.name) != snapshot:
        rows = pa.concat_tables([read_dates(lake, raw, day, day), released])
        _check_keys(rows, raw.key, raw.name)
        publish(lake, raw, stage_arrow(lake, raw, rows, day, day, told | {quarantine.name: snapshot}))
    publish(lake, quarantine, stage_arrow(lake, quarantine, held.filter(stays), day, day, told))
    return released.num_rows, held.num_rows - released.num_rows


def _known(definition: ModelDefinition, source: str) -> str:
    if source not in definition.sources:
        allowed = ", ".join(definition.sources)
        raise TerminalError("unknown source", where=definition.name, received=source, allowed=allowed, fix="name one")
    return source


def _check_keys(rows: pa.Table, key: tuple[str, ...], table: str) -> None:
    if len(key) < 2:
        return  # the source declares no key, only its date
    if rows.group_by(list(key)).aggregate([]).num_rows < rows.num_rows:
        raise TerminalError(
            "a row in quarantine has the key of a published row",
            where=table,
            allowed=f"unique {' + '.join(key)}",
            fix="land the date again with the right rows, and clear its run",
        )
