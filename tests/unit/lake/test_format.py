from __future__ import annotations

import json

import pytest

from nightshift.errors import TerminalError
from nightshift.lake.catalog import Lake
from nightshift.lake.format import FORMAT
from nightshift.settings import Settings


def test_an_installation_is_marked_with_its_format_and_opens_again(settings: Settings) -> None:
    Lake(settings)
    record = json.loads((settings.var_path / "format.json").read_text())
    assert record["format"] == FORMAT
    Lake(settings)


def test_what_a_newer_nightshift_wrote_is_refused(settings: Settings) -> None:
    Lake(settings)
    newer = {"format": FORMAT + 1, "nightshift": "9.0.0"}
    (settings.var_path / "format.json").write_text(json.dumps(newer))
    with pytest.raises(TerminalError, match=r"Nightshift 9\.0\.0.*install that Nightshift"):
        Lake(settings)
