"""How many examples a property is tried on: what its test says, and fewer of them in `make check`."""

from __future__ import annotations

import os
from typing import Any

import hypothesis

# The same examples in every run: a failure is found by a change, not by luck.
hypothesis.settings.register_profile("test", deadline=None, derandomize=True, database=None, max_examples=40)
hypothesis.settings.register_profile("check", hypothesis.settings.get_profile("test"), max_examples=10)
PROFILE = os.environ.get("EXAMPLES", "test")
hypothesis.settings.load_profile(PROFILE)


def examples(max_examples: int | None = None, **options: Any) -> hypothesis.settings:
    """Hypothesis' settings of a test: at most this many examples, and no more than the profile's in `make check`."""
    usual = hypothesis.settings.get_profile(PROFILE).max_examples
    if max_examples is None:
        max_examples = usual
    return hypothesis.settings(max_examples=min(max_examples, usual) if PROFILE == "check" else max_examples, **options)
