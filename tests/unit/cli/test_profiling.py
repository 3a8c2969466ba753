"""The command line as a shell calls it: what it writes where, and how it ends."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from nightshift.cli import main
from nightshift.definition.source import Source
from nightshift.settings import get_settings
from unit.cli.commands import Command, Ended
from unit.profiling.shop import FIRST, PATH, land


@pytest.fixture
def run(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Runs a command in an installation of its own."""
    monkeypatch.setenv("NIGHTSHIFT_VAR", str(tmp_path / "var"))
    monkeypatch.setenv("NIGHTSHIFT_MODELS_FOLDER", str(models))
    monkeypatch.setenv("COLUMNS", "200")

    def command(*arguments: str) -> Ended:
        get_settings.cache_clear()
        monkeypatch.setattr(sys, "argv", ["nightshift", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        get_settings.cache_clear()
        captured = capfd.readouterr()
        return Ended(int(ended.value.code or 0), captured.out, captured.err)

    return command


def test_a_source_of_a_model_is_proposed(run: Command) -> None:
    assert run("land", "tiny", "--until", "2024-02-20").code == 0
    ended = run("profile-source", "tiny", "plan")
    assert ended.code == 0
    proposal = YAML().load(ended.out)
    source = Source.model_validate(dict(proposal["sources"]["plan"]))
    assert (source.description, source.key) == ("The machines that run on a day.", ("machine",))
    assert source.columns["load"].required and source.columns["load"].usual is not None
    assert ended.err == ""


def test_dates_can_be_chosen(run: Command, tmp_path: Path) -> None:
    land(tmp_path / "var" / "landing", days=9)
    ended = run("profile-source", "new", "orders", "--path", PATH, "--from", "2024-03-02", "--to", "2024-03-08")
    assert ended.out.startswith(
        "# Proposed by nightshift profile-source from new, orders: 7 files, 2024-03-02 to 2024-03-08, "
    )
    newest = run("profile-source", "new", "orders", "--path", PATH, "--last", "2")
    assert "orders: 2 files, 2024-03-08 to 2024-03-09, " in newest.out
    both = run("profile-source", "new", "orders", "--path", PATH, "--to", "2024-03-08", "--last", "2")
    assert "orders: 2 files, 2024-03-07 to 2024-03-08, " in both.out


def test_notes_go_to_standard_error_and_the_proposal_stays_yaml(run: Command, tmp_path: Path) -> None:
    land(tmp_path / "var" / "landing", lambda row, day: {**row, "2nd": 1}, days=3)
    (tmp_path / "var" / "landing" / "orders" / f"{FIRST + timedelta(days=1)}.csv").write_text("a,b\n1\n")
    ended = run("profile-source", "new", "orders", "--path", PATH)
    assert ended.code == 0
    assert set(YAML().load(ended.out)["sources"]) == {"orders"}
    unread, left_out = ended.err.splitlines()
    assert unread.startswith("not read: file://") and "2024-03-02.csv: cannot be read: CSV parse error" in unread
    assert left_out.startswith("column '2nd' is left out: not a name")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tiny", "plan"], "plan-{date}.csv.gz: no file has landed; fix: land files there, or correct the path"),
        (["tiny", "orders"], "unknown source; received 'orders'; allowed: plan, failures; fix: or give the path"),
        (["other", "orders"], "unknown model; received 'other'; allowed: tiny; fix: or give the path of its files"),
        (
            ["tiny", "orders", "--path", "orders.csv"],
            "--path: has no date; received 'orders.csv'; allowed: one `{date}`",
        ),
        (
            ["tiny", "plan", "--from", "2024-01-01"],
            "no file dated 2024-01-01 to any has landed; fix: land files there",
        ),
    ],
)
def test_a_mistake_is_one_line(run: Command, arguments: list[str], message: str) -> None:
    ended = run("profile-source", *arguments)
    assert (ended.code, ended.out) == (2, "")
    [line] = ended.err.splitlines()
    assert message in line
