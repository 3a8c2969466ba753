"""Generated payments, and the accounts that are due for scoring.

Equal volumes generate equal rows. Each day is generated separately, so memory does not grow with the number of days. A
few accounts, merchants and countries have most of the payments, as in practice: keys follow Zipf's law.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.calendar import date_range
from nightshift.definition.model import ModelDefinition
from nightshift.lake.catalog import Lake
from nightshift.lake.publish import publish
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import raw_table

FIRST = date(2023, 1, 1)
COUNTRIES = 60
MONTH = timedelta(days=31)


@dataclass(frozen=True)
class Volume:
    """The size of the generated data.

    Attributes:
        daily: Payments a day; a tenth as many accounts are due.
        accounts: The number of accounts.
        seed: The seed of the random rows.
    """

    daily: int
    accounts: int
    seed: int = 20230101

    @classmethod
    def of(cls, events: int, days: int) -> Volume:
        """The volume of a number of payments over a number of days, with a hundred payments an account on average."""
        return cls(-(-events // days), max(events // 100, 100))

    @property
    def merchants(self) -> int:
        return max(self.accounts // 50, 10)


def payments(volume: Volume, day: date) -> pa.Table:
    """The payments of a day."""
    rng, rows = _generator(volume, day, 0), volume.daily
    return pa.table(
        {
            "account": _names("account", _zipf(rng, rows, volume.accounts)),
            "merchant": _names("merchant", _zipf(rng, rows, volume.merchants)),
            "country": _names("country", _zipf(rng, rows, COUNTRIES)),
            "amount": np.round(rng.lognormal(3.4, 1.0, rows), 2),
            "minute": rng.integers(0, 24 * 60, rows),
            "flagged": rng.random(rows) < 0.03,
        }
    )


def due(volume: Volume, day: date) -> pa.Table:
    """The accounts that are due on a day, each once."""
    rng, rows = _generator(volume, day, 1), max(volume.daily // 10, 1)
    accounts = rng.permutation(np.unique(_zipf(rng, 10 * rows, volume.accounts)))[:rows]
    return pa.table(
        {
            "account": _names("account", accounts),
            "merchant": _names("merchant", _zipf(rng, len(accounts), volume.merchants)),
            "country": _names("country", _zipf(rng, len(accounts), COUNTRIES)),
        }
    )


def disputes(volume: Volume, day: date) -> pa.Table:
    """An account without a dispute: nothing is measured of them."""
    return due(volume, day).select(["account"]).slice(0, 1).append_column("disputed", pa.array([False]))


def publish_raw(lake: Lake, definition: ModelDefinition, volume: Volume, first: date, last: date) -> None:
    """Publishes the rows of the dates from `first` to `last`, a month at a time, as if they had been ingested."""
    while first <= last:
        end = min(first + MONTH - timedelta(days=1), last)
        for source, generate in SOURCES.items():
            spec = raw_table(definition, source)
            rows = pa.concat_tables([_dated(generate(volume, day), day) for day in date_range(first, end)])
            publish(lake, spec, stage_arrow(lake, spec, rows, first, end, {}))
        first = end + timedelta(days=1)


SOURCES: dict[str, Callable[[Volume, date], pa.Table]] = {"payments": payments, "due": due, "disputes": disputes}


def _generator(volume: Volume, day: date, stream: int) -> np.random.Generator:
    return np.random.default_rng([volume.seed, day.toordinal(), stream])


def _zipf(rng: np.random.Generator, rows: int, names: int) -> np.ndarray:
    """Numbers below `names`, each with a frequency of about its inverse."""
    ranks: np.ndarray = np.exp(rng.random(rows) * np.log(names)).astype(np.int64)
    return ranks


def _names(prefix: str, numbers: np.ndarray) -> pa.Array:
    return pc.binary_join_element_wise(prefix, pa.array(numbers).cast(pa.string()), "-")


def _dated(rows: pa.Table, day: date) -> pa.Table:
    return rows.add_column(0, "source_date", pa.repeat(pa.scalar(day, pa.date32()), rows.num_rows))
