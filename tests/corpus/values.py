"""Faults of single values: their type, unit, sign, spelling, or that they are missing."""

from __future__ import annotations

from corpus.fault import Harmless, Landed, Refused, SetAside, Warned, fault
from corpus.rows import changed, filled, parse, written

# ---- types


@fault("schedule", Refused("ingest", "column 'flight' holds a value that is not of type integer"))
def text_in_an_integer(landed: Landed) -> bytes:
    """A flight number with its airline."""
    return changed(landed.good, "flight", lambda text: f"UA{text}", every=300)


@fault("arrivals", Refused("ingest", "column 'arr_delay' holds a value that is not of type number"))
def text_in_a_number(landed: Landed) -> bytes:
    """A word where the delay of cancelled flights is missing."""
    rows = parse(landed.good)
    return written([row | {"arr_delay": row["arr_delay"] or "cancelled"} for row in rows])


@fault("schedule", Refused("ingest", "column 'flight' holds a value that is not of type integer"))
def fractions_in_an_integer(landed: Landed) -> bytes:
    """Flight numbers with fractions."""
    return changed(landed.good, "flight", lambda text: f"{text}.5")


@fault("schedule", Harmless())
def integers_written_as_decimals(landed: Landed) -> bytes:
    """Flight numbers such as 1816.0."""
    return changed(landed.good, "flight", lambda text: f"{text}.0")


@fault("schedule", Harmless())
def times_with_leading_zeros(landed: Landed) -> bytes:
    """0515 instead of 515."""
    return changed(landed.good, "sched_dep_time", lambda text: text.zfill(4))


@fault("schedule", Refused("audit", "carrier has"))
def numbers_in_a_text(landed: Landed) -> bytes:
    """The airline's number in some other system instead of its code."""
    return changed(landed.good, "carrier", lambda text: str(19_000 + sum(text.encode())))


@fault("schedule", Refused("ingest", "column 'sched_dep_time' holds a value that is not of type integer"))
def timestamps_for_times(landed: Landed) -> bytes:
    """The planned departure as a timestamp."""
    return changed(landed.good, "sched_dep_time", lambda text: f"2013-07-03T{int(text) // 100:02d}:{text[-2:]}:00Z")


# ---- units and signs


@fault("arrivals", Refused("audit", "rows would be set aside, at most 1.00% may be"))
def delays_in_seconds(landed: Landed) -> bytes:
    """Seconds instead of minutes."""
    return changed(landed.good, "arr_delay", lambda text: str(float(text) * 60))


@fault("arrivals", Refused("audit", "lost_or_gained_on_the_way does not hold in 143 rows"))
def delays_in_hours(landed: Landed) -> bytes:
    """Hours instead of minutes."""
    return changed(landed.good, "arr_delay", lambda text: str(float(text) / 60))


@fault("schedule", Refused("audit", "distance has 983 values outside 10 to 5500"))
def distances_in_metres(landed: Landed) -> bytes:
    """Metres instead of miles."""
    return changed(landed.good, "distance", lambda text: str(round(float(text) * 1609.344)))


@fault("schedule", Refused("audit", "distance has 2 values outside 10 to 5500"))
def distances_in_kilometres(landed: Landed) -> bytes:
    """Kilometres instead of miles: only the flights to Hawaii tell."""
    return changed(landed.good, "distance", lambda text: str(round(float(text) * 1.609344)))


@fault("schedule", None)
def distances_in_nautical_miles(landed: Landed) -> bytes:
    """Nautical miles instead of miles."""
    return changed(landed.good, "distance", lambda text: str(round(float(text) / 1.150779)))


@fault("weather", None)
def temperatures_in_celsius(landed: Landed) -> bytes:
    """Celsius instead of Fahrenheit."""
    return changed(landed.good, "temp", lambda text: f"{(float(text) - 32) / 1.8:.2f}")


@fault("weather", Warned("pressure has"))
def pressure_in_inches(landed: Landed) -> bytes:
    """Inches of mercury instead of millibars."""
    return changed(landed.good, "pressure", lambda text: f"{float(text) * 0.02953:.2f}")


@fault("weather", Refused("audit", "visib has 58 values outside 0 to 10"))
def visibility_in_kilometres(landed: Landed) -> bytes:
    """Kilometres instead of miles."""
    return changed(landed.good, "visib", lambda text: f"{float(text) * 1.609344:.3f}")


@fault("weather", Refused("audit", "humid has"))
def humidity_times_hundred(landed: Landed) -> bytes:
    """Hundredths of a per cent."""
    return changed(landed.good, "humid", lambda text: str(float(text) * 100))


@fault("arrivals", Refused("audit", "arr_delay has"))
def sign_of_delays_flipped(landed: Landed) -> bytes:
    """Late is negative, early is positive."""
    return changed(landed.good, "arr_delay", lambda text: str(-float(text)))


@fault("schedule", Refused("audit", "distance has"))
def sign_of_one_distance_flipped(landed: Landed) -> bytes:
    """A single distance is negative."""
    return changed(landed.good, "distance", lambda text: f"-{text}", every=10_000)


# ---- times


@fault("schedule", Refused("audit", "duration_fits_distance does not hold in 981 rows"))
def times_shifted_five_hours_on(landed: Landed) -> bytes:
    """Local times became UTC somewhere."""
    return changed(landed.good, "sched_dep_time", lambda text: str((int(text) + 500) % 2400))


@fault("schedule", Refused("audit", "duration_fits_distance does not hold in 663 rows"))
def times_shifted_five_hours_back(landed: Landed) -> bytes:
    """Times were taken for UTC and made local once more."""
    return changed(landed.good, "sched_dep_time", lambda text: str((int(text) - 500) % 2400))


@fault("schedule", Refused("audit", "duration_fits_distance does not hold in 663 rows"))
def arrival_times_shifted_five_hours(landed: Landed) -> bytes:
    """Only the planned arrivals became UTC."""
    return changed(landed.good, "sched_arr_time", lambda text: str((int(text) + 500) % 2400))


@fault("schedule", Warned("the spread of sched_dep_time is"))
def planned_times_in_utc(landed: Landed) -> bytes:
    """All planned times became UTC: what lies between them is right."""
    rows = parse(landed.good)
    names = "sched_dep_time", "sched_arr_time"
    return written([row | {name: str((int(row[name]) + 400) % 2400) for name in names} for row in rows])


@fault("schedule", SetAside("sched_dep_time", 4))
def times_beyond_midnight(landed: Landed) -> bytes:
    """A few departures at 25:30, as timetables write the night."""
    return filled(landed.good, "sched_dep_time", "2530", every=300)


@fault("schedule", SetAside("hour_has_sixty_minutes", 4))
def minutes_beyond_sixty(landed: Landed) -> bytes:
    """A few departures at 12:75."""
    return filled(landed.good, "sched_dep_time", "1275", every=300)


@fault("schedule", Refused("audit", "hour_has_sixty_minutes does not hold in 426 rows"))
def minutes_since_midnight(landed: Landed) -> bytes:
    """Minutes since midnight instead of hours and minutes."""
    return changed(landed.good, "sched_dep_time", lambda text: str(int(text) // 100 * 60 + int(text) % 100))


@fault("arrivals", Refused("audit", "dep_time has"))
def epoch_for_times(landed: Landed) -> bytes:
    """The time of departure as seconds since 1970, a day in the future."""
    return changed(landed.good, "dep_time", lambda text: str(1_372_824_000 + int(text)))


# ---- not a number, infinite, a placeholder


@fault("arrivals", Refused("audit", "arr_delay has"))
def infinite_delays(landed: Landed) -> bytes:
    """Every tenth delay is infinite: a division by zero on the way."""
    return filled(landed.good, "arr_delay", "inf", every=10)


@fault("arrivals", SetAside("arr_delay", 3))
def a_few_infinite_delays(landed: Landed) -> bytes:
    """Three delays are infinite."""
    return filled(landed.good, "arr_delay", "-inf", every=400)


@fault("schedule", Refused("audit", "distance is missing in"))
def not_a_number_in_a_required_column(landed: Landed) -> bytes:
    """Every tenth distance is NaN."""
    return filled(landed.good, "distance", "NaN", every=10)


@fault("arrivals", Harmless())
def not_a_number_for_missing(landed: Landed) -> bytes:
    """What is missing is written NaN."""
    return written([row | {"arr_delay": row["arr_delay"] or "NaN"} for row in parse(landed.good)])


@fault("arrivals", SetAside("dep_delay", 4))
def placeholder_9999(landed: Landed) -> bytes:
    """Unknown delays are written 9999."""
    return filled(landed.good, "dep_delay", "9999", every=300)


@fault("arrivals", Refused("audit", "arr_delay has"))
def placeholder_minus_999_everywhere(landed: Landed) -> bytes:
    """What is missing is written -999, and that is a tenth of the file."""
    return written([row | {"arr_delay": row["arr_delay"] or "-999"} for row in parse(landed.good)])


@fault("arrivals", Refused("audit", "only_who_left_arrived does not hold in 88 rows"))
def zero_for_missing(landed: Landed) -> bytes:
    """The delay of flights that never arrived is 0."""
    return written([row | {"arr_delay": row["arr_delay"] or "0"} for row in parse(landed.good)])


@fault("planes", Warned("year has 70 values outside 1900 to 2013, first 0"))
def year_zero_for_missing(landed: Landed) -> bytes:
    """Unknown years of manufacture are 0."""
    return written([row | {"year": row["year"] or "0"} for row in parse(landed.good)])


# ---- missing


@fault("schedule", Refused("audit", "dest is missing in 983 rows"))
def required_column_without_values(landed: Landed) -> bytes:
    """A required column is empty."""
    return filled(landed.good, "dest", "")


@fault("schedule", SetAside("carrier", 4))
def a_few_missing_airlines(landed: Landed) -> bytes:
    """Four rows have no airline."""
    return filled(landed.good, "carrier", "", every=300)


@fault("arrivals", Refused("audit", "arr_delay is missing in 100.0% of the rows"))
def optional_column_without_values(landed: Landed) -> bytes:
    """Not one arrival has a delay."""
    return filled(landed.good, "arr_delay", "")


@fault("schedule", Warned("tailnum is missing in 50.2% of the rows, expected 0.0% to 7.9%"))
def optional_column_half_empty(landed: Landed) -> bytes:
    """Every other flight has no aircraft."""
    return filled(landed.good, "tailnum", "", every=2)


# ---- spelling


@fault("arrivals", Refused("ingest", "column 'arr_delay' holds a value that is not of type number"))
def decimal_comma(landed: Landed) -> bytes:
    """Quoted numbers such as "12,0"."""
    return changed(landed.good, "arr_delay", lambda text: text.replace(".", ","))


@fault("schedule", Refused("ingest", "column 'distance' holds a value that is not of type integer"))
def thousands_separators(landed: Landed) -> bytes:
    """Quoted numbers such as "1,576"."""
    return changed(landed.good, "distance", lambda text: f"{int(text):,}")


@fault("schedule", Refused("ingest", "column 'distance' holds a value that is not of type integer"))
def units_behind_numbers(landed: Landed) -> bytes:
    """Distances such as "1576 mi"."""
    return changed(landed.good, "distance", lambda text: f"{text} mi")


@fault("schedule", Refused("audit", "carrier has"))
def blanks_around_codes(landed: Landed) -> bytes:
    """Codes padded to a fixed width."""
    return changed(landed.good, "carrier", lambda text: f"{text}  ")


@fault("schedule", Refused("ingest", "column 'flight' holds a value that is not of type integer"))
def blanks_around_numbers(landed: Landed) -> bytes:
    """Numbers padded to a fixed width."""
    return changed(landed.good, "flight", lambda text: f"{text:>6}")


@fault("schedule", Refused("audit", "carrier has"))
def codes_in_lower_case(landed: Landed) -> bytes:
    """Airlines in lower case."""
    return changed(landed.good, "carrier", str.lower)


@fault("arrivals", Refused("audit", "tailnum has"))
def registrations_in_lower_case(landed: Landed) -> bytes:
    """Registrations in lower case: they would match no aircraft."""
    return changed(landed.good, "tailnum", str.lower)


@fault("schedule", SetAside("tailnum", 4))
def a_few_registrations_with_a_hyphen(landed: Landed) -> bytes:
    """Four registrations are written as abroad."""
    rows = parse(landed.good)
    for row in [row for row in rows if row["tailnum"]][::300]:
        row["tailnum"] = f"N-{row['tailnum'][1:]}"
    return written(rows)


# ---- other values than ever


@fault("schedule", Refused("audit", "carrier has"))
def flood_of_new_airlines(landed: Landed) -> bytes:
    """Airline codes of another system, well-formed and unknown."""
    return changed(landed.good, "carrier", lambda text: "Z" + text[0])


@fault("schedule", SetAside("carrier", 4))
def one_new_airline(landed: Landed) -> bytes:
    """A new airline with four flights."""
    return filled(landed.good, "carrier", "NK", every=300)


@fault("schedule", Warned("registered does not hold in 317 rows, at most 25% of the rows may: tailnum known to planes"))
def registrations_that_no_register_knows(landed: Landed) -> bytes:
    """The aircraft of a large airline are well-formed and not in the register."""
    rows = parse(landed.good)
    for row in rows:
        if row["carrier"] == "UA" and row["tailnum"]:
            row["tailnum"] = "G" + row["tailnum"][1:]
    return written(rows)


@fault("schedule", Warned("99.4% of the values of dest differ from the mix of the last 6 Wednesdays"))
def flood_of_new_airports(landed: Landed) -> bytes:
    """Destinations of another code system, well-formed and unknown."""
    return changed(landed.good, "dest", lambda text: text[::-1])


@fault("schedule", Warned("the number of values of tailnum is 1, expected 504 to 936"))
def aircraft_is_the_same_everywhere(landed: Landed) -> bytes:
    """Every flight has the same aircraft."""
    return filled(landed.good, "tailnum", "N258JB")


@fault("arrivals", Refused("audit", "lost_or_gained_on_the_way does not hold in 147 rows"))
def delay_is_the_same_everywhere(landed: Landed) -> bytes:
    """Every delay is 0: a default that was never filled in."""
    return changed(landed.good, "arr_delay", lambda text: "0.0")
