"""Runs a contract over staged rows with Great Expectations."""

from __future__ import annotations

import logging
import os
import warnings
from typing import Any

import pyarrow as pa

from nightshift.quality.contract import ROW_COUNT, Contract, Expectation
from nightshift.types import Check, Verdict

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
os.environ.setdefault("TQDM_DISABLE", "1")


def audit(contract: Contract, rows: pa.Table) -> Verdict:
    """Checks every expectation of a contract; all of them, not only up to the first that fails.

    Args:
        contract: What must hold.
        rows: The staged rows.

    Returns:
        The verdict, with what was observed for each expectation.
    """
    gx = _great_expectations()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}
        asset = context.data_sources.add_pandas("staging").add_dataframe_asset(contract.table)
        batches = asset.add_batch_definition_whole_dataframe("staged")
        compiled = [_compile(gx, item) for item in contract.expectations]
        suite = gx.ExpectationSuite(name=contract.table, expectations=compiled)
        batch = batches.get_batch(batch_parameters={"dataframe": _frame(rows)})
        results = batch.validate(suite, result_format={"result_format": "BASIC", "partial_unexpected_count": 1})
    by_key = {_identity(result.expectation_config): result for result in results.results}
    checks = [
        _check(item, by_key[_identity(one.configuration)])
        for item, one in zip(contract.expectations, compiled, strict=True)
    ]
    return Verdict(contract.table, tuple(checks), rows.num_rows)


def _great_expectations() -> Any:
    """Great Expectations without the lines it logs about itself."""
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    import great_expectations as gx

    for name in [name for name in logging.root.manager.loggerDict if name.startswith("great_expectations")]:
        logging.getLogger(name).setLevel(logging.WARNING)
    return gx


def _compile(gx: Any, expectation: Expectation) -> Any:
    return getattr(gx.expectations, expectation.kind)(**dict(expectation.arguments))


def _identity(configuration: Any) -> tuple[str, str]:
    arguments = configuration.kwargs
    subject = arguments.get("column") or " + ".join(arguments.get("column_list", ()))
    return configuration.type, subject


def _frame(rows: pa.Table) -> Any:
    """A pandas frame whose integers stay integers when some are missing."""
    import pandas as pd

    kinds = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    return rows.to_pandas(types_mapper=kinds.get, date_as_object=True)


def _check(expectation: Expectation, result: Any) -> Check:
    found = result.result or {}
    if result.exception_info and result.exception_info.get("raised_exception"):
        detail = f"could not be evaluated: {result.exception_info.get('exception_message')}"
        return Check(expectation.kind, expectation.subject, False, None, detail)
    if expectation.kind == ROW_COUNT:
        observed = float(found["observed_value"])
        bounds = dict(expectation.arguments)
        most = "any number" if bounds["max_value"] is None else bounds["max_value"]
        detail = f"{observed:.0f} rows, expected {bounds['min_value']} to {most}"
    else:
        observed = float(found.get("unexpected_count") or 0)
        first = _plain((found.get("partial_unexpected_list") or [None])[0])
        detail = f"{observed:.0f} values break {_in_words(expectation)}, first {first!r}"
    return Check(
        expectation.kind, expectation.subject, bool(result.success), observed, "" if result.success else detail
    )


def _plain(value: Any) -> Any:
    """A value as a person writes it, not as NumPy or pandas does."""
    import pandas as pd

    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value


def _in_words(expectation: Expectation) -> str:
    arguments = dict(expectation.arguments)
    match expectation.kind:
        case "ExpectColumnValuesToNotBeNull":
            return "'not null'"
        case "ExpectColumnValuesToBeBetween":
            return f"'between {arguments['min_value']} and {arguments['max_value']}'"
        case "ExpectColumnValuesToBeInSet":
            return f"'one of {arguments['value_set']}'"
        case _:
            return "'unique'"
