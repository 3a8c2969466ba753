"""Judges a staged set: audits it, and stages the rows to publish and the rows for the quarantine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nightshift.json_documents import parse_as
from nightshift.lake.files import read_bytes, write_bytes
from nightshift.lake.staging import read_staged, stage_parts
from nightshift.lake.tables import Layer, TableSpec, table_spec
from nightshift.quality.audit import Audit, audit
from nightshift.quality.auditor import Auditor
from nightshift.quality.docs import Page, render_docs
from nightshift.quality.expectation import Contract
from nightshift.quality.quarantine import stage_quarantine
from nightshift.quality.staged_rows import InProcessRows, SparkRows, StagedRows
from nightshift.quality.suite import suite_result
from nightshift.quality.uncounted import uncounted_checks
from nightshift.types import Staged, Verdict

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

JUDGEMENT = "_judgement.json"


@dataclass(frozen=True)
class Judgement:
    """The judgement of a staged set.

    Attributes:
        verdict: The verdict.
        page: Its page of Data Docs, as HTML.
        locations: The sets to publish instead of it, in this order; none if it failed.
    """

    verdict: Verdict
    page: str
    locations: tuple[str, ...]


def judge(
    auditor: Auditor, staged: Staged, siblings: Sequence[Staged], run_id: str, spark: SparkSession | None = None
) -> Judgement:
    """Judges a staged set, in this process or, given a session, on Spark.

    Args:
        auditor: Builds the contract.
        staged: The set.
        siblings: The sets that are staged by the same run.
        run_id: The run, which is written into quarantined rows.
        spark: The Spark session, for sets that are too large for this process.
    """
    spec, contract = table_spec(auditor.definition, staged.table, staged.inputs), auditor.contract(staged, siblings)
    rows = _rows(staged, spec, contract, spark)
    further = auditor.file_checks(staged, siblings)
    if spec.layer is Layer.RAW and spec.local_name in auditor.definition.sources:
        further += uncounted_checks(auditor.definition, spec.local_name, rows)
    audited = audit(contract, rows, staged.dates, run_id, further)
    entry, verdict = Page.of(audited.verdict), audited.verdict
    page = render_docs(entry.title, suite_result(contract, audited.results), entry.summary, entry.outcome)
    if verdict.outcome == "fail":
        return Judgement(verdict, page, ())
    return Judgement(verdict, page, _publishable(auditor, staged, spec, rows, audited))


def write_judgement(staged: Staged, judgement: Judgement) -> None:
    """Writes a judgement into the folder of its set, for the process that submitted the job."""
    content = vars(judgement) | {"verdict": judgement.verdict.to_json()}
    write_bytes(f"{staged.location}/{JUDGEMENT}", json.dumps(content).encode())


def read_judgement(staged: Staged) -> Judgement:
    """Reads the judgement of a set.

    Raises:
        TerminalError: If its file is damaged.
    """
    uri = f"{staged.location}/{JUDGEMENT}"
    fields, fix = (
        {"verdict": dict, "page": str, "locations": list},
        "clear the task that stages the set and run it again",
    )
    return parse_as(read_bytes(uri), uri, Judgement, fields, fix)


def _rows(staged: Staged, spec: TableSpec, contract: Contract, spark: SparkSession | None) -> StagedRows:
    if spark is None:
        return InProcessRows(read_staged(staged, spec), contract.computed)
    return SparkRows(spark, staged, spec, contract.computed)


def _publishable(
    auditor: Auditor, staged: Staged, spec: TableSpec, rows: StagedRows, audited: Audit
) -> tuple[str, ...]:
    """The sets to publish, the quarantine first, so that every row is in a table at any time."""
    if spec.layer is not Layer.RAW:
        return (staged.location,)
    quarantine = stage_quarantine(auditor.lake, auditor.definition, spec.local_name, staged, audited.quarantined)
    first = (quarantine.location,) if quarantine else ()
    if not audited.broken_rows:
        return (*first, staged.location)
    parts = rows.without(audited.broken_rows)
    remaining = stage_parts(auditor.lake, spec, parts, staged.first, staged.last, staged.inputs, staged.split)
    return (*first, remaining.location)
