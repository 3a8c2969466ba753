"""Faults of the set of rows: doubled, lacking, too many, of another day, in another order."""

from __future__ import annotations

from dataclasses import replace

from corpus.fault import Harmless, Landed, Refused, Warned, fault
from corpus.rows import lines_of, parse, written

KEY = "carrier + flight + origin + dest is the same in"


def body(content: bytes) -> bytes:
    return b"".join(lines_of(content)[1:])


# ---- doubled


@fault("schedule", Refused("audit", KEY))
def a_few_rows_twice(landed: Landed) -> bytes:
    """Ten rows are there twice."""
    return landed.good + b"".join(landed.random.sample(lines_of(landed.good)[1:], 10))


@fault("schedule", Refused("audit", KEY))
def every_row_twice(landed: Landed) -> bytes:
    """The export ran twice into the same file."""
    return landed.good + body(landed.good)


@fault("schedule", Refused("ingest", "2013-07-03.csv row 984: the header once more"))
def the_whole_file_twice(landed: Landed) -> bytes:
    """The file was appended to itself, with its header."""
    return landed.good * 2


@fault("schedule", Refused("audit", KEY))
def key_of_another_row(landed: Landed) -> bytes:
    """Two different flights got the same number."""
    rows = parse(landed.good)
    key = ("carrier", "flight", "origin", "dest")
    rows[200] |= {name: rows[100][name] for name in key}
    return written(rows)


@fault("weather", Warned("is the same in 20 rows, first origin EWR, hour 0, temp 75.2"))
def a_few_observations_twice(landed: Landed) -> bytes:
    """Ten hourly observations are there twice."""
    return landed.good + b"".join(landed.random.sample(lines_of(landed.good)[1:], 10))


@fault("weather", Refused("audit", "144 rows, expected 51 to 90"))
def every_observation_twice(landed: Landed) -> bytes:
    """The export of the weather ran twice into the same file."""
    return landed.good + body(landed.good)


@fault("planes", Refused("audit", "tailnum is the same in"))
def an_aircraft_twice(landed: Landed) -> bytes:
    """An aircraft is in the register twice, the second time with other seats."""
    return landed.good + lines_of(landed.good)[1].rsplit(b",", 1)[0] + b",99\n"


# ---- too many, too few


@fault("schedule", Refused("audit", "rows, expected 588 to 1272 (0.6 to 1.3 times"))
def ten_times_the_rows(landed: Landed) -> bytes:
    """Ten times as many flights, each with a number of its own."""
    rows = parse(landed.good)
    numbers: dict[tuple[str, str, str], int] = {}
    made = []
    for row in rows * 10:
        route = row["carrier"], row["origin"], row["dest"]
        numbers[route] = numbers.get(route, 0) + 1
        made.append(row | {"flight": str(numbers[route])})
    return written(made)


@fault("schedule", Refused("audit", "9 rows, expected 300 to 2000"))
def one_row_in_a_hundred(landed: Landed) -> bytes:
    """A sample instead of the whole."""
    rows = parse(landed.good)
    return written(landed.random.sample(rows, len(rows) // 100))


@fault("schedule", Warned("the largest difference is 'LGA': 0.0% instead of 31.4%"))
def one_airport_is_lacking(landed: Landed) -> bytes:
    """No departure from LaGuardia."""
    return written([row for row in parse(landed.good) if row["origin"] != "LGA"])


@fault("weather", Refused("audit", "48 rows, expected 51 to 90"))
def weather_of_one_airport_is_lacking(landed: Landed) -> bytes:
    """No observation from LaGuardia."""
    return written([row for row in parse(landed.good) if row["origin"] != "LGA"])


@fault("schedule", Warned("the largest difference is 'UA': 0.0% instead of 17.6%"))
def one_airline_is_lacking(landed: Landed) -> bytes:
    """No flight of one large airline."""
    return written([row for row in parse(landed.good) if row["carrier"] != "UA"])


@fault("schedule", Warned("the spread of sched_dep_time is"))
def evening_is_lacking(landed: Landed) -> bytes:
    """No departure planned after 18:00."""
    return written([row for row in parse(landed.good) if int(row["sched_dep_time"]) <= 1800])


@fault("weather", Refused("audit", "the newest row is 12.0 h before the end of its date, at most 6.0 h allowed"))
def weather_ends_at_noon(landed: Landed) -> bytes:
    """No observation after noon."""
    return written([row for row in parse(landed.good) if int(row["hour"]) < 12])


@fault("arrivals", Refused("audit", "933 rows, expected 947 to 966 (0.98 to 1 times the 966 of schedule)"))
def a_few_arrivals_are_lacking(landed: Landed) -> bytes:
    """Of every thirty flights that were planned one is not told of."""
    return written([row for number, row in enumerate(parse(landed.good)) if number % 30])


@fault("arrivals", Refused("audit", "planned does not hold in 1 row: carrier + flight + origin + dest known to"))
def flight_that_nobody_planned(landed: Landed) -> bytes:
    """One arrival has a flight number that the schedule of its date has not."""
    rows = parse(landed.good)
    rows[100]["flight"] = "9999"
    return written(rows)


@fault("planes", Refused("audit", "332 rows, expected 2000 to 20000"))
def a_tenth_of_the_register(landed: Landed) -> bytes:
    """The register was cut to its first tenth."""
    rows = parse(landed.good)
    return written(rows[: len(rows) // 10])


# ---- of another day


@fault("schedule", Refused("audit", "the file of 2013-07-03 is the same as that of 2013-07-02"))
def yesterdays_file_again(landed: Landed) -> bytes:
    """The file of the day before landed once more, under today's name."""
    return landed.yesterday


@fault("schedule", None)
def yesterdays_rows_written_anew(landed: Landed) -> bytes:
    """The rows of the day before in another order, under today's name: not the same file."""
    return rows_in_another_order(replace(landed, good=landed.yesterday))


@fault("arrivals", Refused("audit", "the file of 2013-07-01 is the same as that of 2013-06-24"))
def file_of_a_week_ago(landed: Landed) -> bytes:
    """The file of the same weekday a week before, under today's name."""
    return landed.last_week


@fault("arrivals", Refused("audit", "lost_or_gained_on_the_way does not hold in 74 rows"))
def yesterdays_delays(landed: Landed) -> bytes:
    """Today's flights with yesterday's delays where yesterday had the same flight."""
    key = ("carrier", "flight", "origin", "dest")
    known = {tuple(row[name] for name in key): row["arr_delay"] for row in parse(landed.yesterday)}
    rows = parse(landed.good)
    return written([row | {"arr_delay": known.get(tuple(row[n] for n in key), row["arr_delay"])} for row in rows])


@fault("schedule", Refused("audit", KEY))
def half_old_half_new(landed: Landed) -> bytes:
    """The first half is yesterday's, the second today's: it was read while it was written."""
    old, new = lines_of(landed.yesterday), lines_of(landed.good)
    return b"".join(old[: len(old) // 2] + new[len(new) // 2 :])


@fault("schedule", Refused("audit", KEY))
def two_days_in_one_file(landed: Landed) -> bytes:
    """Yesterday's rows and today's."""
    return landed.good + body(landed.yesterday)


# ---- the same rows, another order, or a column out of step


@fault("schedule", Harmless())
def rows_in_another_order(landed: Landed) -> bytes:
    """The same rows, shuffled."""
    header, *rows = lines_of(landed.good)
    return header + b"".join(landed.random.sample(rows, len(rows)))


@fault("arrivals", Refused("audit", "lost_or_gained_on_the_way does not hold in 85 rows"))
def delays_one_row_off(landed: Landed) -> bytes:
    """Every delay stands in the row above the one it belongs to."""
    rows = parse(landed.good)
    delays = [row["arr_delay"] for row in rows]
    return written([row | {"arr_delay": d} for row, d in zip(rows, delays[1:] + delays[:1], strict=True)])


@fault("schedule", Warned("known_to_airline does not hold in 853 rows, at most 20% of the rows may"))
def aircraft_one_row_off(landed: Landed) -> bytes:
    """Every aircraft stands in the row above the one it belongs to."""
    rows = parse(landed.good)
    planes = [row["tailnum"] for row in rows]
    return written([row | {"tailnum": t} for row, t in zip(rows, planes[1:] + planes[:1], strict=True)])


# ---- a file that lands again


@fault("arrivals", Refused("ingest", "cannot be read: "), back=1)
def restated_file_cut_short(landed: Landed) -> bytes:
    """A correction of the day before broke off in the middle of a line."""
    return landed.good[: len(landed.good) * 2 // 3].rsplit(b",", 4)[0] + b"\n"


@fault("arrivals", Refused("audit", "rows, expected"), back=1)
def restated_file_with_half_of_the_rows(landed: Landed) -> bytes:
    """A correction of the day before holds half of its rows."""
    lines = lines_of(landed.good)
    return b"".join(lines[: len(lines) // 2])


@fault("arrivals", Refused("audit", "the file of 2013-06-30 is the same as that of 2013-06-29"), back=1)
def restated_file_of_another_date(landed: Landed) -> bytes:
    """A correction of the day before is the file of the day before that."""
    return landed.yesterday
