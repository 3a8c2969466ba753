from __future__ import annotations

import json
from datetime import date

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
