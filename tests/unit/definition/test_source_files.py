"""How the files of a source are written: `csv` and the names of columns in the files."""

from __future__ import annotations

import pytest

from nightshift.definition.source import NULL_WORDS, PLAIN_CSV
from nightshift.errors import DefinitionError
from unit.conftest import Edit

PATH = "    path: plan-{date}.csv.gz\n"
LOAD = "      load: {type: number, required: true, min: 0, max: 1}\n"


def test_files_are_plain_csv_with_the_names_of_the_columns_unless_declared_otherwise(edit: Edit) -> None:
    plan = edit(PATH, PATH).sources["plan"]
    assert plan.csv == PLAIN_CSV
    assert plan.csv.null == NULL_WORDS
    assert plan.file_columns == {"machine": "machine", "load": "load"}


def test_every_key_of_csv_may_be_declared(edit: Edit) -> None:
    """`null` is a key in plain YAML."""
    keys = r"""separator: "\t", quote: "'", escape: "\\", null: ["-", "\\N"], decimal: ",", thousands: "." """
    declared = f"csv: {{encoding: cp1252, {keys}}}"
    csv = edit(PATH, f"{PATH}    {declared}\n").sources["plan"].csv
    assert csv.model_dump() == {
        "encoding": "cp1252", "separator": "\t", "quote": "'", "escape": "\\", "null": ("-", "\\N"),
        "decimal": ",", "thousands": ".",
    }  # fmt: skip


def test_a_file_without_quotes(edit: Edit) -> None:
    assert edit(PATH, f"{PATH}    csv: {{quote: none}}\n").sources["plan"].csv.quote == "none"


def test_a_column_may_have_another_name_in_the_file(edit: Edit) -> None:
    plan = edit("load: {type: number,", "load: {from: Planned Load, type: number,").sources["plan"]
    assert plan.file_columns == {"machine": "machine", "load": "Planned Load"}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("separator: ';;'", r"model\.yaml:\d+: sources\.plan\.csv\.separator: not a single character; received ';;'"),
        (
            r'separator: "\n"',
            r"csv\.separator: not a single character; .*allowed: one ASCII character, no line end; fix: ",
        ),
        ("separator: é", r"csv\.separator: not a single character"),
        ("escape: ''", r"csv\.escape: not a single character"),
        ("quote: nothing", r"csv\.quote"),
        ("thousands: .", r"csv\.thousands: is the decimal point and between thousands; received '\.'.*fix: such as "),
        ("decimal: ';'", r"csv\.decimal: .*'\.' or ','"),
        ("null: NA", r"csv\.null: wrong type"),
        ("null: [NA, ~]", r"csv\.null\.1: wrong type"),
        (
            "nulls: [NA]",
            r"csv\.nulls: unknown key; .*allowed: encoding, .*, null, decimal, thousands; fix: write 'null'",
        ),
        ("""quote: ','""", r"csv\.quote: is the character of `separator`; received ','"),
        ("""separator: '"'""", r"csv\.separator: is the character of `quote`; received '\"'"),
        ("""escape: '"'""", r"csv\.escape: is the character of `quote`; received '\"'; allowed: another one; fix: "),
    ],
)
def test_files_that_cannot_be_written_so_are_refused_with_line_and_key(edit: Edit, keys: str, message: str) -> None:
    with pytest.raises(DefinitionError, match=message) as caught:
        edit(PATH, f"{PATH}    csv:\n      {keys}\n")
    assert "model.yaml:21: " in str(caught.value)


def test_csv_is_not_for_parquet(edit: Edit) -> None:
    message = (
        r"sources\.failures\.csv: is for CSV files; received 'outcomes/\{date\}\.parquet'; allowed: .*remove `csv:`"
    )
    with pytest.raises(DefinitionError, match=message):
        edit("path: outcomes/{date}.parquet\n", "path: outcomes/{date}.parquet\n    csv: {decimal: ','}\n")


@pytest.mark.parametrize("name", ["machine", "Planned Load"])
def test_a_column_of_the_file_is_declared_once(edit: Edit, name: str) -> None:
    extra = f"      load: {{from: Planned Load, type: number}}\n      copy: {{from: {name}, type: number}}\n"
    message = rf"columns\.copy\.from: is the column of the file that '.*' is read from; received '{name}'"
    with pytest.raises(DefinitionError, match=message):
        edit(LOAD, extra)


@pytest.mark.parametrize(("name", "message"), [("''", r"load\.from: "), ("[a]", r"load\.from: wrong type")])
def test_a_name_in_the_file_is_a_text(edit: Edit, name: str, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        edit("load: {type", f"load: {{from: {name}, type")
