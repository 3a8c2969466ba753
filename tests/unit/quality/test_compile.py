"""Custom expectations: where their classes are found, how mistakes are reported, and what happens if they raise."""

from __future__ import annotations

from copy import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import great_expectations as gx
import pyarrow as pa
import pytest
from great_expectations.expectations import registry

from nightshift.definition.checks import Severity
from nightshift.errors import LONGEST, TerminalError
from nightshift.quality.audit import audit_table
from nightshift.quality.compile import compile_expectation, expectation_class
from nightshift.quality.expectation import MIX, Contract, ExpectationSpec
from nightshift.quality.mix import ExpectColumnMixToBeNear
from nightshift.quality.suite import ExpectationResult
from nightshift.types import Check

CUSTOM = """
from typing import ClassVar

from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import ColumnAggregateExpectation, ColumnMapExpectation
from great_expectations.expectations.metrics import ColumnMapMetricProvider, column_condition_partial


class EvenMetric(ColumnMapMetricProvider):
    condition_metric_name = "column_values.even"

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column, **kwargs):
        return column % 2 == 0


class ExpectColumnValuesToBeEven(ColumnMapExpectation):
    map_metric: ClassVar[str] = "column_values.even"


class ExpectColumnMaxToBeRound(ColumnAggregateExpectation):
    digits: int = 1
    metric_dependencies: ClassVar[tuple[str, ...]] = ("column.max",)

    def _validate(self, metrics, runtime_configuration=None, execution_engine=None):
        if self.digits > 9:
            raise ValueError("too many digits\\nfor anybody")
        observed = metrics["column.max"]
        return {"success": observed % 10**self.digits == 0, "result": {"observed_value": observed}}


NotAnExpectation = dict
"""

ROWS = pa.table({"n": [2, 30, None, 7]})


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A definition's folder with expectations of its own."""
    (tmp_path / "expectations.py").write_text(CUSTOM)
    return str(tmp_path)


def spec(kind: str, severity: Severity = "warn", **arguments: Any) -> ExpectationSpec:
    return ExpectationSpec(kind, "n", (("column", "n"), *arguments.items()), severity)


def checked(folder: str, expectation: ExpectationSpec, rows: pa.Table = ROWS) -> Check:
    audited = audit_table(Contract("raw.x", (expectation,), 1.0, folder=folder), rows)
    [check], [result] = audited.verdict.checks, audited.results
    assert check.passed == result.passed == result.validation.success  # the page says what the verdict says
    return check


# ---- classes


def test_a_class_of_great_expectations_is_found_by_its_name() -> None:
    kind = expectation_class(gx, "ExpectColumnMaxToBeBetween")
    assert kind is gx.expectations.ExpectColumnMaxToBeBetween


def test_a_class_of_nightshift_is_found_by_its_name() -> None:
    assert expectation_class(gx, MIX) is ExpectColumnMixToBeNear


def test_a_class_is_found_by_its_dotted_path() -> None:
    assert expectation_class(gx, "nightshift.quality.mix.ExpectColumnMixToBeNear") is ExpectColumnMixToBeNear


def test_a_class_beside_the_definition_measures_a_column(folder: str) -> None:
    check = checked(folder, spec("ExpectColumnMaxToBeRound", "fail", digits=2))
    assert (check.passed, check.observed, check.outcome) == (False, 30.0, "fail")
    assert check.detail == "ExpectColumnMaxToBeRound of n does not hold: observed 30"
    assert checked(folder, spec("ExpectColumnMaxToBeRound")).passed


def test_a_class_beside_the_definition_judges_values_with_its_own_metric(folder: str) -> None:
    check = checked(folder, spec("ExpectColumnValuesToBeEven"))
    assert (check.observed, check.detail) == (
        1.0,
        "ExpectColumnValuesToBeEven of n does not hold: unexpected 1, first 7",
    )
    assert checked(folder, spec("ExpectColumnValuesToBeEven", mostly=0.6)).passed


@pytest.mark.parametrize("name", ["ExpectColumnMaxToBeBetween", MIX])
def test_a_custom_class_may_not_take_the_name_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Great Expectations would use it instead of the other class from then on, in every check."""
    for registered in ("_registered_expectations", "_registered_renderers"):
        monkeypatch.setattr(
            registry, registered, {name: copy(entry) for name, entry in getattr(registry, registered).items()}
        )
    (tmp_path / "expectations.py").write_text(CUSTOM.replace("ExpectColumnMaxToBeRound", name))
    with pytest.raises(TerminalError) as caught:
        expectation_class(gx, "ExpectColumnValuesToBeEven", str(tmp_path))
    assert str(caught.value) == (
        f"{tmp_path / 'expectations.py'}: is the name of another expectation; received '{name}'; fix: rename it"
    )


def test_a_class_of_great_expectations_may_be_imported_beside_the_definition(tmp_path: Path) -> None:
    text = "from great_expectations.expectations import ExpectColumnMaxToBeBetween as ExpectMost, ExpectColumnToExist"
    (tmp_path / "expectations.py").write_text(text)
    for name, kind in (("ExpectMost", "ExpectColumnMaxToBeBetween"), ("ExpectColumnToExist", "ExpectColumnToExist")):
        assert expectation_class(gx, name, str(tmp_path)) is getattr(gx.expectations, kind)


def test_an_expectation_keeps_its_number_severity_and_note() -> None:
    spec_with_note = ExpectationSpec(
        "ExpectColumnMaxToBeBetween", "n", (("column", "n"), ("max_value", 1)), "warn", "as it was"
    )
    assert compile_expectation(gx, spec_with_note, number=7).meta == {
        "nightshift": 7,
        "severity": "warn",
        "notes": "as it was",
    }


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("ExpectNothingOfTheKind", id="no such class"),
        pytest.param("great_expectations.nowhere.ExpectColumnMaxToBeBetween", id="no such module"),
        pytest.param("nightshift.quality.mix.ExpectNothing", id="no such class in a module"),
        pytest.param("core", id="a module"),
        pytest.param("collections.OrderedDict", id="a class that is no expectation"),
        pytest.param("math.sqrt", id="a function"),
        pytest.param("NotAnExpectation", id="a class of its own that is no expectation"),
    ],
)
def test_a_name_that_is_no_expectation_is_refused_with_the_allowed_ones(folder: str, name: str) -> None:
    with pytest.raises(TerminalError, match=f"no such expectation.*received '{name}'.*fix: correct its name") as caught:
        expectation_class(gx, name, folder)
    assert "expectations.py beside model.yaml" in str(caught.value)


def test_a_module_that_cannot_be_imported_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_checks.py").write_text("raise RuntimeError('not today')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(TerminalError, match="no such expectation: not today"):
        expectation_class(gx, "broken_checks.ExpectIt")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import nowhere_at_all", "No module named 'nowhere_at_all'"),
        ("def broken(:", "invalid syntax"),
        ("1 / 0", "division by zero"),
        ("raise ValueError('no ' * 100_000)", "no no no"),
    ],
)
def test_a_custom_file_that_cannot_be_imported_says_where_and_why(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "expectations.py").write_text(text)
    with pytest.raises(TerminalError) as caught:
        expectation_class(gx, "ExpectColumnMaxToBeBetween", str(tmp_path))
    assert str(caught.value).startswith(f"{tmp_path / 'expectations.py'}: cannot be imported: {says}")
    assert len(str(caught.value)) < LONGEST + 300


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"column": "n", "max_valeu": 3}, "max_valeu extra fields not permitted"),
        ({"max_value": 3}, "column field required"),
        ({"column": "n", "max_value": 3, "meta": {}}, "multiple values for keyword argument 'meta'"),
    ],
)
def test_arguments_that_a_class_does_not_take_are_refused_with_the_reason(arguments: dict[str, Any], says: str) -> None:
    spec_with_note = ExpectationSpec("ExpectColumnMaxToBeBetween", "n", tuple(arguments.items()))
    with pytest.raises(TerminalError, match="does not take these arguments") as caught:
        compile_expectation(gx, spec_with_note)
    assert says in str(caught.value)
    assert "ExpectColumnMaxToBeBetween of n: " in str(caught.value)
    assert "\n" not in str(caught.value)


# ---- expectations that raise


@pytest.mark.parametrize("severity", ["warn", "fail", "quarantine"])
@pytest.mark.parametrize(
    ("kind", "arguments", "says"),
    [
        pytest.param("ExpectColumnMaxToBeRound", {"digits": 10}, "too many digits\\nfor anybody", id="in its own code"),
        pytest.param("ExpectColumnMeanToBeBetween", {"column": "gone", "min_value": 0}, '"gone"', id="in a metric"),
        pytest.param("ExpectColumnValuesToNotBeNull", {"column": "gone"}, '"gone"', id="in a metric of single values"),
    ],
)
@pytest.mark.parametrize("count", [0, 4])
def test_a_check_that_raises_fails_whatever_its_severity_and_says_why(
    folder: str, severity: Severity, kind: str, arguments: dict[str, Any], says: str, count: int
) -> None:
    check = checked(folder, spec(kind, severity, **arguments), ROWS.slice(0, count))
    assert (check.passed, check.outcome, check.observed) == (False, "fail", None)
    assert check.detail.startswith("n could not be checked: ")
    assert says in check.detail
    assert check.detail.isprintable() and len(check.detail) < LONGEST + 100


@pytest.mark.parametrize(
    ("information", "problem"),
    [
        ({"raised_exception": True, "exception_message": "no"}, "no"),
        ({"('column.max', 'x', ())": {"raised_exception": True, "exception_message": "no"}}, "no"),
        ({"a": {"raised_exception": False}, "b": {"raised_exception": True, "exception_message": "no"}}, "no"),
        ({"raised_exception": False, "exception_message": None, "exception_traceback": None}, None),
        ({}, None),
        (None, None),
    ],
)
def test_an_exception_is_found_where_great_expectations_stores_it(information: Any, problem: str | None) -> None:
    result = SimpleNamespace(exception_info=information)
    assert ExpectationResult(spec("ExpectIt"), result, False).problem == problem
