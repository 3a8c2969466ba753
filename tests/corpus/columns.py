"""Faults of the columns: which there are, how they are called, parted, quoted and ordered."""

from __future__ import annotations

import csv

from corpus.fault import Harmless, Landed, Refused, fault
from corpus.rows import changed, lines_of, names_of, parse, swapped, written

UNREADABLE = Refused("ingest", "cannot be read: ")
NO_CARRIER = Refused("ingest", "column 'carrier' is missing")


# ---- which columns


@fault("schedule", Harmless())
def extra_column(landed: Landed) -> bytes:
    """A column that nobody declared."""
    return written([row | {"gate": f"B{number % 40}"} for number, row in enumerate(parse(landed.good))])


@fault("schedule", Refused("ingest", "column 'distance' is missing"))
def missing_column(landed: Landed) -> bytes:
    """A declared column is not there."""
    return written(parse(landed.good), [name for name in names_of(landed.good) if name != "distance"])


@fault("schedule", Refused("ingest", "column 'dest' is missing; received 'carrier, flight, tailnum, origin, destin"))
def renamed_column(landed: Landed) -> bytes:
    """A column got another name."""
    return landed.good.replace(b",dest,", b",destination,", 1)


@fault("schedule", NO_CARRIER)
def header_in_capitals(landed: Landed) -> bytes:
    """The column names in capitals."""
    header, *rows = lines_of(landed.good)
    return header.upper() + b"".join(rows)


@fault("schedule", Refused("ingest", "column 'flight' is missing"))
def blanks_in_the_header(landed: Landed) -> bytes:
    """A blank after every comma of the header."""
    header, *rows = lines_of(landed.good)
    return header.replace(b",", b", ") + b"".join(rows)


@fault("schedule", Harmless())
def reordered_columns(landed: Landed) -> bytes:
    """The columns in another order, names and values alike."""
    return written(parse(landed.good), landed.random.sample(names_of(landed.good), len(names_of(landed.good))))


@fault("schedule", Refused("audit", "raw.schedule 2013-07-03: "))
def header_reordered_without_the_rows(landed: Landed) -> bytes:
    """The names of origin and destination changed places, the values did not."""
    return landed.good.replace(b"origin,dest", b"dest,origin", 1)


@fault("schedule", Refused("ingest", "column 'distance' occurs more than once"))
def doubled_column(landed: Landed) -> bytes:
    """A column is there twice."""
    return b"".join(
        line.rstrip(b"\n") + b"," + line.rstrip(b"\n").rsplit(b",", 1)[1] + b"\n" for line in lines_of(landed.good)
    )


@fault("schedule", Harmless())
def comma_at_the_end_of_every_line(landed: Landed) -> bytes:
    """A last column without a name and without values."""
    return landed.good.replace(b"\n", b",\n")


@fault("schedule", UNREADABLE)
def one_field_too_many(landed: Landed) -> bytes:
    """A row in the middle has a field more than the header."""
    lines = lines_of(landed.good)
    lines[400] = lines[400].rstrip(b"\n") + b",1\n"
    return b"".join(lines)


# ---- delimiters and quotes


@fault("schedule", NO_CARRIER)
def semicolons(landed: Landed) -> bytes:
    """Semicolons between the fields, as spreadsheets in half of Europe write them."""
    return landed.good.replace(b",", b";")


@fault("schedule", NO_CARRIER)
def tabs(landed: Landed) -> bytes:
    """Tabs between the fields."""
    return landed.good.replace(b",", b"\t")


@fault("schedule", Harmless())
def every_field_quoted(landed: Landed) -> bytes:
    """Quotes around every field, names and numbers too."""
    return written(parse(landed.good), quoting=csv.QUOTE_ALL)


@fault("schedule", UNREADABLE)
def quote_that_is_never_closed(landed: Landed) -> bytes:
    """A quote opens in the middle of the file: the rest is one field."""
    lines = lines_of(landed.good)
    lines[400] = b'"' + lines[400]
    return b"".join(lines)


@fault("weather", Refused("ingest", "column 'visib' holds a value that is not of type number"))
def quote_that_swallows_the_rest(landed: Landed) -> bytes:
    """A quote opens in the last field of a row: the number of fields is right, the rows behind it are gone."""
    lines = lines_of(landed.good)
    first, last = lines[60].rsplit(b",", 1)
    lines[60] = first + b',"' + last
    return b"".join(lines)[:-1] + b'"\n'


@fault("planes", UNREADABLE)
def comma_in_text_without_quotes(landed: Landed) -> bytes:
    """A comma in a manufacturer's name, and no quotes around it."""
    return landed.good.replace(b",BOEING,", b",BOEING, INC,")


@fault("planes", Harmless())
def newlines_in_quoted_text(landed: Landed) -> bytes:
    """Notes of two lines each in a column that nobody declared."""
    return written([row | {"note": 'line one,\nline "two"'} for row in parse(landed.good)])


@fault("schedule", Refused("audit", "tailnum has"))
def newlines_in_a_code(landed: Landed) -> bytes:
    """The registration is quoted with the line end of the field it was copied from."""
    return changed(landed.good, "tailnum", lambda text: text + "\n")


# ---- values under another column's name


@fault("schedule", Refused("audit", "origin has"))
def origin_and_destination_swapped(landed: Landed) -> bytes:
    """Every flight in the other direction."""
    return swapped(landed.good, "origin", "dest")


@fault("schedule", Refused("audit", "carrier has"))
def carrier_and_destination_swapped(landed: Landed) -> bytes:
    """Airlines under destinations, destinations under airlines."""
    return swapped(landed.good, "carrier", "dest")


@fault("arrivals", Refused("audit", "delay_is_the_difference does not hold in 861 rows"))
def departure_and_arrival_delay_swapped(landed: Landed) -> bytes:
    """The delays at departure and at arrival under each other's name."""
    return swapped(landed.good, "dep_delay", "arr_delay")


@fault("arrivals", Refused("audit", "delay_is_the_difference does not hold in 878 rows"))
def departure_and_arrival_time_swapped(landed: Landed) -> bytes:
    """The times of departure and of arrival under each other's name."""
    return swapped(landed.good, "dep_time", "arr_time")


@fault("schedule", Refused("audit", "duration_fits_distance does not hold in 981 rows"))
def planned_times_swapped(landed: Landed) -> bytes:
    """The planned times of departure and of arrival under each other's name."""
    return swapped(landed.good, "sched_dep_time", "sched_arr_time")


@fault("schedule", Refused("audit", "hour_has_sixty_minutes does not hold in 375 rows"))
def flight_and_distance_shifted(landed: Landed) -> bytes:
    """The fields of every row moved on by one: the last became the first, and the flight number is a time."""
    names = ["flight", "sched_dep_time", "sched_arr_time", "distance"]
    return written(
        [
            row | dict(zip(names, [row[names[-1]], *(row[n] for n in names[:-1])], strict=True))
            for row in parse(landed.good)
        ]
    )
