"""Runs expectations with Great Expectations, in as few passes over the rows as it can."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from nightshift.lake.tables import ROW_NUMBER
from nightshift.quality.compile import NUMBER, compile_expectation, great_expectations
from nightshift.quality.expectation import Contract, ExpectationSpec

SHOWN = 20  # values that break an expectation


class Batches(Protocol):
    """A staged set as Great Expectations takes it.

    Attributes:
        rows: How many rows there are.
    """

    rows: int

    def batch(self, context: Any, computed: bool, numbered: bool) -> Any:
        """The rows, or the columns computed of them, as a batch; with `ROW_NUMBER` if they are to be numbered."""


@dataclass(frozen=True)
class ExpectationResult:
    """What Great Expectations found of one expectation.

    Attributes:
        expectation: The expectation.
        result: Its result; counts are filled in where only a boolean was asked for.
        passed: Whether it holds.
        broken: The rows that break it, by their numbers, if it was asked which.
        example: The number of one of them, of a rule.
    """

    expectation: ExpectationSpec
    result: Any
    passed: bool
    broken: tuple[int, ...] = ()
    example: int | None = None

    @property
    def problem(self) -> str | None:
        """Why it could not be checked."""
        return _problem(self.result)


def validate(contract: Contract, batches: Batches) -> list[ExpectationResult]:
    """Checks every expectation of a contract; all of them, not only up to the first that fails.

    Where single values can break an expectation only whether any does is asked first, which Great Expectations
    answers for all of them in one pass. Then how many and which, of those that are broken.

    Returns:
        What was found, in the order of the contract.
    """
    gx = great_expectations()
    found: dict[int, ExpectationResult] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for computed in (False, True):
            numbered = {n: one for n, one in enumerate(contract.expectations) if one.computed is computed}
            if numbered:
                found |= _Pass(gx, contract, batches, computed).run(numbered)
    return [found[number] for number in range(len(contract.expectations))]


class _Pass:
    """The expectations over the rows, or those over the columns computed of them."""

    def __init__(self, gx: Any, contract: Contract, batches: Batches, computed: bool) -> None:
        self._gx, self._contract, self._batches, self._computed = gx, contract, batches, computed
        self._context = gx.get_context(mode="ephemeral")
        self._context.variables.progress_bars = {"globally": False}
        self._batch = batches.batch(self._context, computed, numbered=False)

    def run(self, expectations: Mapping[int, ExpectationSpec]) -> dict[int, ExpectationResult]:
        compiled = {n: compile_expectation(self._gx, one, self._contract.folder, n) for n, one in expectations.items()}
        single = {n: one for n, one in expectations.items() if self._is_single(compiled[n], one)}
        others = {n: one for n, one in expectations.items() if n not in single}
        results = self._validate(self._batch, [compiled[n] for n in single], "BOOLEAN_ONLY")
        broken = [n for n in single if not results[n].success]
        for number in set(single).difference(broken):
            results[number].result = _nothing_broken(self._batches.rows)
        told: dict[str, Any] = {"result_format": "BASIC", "partial_unexpected_count": SHOWN}
        results |= self._validate(self._batch, [compiled[n] for n in (*others, *broken)], told)
        for number in others:
            results[number].success = results[number].success or self._measured_nothing(results[number])
        aside = [n for n in broken if expectations[n].severity == "quarantine" and self._are_few(results[n])]
        numbers = self._numbers([compiled[n] for n in aside], "COMPLETE", "unexpected_index_list")
        rules = [
            n for n in expectations if self._computed and not results[n].success and hasattr(compiled[n], "mostly")
        ]
        first = self._numbers([compiled[n] for n in rules], "SUMMARY", "partial_unexpected_index_list")
        return {
            n: ExpectationResult(
                one, results[n], bool(results[n].success), numbers.get(n, ()), next(iter(first.get(n, ())), None)
            )
            for n, one in expectations.items()
        }

    def _numbers(self, compiled: Sequence[Any], result_format: str, key: str) -> dict[int, tuple[int, ...]]:
        """Rows that break expectations. All of them are asked only of few: it takes as much memory as they are."""
        if not compiled:
            return {}
        batch = self._batches.batch(self._context, self._computed, numbered=True)
        asked = {
            "result_format": result_format,
            "partial_unexpected_count": 1,
            "unexpected_index_column_names": [ROW_NUMBER],
        }
        results = self._validate(batch, compiled, asked)
        return {
            n: tuple(sorted(int(row[ROW_NUMBER]) for row in result.result.get(key) or ()))
            for n, result in results.items()
        }

    def _validate(self, batch: Any, compiled: Sequence[Any], result_format: Any) -> dict[int, Any]:
        """The result of each expectation, by its number: they come in an order of their own."""
        if not compiled:
            return {}
        suite = self._gx.ExpectationSuite(name="staged", expectations=list(compiled))
        results = batch.validate(suite, result_format=result_format).results
        for result in results:
            result.result = json.loads(json.dumps(result.result, default=_plain))  # pages and messages show them
        return {result.expectation_config.meta[NUMBER]: result for result in results}

    def _measured_nothing(self, result: Any) -> bool:
        """Whether there was no value to measure, which is for checks of rows and of missing values to judge."""
        if _problem(result) is not None:
            return False
        found = result.result or {}
        observed = found.get("observed_value", 0)
        no_row = self._batches.rows == 0 and "column" in result.expectation_config.kwargs
        # Of a set of values Great Expectations only tells which are too many or lacking.
        told = found.get("unexpected_count") or found.get("missing_count")
        return no_row or (observed is None and not told) or observed != observed  # not a number

    def _are_few(self, result: Any) -> bool:
        return int(result.result.get("unexpected_count") or 0) <= self._contract.quarantine_limit(self._batches.rows)

    @staticmethod
    def _is_single(compiled: Any, expectation: ExpectationSpec) -> bool:
        """Whether single values break it, and not one may."""
        return hasattr(compiled, "mostly") and dict(expectation.arguments).get("mostly", 1.0) == 1.0


def suite_result(contract: Contract, findings: Sequence[ExpectationResult]) -> Any:
    """What was found, as Great Expectations tells the result of a suite."""
    from great_expectations.core import ExpectationSuiteValidationResult

    passed = sum(finding.passed for finding in findings)
    statistics = {
        "evaluated_expectations": len(findings),
        "successful_expectations": passed,
        "unsuccessful_expectations": len(findings) - passed,
        "success_percent": 100 * passed / len(findings) if findings else None,
    }
    return ExpectationSuiteValidationResult(
        results=[finding.result for finding in findings],
        success=passed == len(findings),
        suite_name=contract.table,
        statistics=statistics,
        meta={"great_expectations_version": great_expectations().__version__},
    )


def _plain(value: Any) -> Any:
    """A value that JSON does not know: NumPy's as Python's own, any other as text."""
    return value.item() if hasattr(value, "item") else str(value)


def _problem(result: Any) -> str | None:
    information = result.exception_info or {}
    # Told once, or by the metric that raised it.
    told = [information, *(one for one in information.values() if isinstance(one, dict))]
    raised = [str(one.get("exception_message")) for one in told if one.get("raised_exception")]
    return raised[0] if raised else None


def _nothing_broken(rows: int) -> dict[str, Any]:
    return {"element_count": rows, "unexpected_count": 0, "unexpected_percent": 0.0, "partial_unexpected_list": []}
