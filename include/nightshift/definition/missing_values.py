"""Which features of a night may have no value, or a category that no earlier night had, by the contract."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from nightshift.definition.checks import ColumnChecks
from nightshift.definition.expressions import syntax_tree
from nightshift.definition.model import ModelDefinition

if TYPE_CHECKING:  # importing sqlglot takes a tenth of a second
    from sqlglot import exp

# Functions whose result is null only if an argument is; Spark's ANSI mode makes an error of what cannot be computed.
TOTAL_FUNCTIONS = (
    "Abs", "Ceil", "Concat", "Day", "DayOfMonth", "DayOfWeek", "DayOfYear", "Exp", "Floor", "Greatest", "Hour", "Least",
    "Length", "Lower", "Minute", "Month", "Quarter", "Round", "Sign", "Substring", "Trim", "TsOrDsToDate", "Upper",
    "Week", "WeekOfYear", "Year",
)  # fmt: skip


def features_that_may_be_unmet(definition: ModelDefinition, categories: Mapping[str, Collection[str]]) -> list[str]:
    """The features that may be missing in a night, or be of a category that is not among those of the training rows.

    Args:
        definition: The definition.
        categories: The values of each category feature in the training rows.
    """
    always_present, closed = set(_always_present(definition)), _closed_categories(definition)
    return [
        name
        for name in definition.feature_types
        if name not in always_present
        or (name in categories and not (name in closed and closed[name] <= set(categories[name])))
    ]


def _always_present(definition: ModelDefinition) -> Iterator[str]:
    """The features that have a value in every published row."""
    observed = definition.sources[definition.observations.source]
    present = observed.always_present & definition.observed_types.keys()
    present |= {*definition.observations.key, "score_date", "source_date"}
    columns = {column.lower() for column in present}
    checks = definition.quality.features.columns
    for name in definition.feature_types:
        row, aggregate = definition.features.rows.get(name), definition.aggregate_features.get(name)
        is_checked = name in checks and checks[name].required and checks[name].severity == "fail"
        has_default = aggregate is not None and aggregate.default is not None
        if is_checked or has_default or (row and _is_never_null(row.expression, columns)):
            yield name


def _closed_categories(definition: ModelDefinition) -> dict[str, set[str]]:
    """The only values that a category feature can have, where the contract lists them."""
    observed = definition.sources[definition.observations.source]
    closed: dict[str, set[str]] = {}
    for name, kind in definition.feature_types.items():
        row = definition.features.rows.get(name)
        column = observed.columns.get(row.expression.strip()) if row else None
        checks: list[ColumnChecks] = [part for part in (column, definition.quality.features.columns.get(name)) if part]
        listed = [part.values for part in checks if part.values is not None and part.severity != "warn"]
        if kind == "category" and listed:
            closed[name] = set.intersection(*({str(value) for value in values} for values in listed))
    return closed


def _is_never_null(expression: str, columns: Collection[str]) -> bool:
    """Whether an expression over a row has a value whenever some columns have one, as far as can be said."""
    tree = syntax_tree(expression, "spark")
    return tree is not None and _has_value(tree, columns)


def _has_value(node: exp.Expr, columns: Collection[str]) -> bool:
    from sqlglot import exp

    total = tuple(kind for name in TOTAL_FUNCTIONS if (kind := getattr(exp, name, None)))
    match node:
        case exp.Column():
            return not node.table and node.name.lower() in columns
        case exp.Literal() | exp.Boolean():
            return True
        case exp.Coalesce():
            return any(_has_value(part, columns) for part in (node.this, *node.expressions))
        case exp.TryCast():
            return False
        case exp.Cast():
            return _has_value(node.this, columns)
        case exp.Paren() | exp.Neg() | exp.Not():
            return _has_value(node.this, columns)
        case _ if isinstance(node, total) or (isinstance(node, exp.Binary) and not isinstance(node, exp.Func)):
            return all(_has_value(part, columns) for part in node.iter_expressions())
    return False
