from __future__ import annotations

import json
from datetime import date

import pytest

from nightshift.types import Check, Staged, Verdict


def test_a_staged_set_survives_the_way_through_json() -> None:
    staged = Staged(
        "raw.plan", "a", "file:///x", ("file:///x/1", "file:///x/2"), 7, date(2024, 1, 1), date(2024, 1, 3), {"f": "1"}
    )
    assert Staged.from_json(json.loads(json.dumps(staged.to_json()))) == staged


def test_a_verdict_fails_when_one_check_fails_and_says_which() -> None:
    good, bad = Check("a", "load", True, 0.0), Check("b", "machine", False, 2.0, "machine is missing in 2 rows")
    assert Verdict("raw.plan", (good,), 5).outcome == "pass"
    assert Verdict("raw.plan", (good,), 5).summary() == "raw.plan: 1 checks passed on 5 rows"
    assert Verdict("raw.plan", (good, bad), 5).outcome == "fail"
    assert Verdict("raw.plan", (good, bad), 5).summary() == (
        "raw.plan: 1 of 2 checks failed: machine is missing in 2 rows"
    )


@pytest.mark.parametrize(
    ("severities", "aside", "expected"),
    [
        (["warn"], 0, "1 warning in 2 checks: load is low"),
        (["quarantine", "warn"], 4, "2 warnings in 3 checks: load is low; load is low; 4 rows set aside"),
        (["warn", "fail"], 4, "1 of 3 checks failed, 1 warning: load is high; load is low"),
        (["fail"] * 7, 0, f"7 of 8 checks failed: {'; '.join(['load is high'] * 5)}; and 2 more"),
    ],
)
def test_a_warning_is_not_counted_as_a_failure(severities: list[str], aside: int, expected: str) -> None:
    good = Check("a", "load", True, 0.0)
    broken = [
        Check("b", "load", False, 1.0, "load is high" if severity == "fail" else "load is low", severity)
        for severity in severities
    ]
    assert Verdict("raw.plan", (good, *broken), 5, quarantined=aside).summary() == f"raw.plan: {expected}"
