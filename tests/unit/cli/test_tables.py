from __future__ import annotations

import csv
import json

from unit.cli.commands import Command

LONG = "x" * 200
QUERY = f"select '{LONG}' as first, '{LONG}' as second, null as third, '[red]1,2' as fourth"


def test_a_query_prints_whole_values_to_a_pipe(process: Command) -> None:
    ended = process("sql", QUERY)
    assert (ended.code, ended.err) == (0, "")
    [row] = [line for line in ended.out.splitlines() if LONG in line]
    assert [cell.strip() for cell in row.strip("│").split("│")] == [LONG, LONG, "", "[red]1,2"]


def test_csv_and_json_hold_the_same_values(nightshift: Command) -> None:
    names, row = csv.reader(nightshift("sql", QUERY, "--format", "csv").out.splitlines())
    assert (names, row) == (["first", "second", "third", "fourth"], [LONG, LONG, "", "[red]1,2"])
    assert json.loads(nightshift("sql", QUERY, "--format", "json").out) == [
        {"first": LONG, "second": LONG, "third": None, "fourth": "[red]1,2"}
    ]
