"""Faults that get through unnoticed today, and the kind of check that would catch each."""

from __future__ import annotations

NOT_CAUGHT = {
    # The set of rows.
    "cut_after_nine_tenths_of_the_lines": "As many rows as the sender says, in a file beside it or in a last line; of "
    "the arrivals, as many as the date's schedule has.",
    "cut_inside_the_last_number": "A size or checksum that the sender says; or that a file ends with a line end.",
    "one_airport_is_lacking": "Row counts by group against what is usual: every airport that was there last week.",
    "one_airline_is_lacking": "Row counts by group against what is usual: every airline that was there last week.",
    "a_few_observations_twice": "A key of the hour in UTC: by the local clock one hour of the year is there twice.",
    "yesterdays_file_again": "The file's digest against those published for other dates.",
    "file_of_a_week_ago": "The file's digest against those published for other dates.",
    "yesterdays_delays": "A rule between columns: dep_delay is dep_time less sched_dep_time, and arr_delay is not "
    "hours away from dep_delay.",
    # Columns against each other.
    "departure_and_arrival_delay_swapped": "A rule between columns: dep_delay is dep_time less sched_dep_time.",
    "departure_and_arrival_time_swapped": "A rule between columns: dep_delay is dep_time less sched_dep_time.",
    "arrival_times_shifted_five_hours": "A rule between columns: planned duration against distance; or the column's "
    "quantiles against those of the last weeks.",
    "delays_one_row_off": "A rule between columns: arr_delay less dep_delay is within an hour or so.",
    "aircraft_one_row_off": "A look at another source: an aircraft flies for the airline it flew for last week.",
    # How a column's values are distributed.
    "delays_in_hours": "The column's mean and spread against those of the last weeks.",
    "temperatures_in_celsius": "The column's mean and spread against those of the last weeks, by season.",
    "delay_is_the_same_everywhere": "The fewest distinct values of a column, or its spread against the last weeks'.",
    "aircraft_is_the_same_everywhere": "The fewest distinct values of a column against the last weeks'.",
    "flood_of_new_airports": "The share of values never seen in the last weeks.",
    # What is missing, and what should not be a value.
    "optional_column_without_values": "The largest share of missing values of a column, or what is usual of it.",
    "optional_column_half_empty": "The largest share of missing values of a column, or what is usual of it.",
    "zero_for_missing": "The usual share of missing values of a column, which zero is far from; or a rule between "
    "columns: without arr_time no arr_delay.",
    "minutes_beyond_sixty": "A rule of a row as an expression: sched_dep_time % 100 < 60.",
}
