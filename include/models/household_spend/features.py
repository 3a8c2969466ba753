"""What the aggregates of a household say together: how recent, regular and steady its purchases are."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

RECENT = (1, 3, 7, 14, 21, 28, 42, 56, 84)
TENURES = (28, 56, 84, 112, 140, 182)


def transform(frame: pd.DataFrame, cutoff: datetime) -> pd.DataFrame:
    """Adds the computed features; a household that was observed bought something within 84 days."""
    recency, tenure = fewest_days(frame, RECENT, 1), fewest_days(frame, TENURES, frame["products_182d"])
    baskets, steady = frame["baskets_84d"].clip(lower=1), frame["spend_84d"].clip(lower=1)
    gap = np.minimum(tenure, 84) / baskets
    return frame.assign(
        recency=recency,
        tenure=tenure,
        spend_rate_84d=frame["spend_84d"] * 28 / np.minimum(tenure, 84),
        spend_rate_182d=frame["spend_182d"] * 28 / tenure,
        spend_trend=frame["spend_28d"] * 3 / steady,
        spend_per_basket=frame["spend_84d"] / baskets,
        days_per_basket=gap,
        overdue=recency / gap,
    )


def fewest_days(frame: pd.DataFrame, windows: tuple[int, ...], products: float | pd.Series) -> np.ndarray:
    """The shortest window that has so many of a household's products; the longest if none has."""
    enough = [frame[f"products_{days}d"] >= products for days in windows]
    return np.select(enough, windows, default=windows[-1]).astype(float)
