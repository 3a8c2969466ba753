"""Faults that get through unnoticed today, and the kind of check that would catch each."""

from __future__ import annotations

NOT_CAUGHT = {
    "cut_after_nine_tenths_of_the_lines": "As many rows as the sender says, in a file beside it or in a last line. No "
    "other source tells how many departures are planned.",
    "yesterdays_rows_written_anew": "How many of the rows the day before had too, whatever their order: a file is held "
    "against those of other dates byte for byte.",
    "distances_in_nautical_miles": "A reference to the source's own dates before: a route is as long as it was. The "
    "mean is 13 per cent off, where 18 may be, and the rule of duration and distance leaves more room still.",
    "temperatures_in_celsius": "The first hour against the last one of the day before, which are never 7 degrees apart "
    "in 2013 and would be 25. Not what is usual of the same weekday: over its weeks the season moves the mean as far.",
}
