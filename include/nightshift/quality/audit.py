"""Runs a contract over staged rows with Great Expectations, and sets aside the rows that may be."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from nightshift.lake.tables import ASIDE
from nightshift.quality.contract import NOT_NULL, ROW_COUNT, Contract, Expectation
from nightshift.quality.words import reason, sentence
from nightshift.types import Check, Verdict

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
os.environ.setdefault("TQDM_DISABLE", "1")

# Why a row is set aside: for each rule it breaks the rule, the column, its value, and the reason in words.
Reasons = list[tuple[str, str, Any, str]]


@dataclass(frozen=True)
class Audit:
    """What an audit came to.

    Attributes:
        verdict: Every check with what was observed.
        kept: The rows that may be published.
        aside: The rows that were set aside, each with the first rule it breaks, that column and its value, and every
            reason.
        broken: The numbers of those rows.
    """

    verdict: Verdict
    kept: pa.Table
    aside: pa.Table
    broken: frozenset[int]


def audit(contract: Contract, rows: pa.Table, dates: str = "", run_id: str = "") -> Audit:
    """Checks every expectation of a contract; all of them, not only up to the first that fails.

    Args:
        contract: What must hold.
        rows: The staged rows.
        dates: The dates they are of, for people.
        run_id: The run, which rows that are set aside name.
    """
    gx = _great_expectations()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batch = _batch(gx, contract.table, rows)
        found = _validate(gx, batch, contract.expectations, {"result_format": "BASIC", "partial_unexpected_count": 1})
        checks = [_check(item, result) for item, result in zip(contract.expectations, found, strict=True)]
        broken = [
            item
            for item, check in zip(contract.expectations, checks, strict=True)
            if item.severity == "quarantine" and not check.passed and check.observed is not None
        ]
        # Which rows: asked only of what failed, since it takes as much memory as there are such rows.
        where = _validate(gx, batch, broken, {"result_format": "COMPLETE"}) if broken else []
    numbers = [result.result["unexpected_index_list"] for result in where]
    aside = _aside(rows, list(zip(broken, numbers, strict=True)))
    if len(aside) > contract.share * rows.num_rows:
        most = f"{len(aside)} of {rows.num_rows} rows would be set aside, at most {contract.share:.2%} may be"
        checks = [_too_many(check, most) for check in checks]
    verdict = Verdict(contract.table, tuple(checks), rows.num_rows, dates, len(aside))
    return Audit(verdict, _without(rows, aside), _told(rows, aside, run_id), frozenset(aside))


def _batch(gx: Any, table: str, rows: pa.Table) -> Any:
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("staging").add_dataframe_asset(table)
    return asset.add_batch_definition_whole_dataframe("staged").get_batch(batch_parameters={"dataframe": _frame(rows)})


def _validate(gx: Any, batch: Any, expectations: Sequence[Expectation], result_format: dict[str, Any]) -> list[Any]:
    """The result of each expectation, in their order."""
    compiled = [getattr(gx.expectations, item.kind)(**dict(item.arguments)) for item in expectations]
    suite = gx.ExpectationSuite(name="staged", expectations=compiled)
    results = batch.validate(suite, result_format=result_format).results
    by_identity = {_identity(result.expectation_config): result for result in results}
    return [by_identity[_identity(one.configuration)] for one in compiled]


def _great_expectations() -> Any:
    """Great Expectations without the lines it logs about itself."""
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    import great_expectations as gx

    for name in [name for name in logging.root.manager.loggerDict if name.startswith("great_expectations")]:
        logging.getLogger(name).setLevel(logging.WARNING)
    return gx


def _identity(configuration: Any) -> tuple[str, str]:
    """What tells an expectation from the others: results come in an order of their own."""
    arguments = {name: value for name, value in configuration.kwargs.items() if name != "batch_id"}
    return configuration.type, json.dumps(arguments, sort_keys=True, default=str)


def _frame(rows: pa.Table) -> Any:
    """A pandas frame whose integers stay integers when some are missing."""
    import pandas as pd

    kinds = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    return rows.to_pandas(types_mapper=kinds.get, date_as_object=True)


def _check(expectation: Expectation, result: Any) -> Check:
    found, passed = result.result or {}, bool(result.success)
    kind, subject, severity = expectation.kind, expectation.subject, expectation.severity
    if result.exception_info and result.exception_info.get("raised_exception"):
        detail = f"{subject} could not be checked: {result.exception_info.get('exception_message')}"
        return Check(kind, subject, False, None, detail, "fail")
    observed = float(found["observed_value"] if kind == ROW_COUNT else found.get("unexpected_count") or 0)
    first = _plain((found.get("partial_unexpected_list") or [None])[0])
    return Check(kind, subject, passed, observed, "" if passed else sentence(expectation, observed, first), severity)


def _too_many(check: Check, why: str) -> Check:
    """A check whose rows are too many to be set aside: the night fails."""
    if check.passed or check.severity != "quarantine":
        return check
    return replace(check, severity="fail", detail=f"{check.detail} ({why})")


def _aside(rows: pa.Table, broken: Sequence[tuple[Expectation, Sequence[int]]]) -> dict[int, Reasons]:
    """The rows that break a rule, and why."""
    found: dict[int, Reasons] = {}
    for expectation, numbers in broken:
        column = rows[expectation.subject]
        for number in numbers:
            value = None if expectation.kind == NOT_NULL else column[number].as_py()
            found.setdefault(number, []).append(
                (expectation.kind, expectation.subject, value, reason(expectation, value))
            )
    return dict(sorted(found.items()))


def _without(rows: pa.Table, aside: Collection[int]) -> pa.Table:
    """The rows that stay."""
    if not aside:
        return rows
    return rows.filter(pa.array([number not in aside for number in range(rows.num_rows)], pa.bool_()))


def _told(rows: pa.Table, aside: dict[int, Reasons], run_id: str) -> pa.Table:
    """The rows that were set aside, as rows of the quarantine."""
    told = []
    for reasons in aside.values():
        rule, column, value, _ = reasons[0]
        text = None if value is None else str(value)
        told.append(dict(zip(ASIDE, (rule, column, text, "; ".join(why for *_, why in reasons), run_id), strict=True)))
    taken = rows.take(pa.array(list(aside), pa.int64()))
    for name in ASIDE:
        taken = taken.append_column(name, pa.array([row[name] for row in told], pa.string()))
    return taken


def _plain(value: Any) -> Any:
    """A value as a person writes it, not as NumPy or pandas does."""
    import pandas as pd

    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value
