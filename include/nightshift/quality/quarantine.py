"""The quarantine: lists the rows that were set aside, stages them, and releases them once they satisfy the rules."""

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
    """The rows of a date that are in quarantine for the same rule of the same column."""

    source: str
    day: date
    rule: str
    column: str
    rows: int
    first: str | None
    reason: str


def quarantined_rows(lake: Lake, definition: ModelDefinition, source: str | None = None) -> list[QuarantinedRows]:
    """The rows in quarantine, by source, date and rule.

    Raises:
        TerminalError: If the definition has no such source.
    """
    groups = []
    for name in [_declared_source(definition, source)] if source else definition.sources:
        spec = quarantine_table(definition, name)
        if not lake.table_exists(spec.name):
            continue
        by_rule: dict[tuple[date, str, str], list[dict[str, Any]]] = {}
        for row in read_dates(lake, spec, date.min, date.max, columns=("source_date", *QUARANTINE_COLUMNS)).to_pylist():
            group = (row["source_date"], row["quarantine_rule"], row["quarantine_column"])
            by_rule.setdefault(group, []).append(row)
        for (day, rule, column), rows in sorted(by_rule.items(), key=lambda group: group[0]):
            first = rows[0]
            groups.append(
                QuarantinedRows(
                    name, day, rule, column, len(rows), first["quarantine_value"], first["quarantine_reason"]
                )
            )
    return groups


def stage_quarantine(
    lake: Lake, definition: ModelDefinition, source: str, staged: Staged, quarantined: pa.Table
) -> Staged | None:
    """Stages the rows of a staged set that were set aside, to replace those of an earlier run.

    Returns:
        The staged set; None if there are no rows to set aside and none to replace.
    """
    spec = quarantine_table(definition, source)
    if not quarantined.num_rows and not published_dates(lake, spec, (staged.first, staged.last)):
        return None
    return stage_arrow(lake, spec, quarantined, staged.first, staged.last, staged.inputs)


def release(lake: Lake, definition: ModelDefinition, source: str, day: date, *, force: bool = False) -> tuple[int, int]:
    """Publishes the quarantined rows of a date that satisfy the current rules.

    It can be interrupted and run again: the published partition records the quarantine's snapshot it was released from.

    Args:
        lake: The lake.
        definition: The model definition.
        source: The source.
        day: The date of the rows.
        force: Also release rows that still break a rule.

    Returns:
        The number of released rows, and of rows that stay in quarantine.

    Raises:
        NotYetAvailable: If no row of the date is in quarantine.
        TerminalError: If a released row has the key of a published one, or there is no such source.
    """
    raw, quarantine = raw_table(definition, _declared_source(definition, source)), quarantine_table(definition, source)
    if not lake.table_exists(quarantine.name) or not (rows := read_dates(lake, quarantine, day, day)).num_rows:
        raise NotYetAvailable(f"no row of {day} is in quarantine", where=quarantine.name, fix="see `quarantine list`")
    contract = row_contract(source, definition.sources[source])
    broken = set(audit_table(contract, rows.select(list(raw.columns))).broken_rows)
    remains = pa.array([not force and number in broken for number in range(rows.num_rows)], pa.bool_())
    released = rows.filter(pc.invert(remains)).select(list(raw.columns))
    inputs, snapshot = published_inputs(lake, raw, day), str(snapshot_of(lake, quarantine.name))
    if released.num_rows and inputs.get(quarantine.name) != snapshot:
        published = pa.concat_tables([read_dates(lake, raw, day, day), released])
        _check_keys(published, raw.key, raw.name)
        publish(lake, raw, stage_arrow(lake, raw, published, day, day, inputs | {quarantine.name: snapshot}))
    publish(lake, quarantine, stage_arrow(lake, quarantine, rows.filter(remains), day, day, inputs))
    return released.num_rows, rows.num_rows - released.num_rows


def _declared_source(definition: ModelDefinition, source: str) -> str:
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
