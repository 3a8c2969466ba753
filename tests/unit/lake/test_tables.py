from __future__ import annotations

import pytest

from nightshift.definition.model import ModelDefinition
from nightshift.errors import TerminalError
from nightshift.lake.tables import Layer, layer_of, split_identifier, table_spec


@pytest.mark.parametrize(
    ("identifier", "layer"),
    [
        ("raw.weather", Layer.RAW),
        ("quarantine.weather", Layer.QUARANTINE),
        ("tiles.weather", Layer.TILES),
        ("features.flight_delay", Layer.FEATURES),
        ("scores.flight_delay", Layer.SCORES),
        ("shadow.flight_delay", Layer.SHADOW),
        ("monitoring.flight_delay", Layer.MONITORING),
        ("monitoring.registry_events", Layer.MONITORING),
    ],
)
def test_an_identifier_names_a_table_and_its_layer(
    flight_delay: ModelDefinition, identifier: str, layer: Layer
) -> None:
    spec = table_spec(flight_delay, identifier)
    assert (spec.name, spec.layer) == (identifier, layer)
    assert split_identifier(identifier) == (layer, spec.local_name)
    assert layer_of(identifier) is layer


def test_an_unknown_layer_is_refused_with_the_allowed_layers(flight_delay: ModelDefinition) -> None:
    with pytest.raises(TerminalError, match=r"(?s)landing\.weather.*landing.*raw, quarantine, tiles"):
        table_spec(flight_delay, "landing.weather")
