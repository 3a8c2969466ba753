"""Runs expectations with Great Expectations, in as few passes over the rows as it can."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

from nightshift.lake.tables import ROW_NUMBER
from nightshift.quality.compile import NUMBER, compile_expectation, great_expectations
from nightshift.quality.expectation import MIX, ROW_COUNT, UNIQUE, UNIQUE_TOGETHER, Contract, ExpectationSpec
from nightshift.quality.screening import distinct_columns, is_screened
from nightshift.quality.staged_rows import StagedRows

# Expectations that need a pass over the rows of their own.
MEASURED_ALONE = {UNIQUE, UNIQUE_TOGETHER, MIX}
# Their expectations read the columns that their arguments name.
KNOWN_PACKAGES = {"great_expectations", "nightshift"}
MAX_EXAMPLES = 20  # values that break an expectation, in its result


@dataclass(frozen=True)
class ExpectationResult:
    """The result of an expectation.

    Attributes:
        expectation: The expectation.
        validation: Great Expectations' result; counts are filled in where only a boolean was requested.
        passed: Whether the expectation holds.
        broken_rows: The numbers of the rows that break it, if they were requested.
        example_row: The number of one of them, if it is a rule.
    """

    expectation: ExpectationSpec
    validation: Any
    passed: bool
    broken_rows: tuple[int, ...] = ()
    example_row: int | None = None

    @property
    def problem(self) -> str | None:
        """Why it could not be checked."""
        return _problem(self.validation)


def run_expectations(contract: Contract, rows: StagedRows) -> list[ExpectationResult]:
    """Checks every expectation of a contract; it does not stop at the first that fails.

    Most expectations that single values can break are first screened in one pass without Great Expectations, and the
    others for a boolean only. Great Expectations counts the violations of those that fail and finds their rows.

    Returns:
        The results, in the order of the contract.
    """
    gx = great_expectations()
    context = _unsaved_context(gx)
    results: dict[int, ExpectationResult] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for computed in (False, True):
            numbered = {n: spec for n, spec in enumerate(contract.expectations) if spec.computed is computed}
            if numbered:
                results |= _ValidationPass(gx, context, contract, rows, computed).run(numbered)
    return [results[number] for number in range(len(contract.expectations))]


def _unsaved_context(gx: Any) -> Any:
    """A context for one audit.

    It writes its configuration as YAML whenever a batch is added, though an ephemeral one is stored nowhere: this would
    be a fifth of the time of an audit.
    """
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    context._save_project_config = lambda: None
    return context


class _ValidationPass:
    """Validates the expectations over the stored columns, or those over the computed columns."""

    def __init__(self, gx: Any, context: Any, contract: Contract, rows: StagedRows, computed: bool) -> None:
        self._gx, self._context, self._contract, self._rows, self._computed = gx, context, contract, rows, computed
        self._batches: dict[tuple[frozenset[str] | None, bool], Any] = {}

    def run(self, expectations: Mapping[int, ExpectationSpec]) -> dict[int, ExpectationResult]:
        compiled = {
            n: compile_expectation(self._gx, spec, self._contract.folder, n) for n, spec in expectations.items()
        }
        by_value = [n for n, spec in expectations.items() if self._is_broken_by_one_value(compiled[n], spec)]
        by_measure = [n for n in expectations if n not in by_value]
        # Without a row nothing is decided about the column, not even that it exists.
        screened = {n: expectations[n] for n in by_value if self._rows.rows and is_screened(expectations[n])}
        satisfied = self._rows.satisfied(screened, computed=self._computed) if screened else set()
        satisfied |= {n for n in by_value if self._is_distinct(expectations[n])}
        validations = {n: _satisfied_validation(compiled[n]) for n in satisfied}
        validations |= self._validate(
            [compiled[n] for n in by_value if n not in screened and n not in satisfied], "BOOLEAN_ONLY"
        )
        broken = [n for n in by_value if n not in validations or not validations[n].success]
        for number in set(by_value).difference(broken):
            validations[number].result = _no_violation(self._rows.rows)
        counts: dict[str, Any] = {"result_format": "BASIC", "partial_unexpected_count": MAX_EXAMPLES}
        validations |= self._validate([compiled[n] for n in (*by_measure, *broken)], counts)
        for number in by_measure:
            validations[number].success = validations[number].success or self._has_nothing_to_measure(
                validations[number]
            )
        quarantining = [n for n in broken if expectations[n].severity == "quarantine" and self._are_few(validations[n])]
        broken_rows = self._broken_rows([compiled[n] for n in quarantining], "COMPLETE", "unexpected_index_list")
        rules = [
            n for n in expectations if self._computed and not validations[n].success and hasattr(compiled[n], "mostly")
        ]
        examples = self._broken_rows([compiled[n] for n in rules], "SUMMARY", "partial_unexpected_index_list")
        return {
            n: ExpectationResult(
                spec,
                validations[n],
                bool(validations[n].success),
                broken_rows.get(n, ()),
                next(iter(examples.get(n, ())), None),
            )
            for n, spec in expectations.items()
        }

    def _is_distinct(self, expectation: ExpectationSpec) -> bool:
        """Whether an expectation of different values is proven to hold."""
        columns = () if self._computed or not self._rows.rows else distinct_columns(expectation)
        return bool(columns) and self._rows.are_distinct(columns)

    def _broken_rows(self, compiled: Sequence[Any], result_format: str, key: str) -> dict[int, tuple[int, ...]]:
        """The rows that break expectations. A complete list needs memory for every row, so it is for few rows only."""
        if not compiled:
            return {}
        options = {
            "result_format": result_format,
            "partial_unexpected_count": 1,
            "unexpected_index_column_names": [ROW_NUMBER],
        }
        validations = self._validate(compiled, options, numbered=True)
        return {
            n: tuple(sorted(int(row[ROW_NUMBER]) for row in validation.result.get(key) or ()))
            for n, validation in validations.items()
        }

    def _validate(self, compiled: Sequence[Any], result_format: Any, *, numbered: bool = False) -> dict[int, Any]:
        """Great Expectations' result of each expectation, by its number: the results come in another order."""
        validations: dict[int, Any] = {}
        for expectations in self._passes(compiled):
            suite = self._gx.ExpectationSuite(name="staged", expectations=list(expectations))
            with _configurations_computed_once():
                results = self._batch(expectations, numbered).validate(suite, result_format=result_format).results
            validations |= {validation.expectation_config.meta[NUMBER]: validation for validation in results}
        for validation in validations.values():  # pages and messages show their values
            validation.result = json.loads(json.dumps(validation.result, default=_json_value))
        return validations

    def _passes(self, compiled: Sequence[Any]) -> list[list[Any]]:
        """Expectations by the pass over scanned rows that measures them, so that each pass reads what it needs."""
        passes: dict[Any, list[Any]] = {}
        for expectation in compiled:
            alone = self._rows.is_scanned and type(expectation).__name__ in MEASURED_ALONE
            passes.setdefault(expectation.meta[NUMBER] if alone else None, []).append(expectation)
        return list(passes.values())

    def _batch(self, expectations: Sequence[Any], numbered: bool) -> Any:
        """A batch with the columns that expectations need."""
        columns: frozenset[str] | None = None
        if self._rows.is_scanned:
            named = [_named_columns(self._contract.expectations[e.meta[NUMBER]], e) for e in expectations]
            columns = None if None in named else frozenset(chain(*filter(None, named)))
        if (columns, numbered) not in self._batches:
            options = {"computed": self._computed, "numbered": numbered}
            self._batches[columns, numbered] = self._rows.batch(self._context, columns, **options)
        return self._batches[columns, numbered]

    def _has_nothing_to_measure(self, validation: Any) -> bool:
        """Whether there was no value to measure. Checks of rows and of missing values judge that, not this one."""
        if _problem(validation) is not None:
            return False
        values = validation.result or {}
        observed = values.get("observed_value", 0)
        no_row = self._rows.rows == 0 and "column" in validation.expectation_config.kwargs
        # For a set of values Great Expectations reports only the unexpected and the missing ones.
        violations = values.get("unexpected_count") or values.get("missing_count")
        return no_row or (observed is None and not violations) or observed != observed  # not a number

    def _are_few(self, validation: Any) -> bool:
        count = int(validation.result.get("unexpected_count") or 0)
        return count <= self._contract.quarantine_limit(self._rows.rows)

    @staticmethod
    def _is_broken_by_one_value(compiled: Any, expectation: ExpectationSpec) -> bool:
        return hasattr(compiled, "mostly") and dict(expectation.arguments).get("mostly", 1.0) == 1.0


def _named_columns(spec: ExpectationSpec, compiled: Any) -> tuple[str, ...] | None:
    """The columns that an expectation reads; None if it may read any."""
    arguments = dict(spec.arguments)
    if spec.kind == ROW_COUNT:
        return ()
    single = [arguments[name] for name in ("column", "column_A", "column_B") if name in arguments]
    named = (*single, *arguments.get("column_list", ()))
    is_known = type(compiled).__module__.partition(".")[0] in KNOWN_PACKAGES
    return named if named and is_known and "row_condition" not in arguments else None


@contextmanager
def _configurations_computed_once() -> Iterator[None]:
    """Computes the configuration of an expectation once.

    Great Expectations computes it about 45 times an expectation, which takes longer than to check a night's rows, and
    changes no expectation while it validates. A process validates one suite at a time.
    """
    from great_expectations.expectations.expectation import Expectation as Base

    compute = Base.configuration.fget
    # By identity, as expectations of equal arguments are equal; each is kept, so that no other gets its identity.
    configurations: dict[int, tuple[Any, Any]] = {}

    def configuration(expectation: Any) -> Any:
        if id(expectation) not in configurations:
            configurations[id(expectation)] = expectation, compute(expectation)
        return configurations[id(expectation)][1]

    Base.configuration = property(configuration)
    try:
        yield
    finally:
        Base.configuration = property(compute)


def suite_result(contract: Contract, results: Sequence[ExpectationResult]) -> Any:
    """The results as Great Expectations' result of a suite."""
    from great_expectations.core import ExpectationSuiteValidationResult

    passed = sum(result.passed for result in results)
    statistics = {
        "evaluated_expectations": len(results),
        "successful_expectations": passed,
        "unsuccessful_expectations": len(results) - passed,
        "success_percent": 100 * passed / len(results) if results else None,
    }
    return ExpectationSuiteValidationResult(
        results=[result.validation for result in results],
        success=passed == len(results),
        suite_name=contract.table,
        statistics=statistics,
        meta={"great_expectations_version": great_expectations().__version__},
    )


def _json_value(value: Any) -> Any:
    """A value that JSON does not have: NumPy's as Python's, any other as text."""
    return value.item() if hasattr(value, "item") else str(value)


def _problem(validation: Any) -> str | None:
    information = validation.exception_info or {}
    # The exception is stored directly, or below the metric that raised it.
    exceptions = [information, *(entry for entry in information.values() if isinstance(entry, dict))]
    raised = [str(entry.get("exception_message")) for entry in exceptions if entry.get("raised_exception")]
    return raised[0] if raised else None


def _satisfied_validation(compiled: Any) -> Any:
    """Great Expectations' result of an expectation that every row satisfies."""
    from great_expectations.core import ExpectationValidationResult

    none_raised = {"raised_exception": False, "exception_traceback": None, "exception_message": None}
    return ExpectationValidationResult(
        success=True, expectation_config=compiled.configuration, exception_info=none_raised
    )


def _no_violation(rows: int) -> dict[str, Any]:
    return {"element_count": rows, "unexpected_count": 0, "unexpected_percent": 0.0, "partial_unexpected_list": []}
