"""An expectation of Nightshift: the mix of a column's values is near an expected mix."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from great_expectations.expectations.expectation import ColumnAggregateExpectation
from great_expectations.render import LegacyRendererType, RenderedStringTemplateContent
from great_expectations.render.renderer.renderer import renderer

from nightshift.quality.usual import mix_distance


class ExpectColumnMixToBeNear(ColumnAggregateExpectation):
    """Expect the mix of a column's values to be near an expected mix.

    The observed value is the total variation distance of both: the share of rows that would need another value for
    both to be equal. Missing values do not count. Works on pandas and on Spark.

    Args:
        column: The column.
        shares: The share of each value, by the value as text.
        max_distance: The largest distance allowed.
    """

    shares: dict[str, float]
    max_distance: float

    metric_dependencies: ClassVar[tuple[str, ...]] = ("column.value_counts",)
    success_keys: ClassVar[tuple[str, ...]] = ("shares", "max_distance")

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: Any = None,
    ) -> dict[str, Any]:
        counts = {_text(value): int(count) for value, count in metrics["column.value_counts"].items()}
        total = sum(counts.values())
        expected = self.configuration.kwargs["shares"]
        if not total:
            return {"success": True, "result": {"observed_value": None}}
        shares = {value: count / total for value, count in counts.items()}
        observed = mix_distance(shares, expected)
        gap = {value: shares.get(value, 0.0) - expected.get(value, 0.0) for value in {*shares, *expected}}
        # By size, then by name, so that the same data give the same message.
        value = min(gap, key=lambda candidate: (-abs(gap[candidate]), candidate))
        details = {"value": value, "share": shares.get(value, 0.0), "expected": expected.get(value, 0.0)}
        success = observed <= self.configuration.kwargs["max_distance"]
        return {"success": success, "result": {"observed_value": observed, "details": details}}

    @classmethod
    @renderer(renderer_type=LegacyRendererType.PRESCRIPTIVE)
    def _prescriptive_renderer(
        cls, configuration: Any, result: Any = None, runtime_configuration: Any = None, **_: Any
    ) -> list[RenderedStringTemplateContent]:
        """The expectation in words, for Data Docs."""
        text = f"at most {configuration.kwargs['max_distance']:.1%} of the values may differ from the expected mix."
        return [
            RenderedStringTemplateContent(
                content_block_type="string_template", string_template={"template": text, "params": {}}
            )
        ]


def _text(value: Any) -> str:
    """A value as SQL writes it."""
    return str(value).lower() if isinstance(value, bool | np.bool_) else str(value)
