"""A simulation has two sizes: `make test` runs the small one, `make simulate` both."""

from __future__ import annotations

from typing import Any

import pytest
from scipy.stats import binom


def full(*values: Any, **options: Any) -> Any:
    """A case that only `make simulate` runs."""
    return pytest.param(*values, **options, marks=pytest.mark.full)


def chance_limit(rate: float, trials: int) -> float:
    """The share of so many trials that an event of a rate exceeds in one simulation of a hundred."""
    return float(binom.ppf(0.99, trials, rate)) / trials
