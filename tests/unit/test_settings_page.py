from __future__ import annotations

import re

from nightshift.settings import PROJECT, Settings
from nightshift.settings_page import settings_page


def test_the_page_is_that_of_the_settings() -> None:
    assert (PROJECT / "docs" / "settings.md").read_text() == settings_page(), "make docs"


def test_every_setting_says_what_it_means() -> None:
    assert "| None |" not in settings_page()


def test_every_variable_that_documents_name_is_a_setting() -> None:
    known = set(re.findall(r"NIGHTSHIFT_\w+", settings_page())) | {"NIGHTSHIFT_INSTANCE"}
    for file in (PROJECT / "docs").glob("*.md"):
        named = set(re.findall(r"NIGHTSHIFT_[A-Z_]*[A-Z]", file.read_text()))
        groups = {name for name in named if any(variable.startswith(f"{name}__") for variable in known)}
        assert named - groups <= known, file


def test_the_variables_are_those_that_are_read() -> None:
    names = {f"NIGHTSHIFT_{name.upper()}" for name in Settings.model_fields}
    listed = set(re.findall(r"^\| `(NIGHTSHIFT_\w+)`", settings_page(), re.MULTILINE))
    assert {name for name in names if not any(other.startswith(f"{name}__") for other in listed)} <= listed
