"""Judges a staged set: audits it, and stages what of it may be published and what is set aside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nightshift.lake.files import read_bytes, write_bytes
from nightshift.lake.staging import read_staged, stage_parts
from nightshift.lake.tables import Layer, TableSpec, table_spec
from nightshift.quality.audit import Audit, Rows, audit
from nightshift.quality.auditor import Auditor
from nightshift.quality.docs import Page, render_docs
from nightshift.quality.expectation import Contract
from nightshift.quality.quarantine import stage_quarantine
from nightshift.quality.staged_rows import InProcessRows, SparkRows
from nightshift.quality.suite import suite_result
from nightshift.types import Staged, Verdict

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

JUDGEMENT = "_judgement.json"


@dataclass(frozen=True)
class Judgement:
    """What became of a staged set.

    Attributes:
        verdict: The verdict.
        page: Its Data Docs, as HTML.
        locations: The sets to publish in its place, in their order; none if it failed.
    """

    verdict: Verdict
    page: str
    locations: tuple[str, ...]


def judge(
    auditor: Auditor, staged: Staged, beside: Sequence[Staged], run_id: str, spark: SparkSession | None = None
) -> Judgement:
    """Judges a staged set, in this process or, given a session, on Spark.

    Args:
        auditor: What it looks at.
        staged: The set.
        beside: The sets that are staged together with it.
        run_id: The run, which rows that are set aside name.
        spark: For sets that are too large for this process.
    """
    spec, contract = table_spec(auditor.definition, staged.table), auditor.contract(staged, beside)
    rows = _rows(staged, spec, contract, spark)
    audited = audit(contract, rows, staged.dates, run_id, auditor.files(staged))
    told, verdict = Page.of(audited.verdict), audited.verdict
    page = render_docs(told.title, suite_result(contract, audited.findings), told.summary, told.outcome)
    if verdict.outcome == "fail":
        return Judgement(verdict, page, ())
    return Judgement(verdict, page, _publishable(auditor, staged, spec, rows, audited))


def write_judgement(staged: Staged, judgement: Judgement) -> None:
    """Keeps a judgement beside the set it is of, for the process that asked for it."""
    told = vars(judgement) | {"verdict": judgement.verdict.to_json()}
    write_bytes(f"{staged.location}/{JUDGEMENT}", json.dumps(told).encode())


def read_judgement(staged: Staged) -> Judgement:
    """The judgement that was kept of a set."""
    told: dict[str, Any] = json.loads(read_bytes(f"{staged.location}/{JUDGEMENT}"))
    return Judgement(Verdict.from_json(told["verdict"]), told["page"], tuple(told["locations"]))


def _rows(staged: Staged, spec: TableSpec, contract: Contract, spark: SparkSession | None) -> Rows:
    if spark is None:
        return InProcessRows(read_staged(staged, spec), contract.computed)
    return SparkRows(spark, staged, spec, contract.computed)


def _publishable(auditor: Auditor, staged: Staged, spec: TableSpec, rows: Rows, audited: Audit) -> tuple[str, ...]:
    """The sets to publish: the rows that were set aside first, so that none is nowhere."""
    if spec.layer is not Layer.RAW:
        return (staged.location,)
    aside = stage_quarantine(auditor.lake, auditor.definition, spec.local_name, staged, audited.aside)
    first = (aside.location,) if aside else ()
    if not audited.broken:
        return (*first, staged.location)
    parts = rows.without(audited.broken)
    kept = stage_parts(auditor.lake, spec, parts, staged.first, staged.last, staged.inputs, staged.split)
    return (*first, kept.location)
