"""Landed orders of a shop, a file a day: contracts are proposed from them in tests."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from nightshift.definition.draft import Draft, find_draft
from nightshift.profiling.proposal import Proposal
from nightshift.profiling.propose import propose
from nightshift.profiling.source_profile import profile_landed_files, select_dates

FIRST = date(2024, 3, 1)
DAYS = 50
PATH = "orders/{date}.csv"

Row = dict[str, Any]
Change = Callable[[Row, date], Row]


def orders(day: date) -> list[Row]:
    """The orders of a date; more at the weekend."""
    luck = random.Random(day.toordinal())
    number = (150 if day.weekday() >= 5 else 120) + luck.randint(-5, 5)
    return [_order(day, 1000 * (day - FIRST).days + n, luck) for n in range(number)]


def _order(day: date, number: int, luck: random.Random) -> Row:
    at = datetime.combine(day, time()) + timedelta(minutes=luck.randint(0, 1439))
    return {
        "order_id": number,
        "token": UUID(int=luck.getrandbits(128)),
        "shop": luck.choice(["BOS", "NYC", "SFO"]),
        "zip": f"{luck.randint(501, 99950):05d}",
        "sku": f"SKU-{luck.randint(1, 99999):05d}",
        "amount": round(luck.lognormvariate(3, 1), 2),
        "share": round(luck.random(), 3),
        "items": luck.choice([1, 1, 1, 2, 3]),
        "paid": luck.choice(["true", "false"]),
        "ordered_at": at.isoformat(),
        "shipped_at": (at + timedelta(hours=luck.randint(1, 50))).isoformat(),
        "due": day + timedelta(days=luck.randint(1, 5)),
        "packed": f"{luck.randint(6, 21)}{luck.randint(0, 59):02d}",
        "month": day.month,
        "note": luck.choice(["", "", "ring twice", "call Ada", "leave at no. 7"]) + luck.choice(["", "!", "?!"]),
    }


def land(landing: Path, change: Change = lambda row, day: row, days: int = DAYS) -> None:
    """Lands the orders of some days, each row changed by a function."""
    for day in (FIRST + timedelta(days=n) for n in range(days)):
        write(landing, day, [change(row, day) for row in orders(day)])


def write(landing: Path, day: date, rows: list[Row]) -> None:
    file = landing / PATH.replace("{date}", str(day))
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join(rows[0]), *(",".join("" if v is None else str(v) for v in row.values()) for row in rows)]
    file.write_text("\n".join(lines) + "\n")


def proposed(landing: Path, draft: Draft | None = None, path: str = PATH) -> Proposal:
    """The proposal for all files that have landed."""
    draft = draft or find_draft(landing / "no models", "shop", "orders", path)
    days = select_dates(str(landing), draft)
    profile = profile_landed_files(str(landing), "orders", draft, days, lambda line: None)
    return propose("shop", "orders", draft, profile)


def lines_of(proposal: Proposal, column: str) -> Iterator[str]:
    """The lines of a column, without the indent."""
    inside = False
    for line in proposal.to_yaml().splitlines():
        if line.startswith("      ") and not line.startswith("       "):
            inside = line.strip() == f"{column}:"
        elif not line.startswith("        "):
            inside = False
        elif inside:
            yield line.strip()
