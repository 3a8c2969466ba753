"""What is installed is what was locked: each package by its hash, and with a licence that the documentation lists."""

from __future__ import annotations

import re

import pytest

from nightshift.settings import PROJECT

LOCKS = ["requirements.txt", "requirements-dev.txt", "docker/build-requirements.txt"]
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)")


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_hashes(lock: str) -> None:
    entries = re.split(r"^(?=[a-z0-9])", (PROJECT / lock).read_text(), flags=re.MULTILINE)[1:]
    assert len(entries) > 20
    assert [
        entry.partition("\n")[0] for entry in entries if not PIN.match(entry) or "--hash=sha256:" not in entry
    ] == []


@pytest.mark.parametrize("file", ["scripts/install.sh", "docker/Dockerfile"])
def test_packages_are_installed_by_their_hashes(file: str) -> None:
    text = (PROJECT / file).read_text().replace("\\\n", " ")
    commands = [line for line in text.splitlines() if re.search(r"\bpip install\b", line) and "apt" not in line]
    # The project itself, and groups of the locks: uv verifies the hashes of constraints.
    others = ("--no-deps --no-build-isolation --editable", "--no-index", "-c requirements.txt")
    assert commands and all("--require-hashes" in line or any(other in line for other in others) for line in commands)


def test_the_licence_of_every_locked_package_is_listed() -> None:
    listed = {tuple(re.findall(r"[^| ]+", row)[:2]) for row in (PROJECT / "docs/licences.md").read_text().splitlines()}
    for lock in LOCKS[:2]:
        pins = dict(match.groups() for line in (PROJECT / lock).read_text().splitlines() if (match := PIN.match(line)))
        assert [name for name, version in pins.items() if (name, version) not in listed] == [], "run `make licences`"
