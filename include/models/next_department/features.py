"""What share of its spend a household leaves in each department, and how recently."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

DEPARTMENTS = (
    "grocery", "household_goods", "fuel", "produce", "meat",
    "packed_meat", "deli", "miscellaneous", "pastry", "nutrition",
)  # fmt: skip
WINDOWS = (7, 28, 84)
NEVER = 168.0  # days, for a department without a purchase in the longest window


def transform(frame: pd.DataFrame, cutoff: datetime) -> pd.DataFrame:
    """Adds the share of each department in the spend of each window, and the shortest window that has a purchase."""
    added: dict[str, object] = {}
    for department in DEPARTMENTS:
        spends = [frame[f"{department}_spend_{days}d"] for days in WINDOWS]
        for days, spend in zip(WINDOWS, spends, strict=True):
            added[f"{department}_share_{days}d"] = spend / frame[f"spend_{days}d"].where(frame[f"spend_{days}d"] > 0)
        bought = [spend > 0 for spend in spends]
        added[f"{department}_recency"] = np.select(bought, WINDOWS, default=NEVER).astype(float)
    return frame.assign(**added)
