"""The docs that name files name files that exist, and their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nightshift.cli import COMMANDS, GROUPS
from nightshift.settings import PROJECT

ROOTS = [PROJECT, PROJECT / "include" / "nightshift", PROJECT / "include", PROJECT / "plugins" / "nightshift_airflow"]
# In docs/decisions what was once true stays written.
DOCS = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").glob("*.md"))]
NAMED_FILE = re.compile(r"`([a-z_]+(?:/[a-z_]+)+\.(?:py|md|yaml|toml|sh))`")
COMMAND = re.compile(r"(?:\.venv/bin/|`)nightshift ([a-z-]+)")
LINK = re.compile(r"\]\(([^)#\s:]+)(#[^)]*)?\)")


@pytest.mark.parametrize("doc", DOCS, ids=lambda doc: doc.name)
def test_every_file_that_is_named_exists(doc: Path) -> None:
    named = set(NAMED_FILE.findall(doc.read_text()))
    # A definition's own files, as they would be called.
    absent = [name for name in named if not any((root / name).exists() for root in ROOTS)]
    assert sorted(absent) == []


@pytest.mark.parametrize("doc", DOCS, ids=lambda doc: doc.name)
def test_every_command_that_is_named_exists(doc: Path) -> None:
    named = set(COMMAND.findall(doc.read_text()))
    assert sorted(named - {*COMMANDS, *GROUPS}) == []


@pytest.mark.parametrize("doc", DOCS, ids=lambda doc: doc.name)
def test_no_heading_stands_twice(doc: Path) -> None:
    headings = [line for line in doc.read_text().splitlines() if line.startswith("#")]
    assert sorted({heading for heading in headings if headings.count(heading) > 1}) == []


@pytest.mark.parametrize("doc", DOCS, ids=lambda doc: doc.name)
def test_every_link_leads_to_a_file_and_a_heading(doc: Path) -> None:
    for target, anchor in LINK.findall(doc.read_text()):
        file = doc.parent / target
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(), re.M)
            slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor[1:] in slugs, f"{target}{anchor}"
