from __future__ import annotations

from nightshift.definition.model import ModelDefinition
from nightshift.features.columns import observed_columns, tile_columns


def test_tiles_read_what_their_aggregates_name(flight_delay: ModelDefinition) -> None:
    read = {source: set(tile_columns(flight_delay, source)) for source in ("schedule", "weather")}
    assert read == {
        # `sched_dep_time` and `hour` by the event times.
        "schedule": {"source_date", "origin", "dest", "tailnum", "sched_dep_time"},
        "weather": {"source_date", "origin", "hour", "temp", "wind_speed", "precip", "visib"},
    }


def test_observations_read_what_keys_row_features_and_look_ups_name(flight_delay: ModelDefinition) -> None:
    read = {source: set(columns) for source, columns in observed_columns(flight_delay).items()}
    key = {"source_date", *flight_delay.observations.key}
    # `dest` and `tailnum` are keys of aggregates and of the look-up.
    assert read["schedule"] == key | {"dest", "tailnum", "sched_dep_time", "sched_arr_time", "distance"}
    assert read["planes"] == {"source_date", "tailnum", "year", "seats"}
    counted = observed_columns(flight_delay, key_only=True)
    assert {source: set(columns) for source, columns in counted.items()} == {
        "schedule": key | {"tailnum"},
        "planes": {"source_date", "tailnum"},
    }


def test_features_py_is_given_every_column(flight_delay: ModelDefinition) -> None:
    features = flight_delay.features.model_copy(update={"computed": {"congestion": None}})
    read = observed_columns(flight_delay.model_copy(update={"features": features}))
    for source in ("schedule", "planes"):
        assert set(read[source]) == {"source_date", *flight_delay.sources[source].columns}
