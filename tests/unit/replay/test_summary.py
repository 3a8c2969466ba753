from __future__ import annotations

from datetime import date, timedelta
from io import StringIO

from rich.console import Console

from nightshift.replay.summary import nights_table
from nightshift.status import NightStatus, Retraining
from nightshift.terminal import print_table

NIGHT = date(2024, 1, 31)
STATUS = NightStatus(NIGHT, 900, 900, "1 warning in 123 checks", "pass, 3%", "suppressed_by_cooldown", 2, 0.65432)


def test_a_night_is_a_row_of_whole_values() -> None:
    console = Console(file=StringIO(), width=40)
    later = NightStatus(NIGHT + timedelta(days=1), 899, 900, "pass, 123", "–", "–", None, None)
    print_table(console, nights_table("tiny: 2 nights", [STATUS, later], {NIGHT: 12.4}))
    rows = [line.split() for line in console.file.getvalue().splitlines() if "2024" in line]  # type: ignore[attr-defined]
    words = "2024-01-31 900 1 warning in 123 checks pass, 3% suppressed_by_cooldown 2 current 0.654 12"
    assert " ".join(rows[0]) == words
    assert " ".join(rows[1]) == "2024-02-01 899 of 900 pass, 123 – – None current due –"


def test_a_retraining_is_a_sentence() -> None:
    promoted = Retraining(NIGHT, "roc_auc is worse", "version 2 promoted", NIGHT + timedelta(days=1))
    assert promoted.sentence == (
        "2024-01-31: retraining requested (roc_auc is worse); version 2 promoted; "
        "nights from 2024-02-01 are scored by it"
    )
    assert Retraining(NIGHT, "drift", "", None).sentence == (
        "2024-01-31: retraining requested (drift); no version is trained yet"
    )
