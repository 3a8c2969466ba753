"""Dates that land in parts: when they are complete, what is read of them, and what is refused by name."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.definition.source import Source
from nightshift.definition.source_rules import source_problems
from nightshift.errors import DataError, NotYetAvailable, TransientError
from nightshift.lake import landed_parts
from nightshift.lake.landed_files import parse_landed, read_landed
from nightshift.lake.landed_parts import (
    LandingFile,
    date_of_landing_file,
    digest_of_files,
    landing_file,
)
from nightshift.lake.source_formats import read_source_file
from nightshift.lake.source_partitions import landed_dates, why_incomplete
from nightshift.lake.tables import Layer, TableSpec

DAY = date(2024, 1, 1)
SPEC = TableSpec(Layer.RAW, "clicks", {"source_date": "date", "page": "string", "seconds": "number"}, "source_date", ())
MARKER = {"marker": "clicks/{date}/_SUCCESS"}
MANIFEST = {"manifest": "clicks/{date}/manifest.json"}


def declare(path: str = "clicks/{date}/*.csv", complete: dict[str, str] | None = None) -> Source:
    columns = {"page": {"type": "string", "required": True}, "seconds": {"type": "number"}}
    return Source.model_validate(
        {"description": "", "path": path, "complete": complete, "available": {"after": "1h"}, "columns": columns}
    )


def land(landing: Path, name: str, text: str = "page,seconds\na,1\n", minutes_ago: int = 0) -> Path:
    file = landing / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    written = (datetime.now(UTC) - timedelta(minutes=minutes_ago)).timestamp()
    os.utime(file, (written, written))
    return file


def of_day(landing: Path, source: Source) -> LandingFile:
    return landing_file(str(landing), "clicks", source, DAY)


def read(landing: Path, source: Source) -> tuple[pa.Table, str]:
    return read_landed(of_day(landing, source), source, SPEC)


def test_a_marker_shows_that_all_parts_are_there(tmp_path: Path) -> None:
    source = declare(complete=MARKER)
    land(tmp_path, "clicks/2024-01-01/0.csv", "page,seconds\na,1\nb,2\n")
    land(tmp_path, "clicks/2024-01-01/1.csv", "seconds,page\n3,c\n")
    land(tmp_path, "clicks/2024-01-01/_unfinished.csv", "page")
    land(tmp_path, "clicks/2024-01-01/.hidden.csv", "page")
    assert landed_dates(str(tmp_path), source) == []
    assert why_incomplete(of_day(tmp_path, source)).endswith("clicks/2024-01-01/_SUCCESS has not landed")
    with pytest.raises(NotYetAvailable, match=r"not complete: .*_SUCCESS has not landed"):
        read(tmp_path, source)
    land(tmp_path, "clicks/2024-01-01/_SUCCESS", "")
    assert landed_dates(str(tmp_path), source) == [DAY]
    rows, digest = read(tmp_path, source)
    assert rows.to_pylist() == [
        {"source_date": DAY, "page": page, "seconds": seconds} for page, seconds in (("a", 1), ("b", 2), ("c", 3))
    ]
    assert digest == digest_of_files(of_day(tmp_path, source))


def test_a_marker_without_parts_is_no_empty_date(tmp_path: Path) -> None:
    source = declare(complete=MARKER)
    land(tmp_path, "clicks/2024-01-01/_SUCCESS", "")
    with pytest.raises(DataError, match="_SUCCESS says that the date is complete, and no part has landed"):
        read(tmp_path, source)
    land(tmp_path, "clicks/2024-01-01/0.csv", "page,seconds\n")
    assert read(tmp_path, source)[0].num_rows == 0


def test_a_single_file_may_have_a_marker(tmp_path: Path) -> None:
    source = declare("clicks-{date}.csv", {"marker": "clicks-{date}.done"})
    file = land(tmp_path, "clicks-2024-01-01.csv")
    assert landed_dates(str(tmp_path), source) == []
    land(tmp_path, "clicks-2024-01-01.done", "")
    rows, digest = read(tmp_path, source)
    assert rows.num_rows == 1
    assert digest == parse_landed(f"file://{file}")[1]  # as of every single file
    file.unlink()
    with pytest.raises(DataError, match="no part has landed"):
        read(tmp_path, source)


def test_a_date_is_settled_when_no_part_was_written_for_a_while(tmp_path: Path) -> None:
    source = declare("clicks/{date}T*.csv", {"settled": "30m"})
    file = of_day(tmp_path, source)
    assert why_incomplete(file) == "no part has landed"
    land(tmp_path, "clicks/2024-01-01T00.csv", minutes_ago=90)
    land(tmp_path, "clicks/2024-01-01T01.csv", minutes_ago=29)
    land(tmp_path, "clicks/2024-01-02T00.csv", minutes_ago=31)
    assert "complete when none was for 30m" in why_incomplete(file)
    assert landed_dates(str(tmp_path), source) == [date(2024, 1, 2)]
    land(tmp_path, "clicks/2024-01-01T01.csv", minutes_ago=31)
    assert landed_dates(str(tmp_path), source) == [DAY, date(2024, 1, 2)]
    assert read(tmp_path, source)[0].num_rows == 2


def manifest(parts: object) -> str:
    return json.dumps({"parts": parts, "sent_by": "warehouse"})


def test_a_manifest_lists_the_parts_with_their_rows(tmp_path: Path) -> None:
    source = declare("clicks/{date}/*/*.csv", MANIFEST)
    land(tmp_path, "clicks/2024-01-01/eu/0.csv")
    land(tmp_path, "clicks/2024-01-01/us/0.csv")
    land(tmp_path, "clicks/2024-01-01/manifest.json", manifest({"eu/0.csv": 1, "us/0.csv": None}))
    assert landed_dates(str(tmp_path), source) == [DAY]
    assert read(tmp_path, source)[0].num_rows == 2


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (manifest({"0.csv": 2, "1.csv": 1}), "another number of rows | 0.csv | received 1; allowed: 2, by"),
        (manifest({"0.csv": 1}), "the manifest does not list it | 1.csv | 1 in all"),
        (manifest({"0.csv": 1, "1.csv": 1, "2.csv": 1}), "it has not landed | 2.csv"),
        (manifest({"0.csv": "1"}), "not a manifest: parts.0.csv | manifest.json"),
        (manifest({"0.csv": -1}), "not a manifest"),
        (manifest({"0.csv": 1.5}), "not a manifest"),
        (manifest(["0.csv"]), "not a manifest: parts"),
        ("[]", "not a manifest"),
        ("{", "not a manifest"),
        ("", "not a manifest"),
        ("[" * 200_000, "not a manifest: nested too deeply"),
        ('{"parts": {"0.csv": ' + "9" * 9999 + "}}", "not a manifest: Exceeds the limit (4300 digits)"),
        (manifest({"0.csv": [1]}), "not a manifest: parts.0.csv"),
        (manifest({"0.csv": True}), "not a manifest: parts.0.csv"),
        (manifest(None), "not a manifest: parts"),
        ('{"parts": {"0.csv": 2, "0.csv": 1, "1.csv": 1}}', "not a manifest: the key '0.csv' stands twice"),
    ],
)
def test_a_manifest_that_does_not_describe_the_parts_is_refused(tmp_path: Path, content: str, problem: str) -> None:
    source = declare(complete=MANIFEST)
    land(tmp_path, "clicks/2024-01-01/0.csv")
    land(tmp_path, "clicks/2024-01-01/1.csv")
    land(tmp_path, "clicks/2024-01-01/manifest.json", content)
    with pytest.raises(DataError) as error:
        read(tmp_path, source)
    assert all(part in str(error.value) for part in problem.split(" | ")), str(error.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("page\na\n", "column 'seconds' is missing | 1.csv"),
        ("page,seconds\na,1\nb,soon\n", "1.csv row 2 | received 'soon'"),
        ("page,seconds\na,1,2\n", "cannot be read | 1.csv"),
        ("page,seconds\na,1\npage,seconds\n", "the header once more | 1.csv row 2"),
    ],
)
def test_a_bad_part_is_named(tmp_path: Path, text: str, problem: str) -> None:
    source = declare(complete=MARKER)
    for name, content in {"0.csv": "page,seconds\na,1\n", "1.csv": text, "_SUCCESS": ""}.items():
        land(tmp_path, f"clicks/2024-01-01/{name}", content)
    with pytest.raises(DataError) as error:
        read(tmp_path, source)
    assert all(part in str(error.value) for part in problem.split(" | ")), str(error.value)


def test_parts_of_different_types_are_of_the_declared_one(tmp_path: Path) -> None:
    source = declare("clicks/{date}/*.parquet", MARKER)
    folder = land(tmp_path, "clicks/2024-01-01/_SUCCESS", "").parent
    pq.write_table(pa.table({"page": ["a"], "seconds": pa.array([1], pa.int32())}), folder / "0.parquet")
    pq.write_table(pa.table({"page": ["b"], "seconds": ["2.5"], "more": [1]}), folder / "1.parquet")
    assert read(tmp_path, source)[0]["seconds"].to_pylist() == [1.0, 2.5]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda folder: land(folder, "2.csv"), "a part appeared while the date was read | 2.csv"),
        (lambda folder: land(folder, "0.csv", "page,seconds\nz,1\nz,2\n"), "a part changed | 0.csv"),
        (lambda folder: (folder / "0.csv").unlink(), "a part went | 0.csv"),
    ],
)
def test_a_part_that_changes_while_the_date_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], object], problem: str
) -> None:
    source, folder = declare(complete=MARKER), tmp_path / "clicks" / "2024-01-01"
    for name in ("0.csv", "1.csv", "_SUCCESS"):
        land(folder, name)
    once = iter([change])

    def parse(*arguments: Any) -> Iterator[pa.Table]:
        yield from read_source_file(*arguments)
        for act in once:
            act(folder)

    monkeypatch.setattr("nightshift.lake.landed_files.read_source_file", parse)
    with pytest.raises(TransientError) as error:
        read(tmp_path, source)
    assert all(part in str(error.value) for part in problem.split(" | ")), str(error.value)
    assert read(tmp_path, source)[0].num_rows > 0  # the next attempt


def test_files_of_unfinished_writes_and_the_sign_itself_are_no_parts(tmp_path: Path) -> None:
    source = declare("clicks/{date}/*/*.csv", {"marker": "clicks/{date}/a/done.csv"})
    land(tmp_path, "clicks/2024-01-01/a/done.csv", "")
    land(tmp_path, "clicks/2024-01-01/_temporary/0.csv")
    with pytest.raises(DataError, match="no part has landed"):
        read(tmp_path, source)
    land(tmp_path, "clicks/2024-01-01/a/0.csv")
    assert read(tmp_path, source)[0].num_rows == 1


def test_a_folder_that_is_named_like_a_part_is_named(tmp_path: Path) -> None:
    source = declare(complete=MARKER)
    for name in ("0.csv", "1.csv/part-0.csv", "_SUCCESS"):
        land(tmp_path, f"clicks/2024-01-01/{name}")
    with pytest.raises(DataError, match=r"1\.csv: a folder is named like a part"):
        read(tmp_path, source)


@pytest.mark.parametrize("folder", ["a*b", "{date}", "a+b [c]"])
def test_the_name_of_the_landing_folder_is_no_pattern(tmp_path: Path, folder: str) -> None:
    source = declare(complete=MARKER)
    for landing in (folder, "a b", "axb"):
        land(tmp_path / landing, "clicks/2024-01-01/0.csv")
        land(tmp_path / landing, "clicks/2024-01-01/_SUCCESS", "")
    assert landed_dates(str(tmp_path / folder), source) == [DAY]
    assert read(tmp_path / folder, source)[0].num_rows == 1


def test_a_file_in_the_place_of_the_folder_has_no_parts(tmp_path: Path) -> None:
    land(tmp_path, "clicks/2024-01-01")
    assert why_incomplete(of_day(tmp_path, declare(complete={"settled": "1s"}))) == "no part has landed"


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    source = declare("{date}.csv")
    (tmp_path / "2024-01-01.csv").mkdir()
    with pytest.raises(DataError, match=r"2024-01-01\.csv: a folder, not a file"):
        read(tmp_path, source)


NAMES = st.text("ab.", max_size=6)


@given(st.lists(NAMES, min_size=1, max_size=4), NAMES)
def test_a_pattern_matches_what_the_shell_would(pieces: list[str], name: str) -> None:
    expression = landed_parts._expression("file:///landing", "*".join(pieces))
    assert bool(expression.fullmatch(f"file:///landing/{name}")) == fnmatchcase(name, "*".join(pieces))


def test_a_pattern_of_many_parts_is_matched_at_once() -> None:
    expression = landed_parts._expression("file:///landing", "*a" * 12 + "*.csv")
    assert not expression.fullmatch("file:///landing/" + "a" * 5_000)


CONTENTS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=5)


@given(CONTENTS, CONTENTS, st.randoms(use_true_random=False))
def test_the_digest_is_that_of_what_the_parts_contain(first: list[str], second: list[str], random: Any) -> None:
    file = LandingFile("clicks", DAY, "file:///clicks/*.csv")
    digests = [[sha256(text.encode()).hexdigest() for text in contents] for contents in (first, second)]
    shuffled = random.sample(digests[0], len(digests[0]))
    assert landed_parts.combined_digest(file, digests[0]) == landed_parts.combined_digest(file, shuffled)
    same = landed_parts.combined_digest(file, digests[0]) == landed_parts.combined_digest(file, digests[1])
    assert same == (sorted(first) == sorted(second))


def test_what_was_read_of_parts_is_known_by_its_date(tmp_path: Path) -> None:
    source = declare("clicks/dt={date}/part-*.csv.gz", MARKER)
    assert date_of_landing_file(source, of_day(tmp_path, source).uri) == DAY


@pytest.mark.parametrize(
    ("path", "complete", "problem"),
    [
        ("clicks/{date}/*.csv", None, "nothing says when all of them are there"),
        ("clicks/{date}/*.csv", {}, "not one sign"),
        ("clicks/{date}/*.csv", {"settled": "30m", **MARKER}, "not one sign"),
        ("clicks/{date}/*.csv", {"settled": "0s"}, "not a time"),
        ("clicks/{date}/*.csv", {"settled": "-1h"}, "not a time"),
        ("clicks/{date}/*.csv", {"marker": "clicks/_SUCCESS"}, "not the path of a file of a date"),
        ("clicks/{date}/*.csv", {"marker": "clicks/{date}/*"}, "not the path of a file of a date"),
        ("clicks/{date}/*.csv", {"manifest": "../{date}.json"}, "not the path of a file of a date"),
        ("clicks/{date}/**/*.csv", MARKER, "no pattern of this kind"),
        ("clicks/{date}/part-?.csv", MARKER, "no pattern of this kind"),
        ("clicks/{date}/[ab].csv", MARKER, "no pattern of this kind"),
        ("clicks/{date}/*", MARKER, "unknown file format"),
        ("clicks/{date}/*.csv", {"manifest": "manifests/{date}.json"}, "parts are not below it"),
        ("clicks/{date}/_*.csv", MARKER, "no part has such a name"),
        ("../clicks/{date}.csv", None, "not a plain path below the landing folder"),
        ("clicks/../../{date}.csv", None, "not a plain path below the landing folder"),
        ("clicks/{date}/../../../{date}.csv", None, "not a plain path below the landing folder"),
        ("/etc/{date}.csv", None, "not a plain path below the landing folder"),
        ("file:///etc/{date}.csv", None, "not a plain path below the landing folder"),
        ("s3://other/{date}.csv", None, "not a plain path below the landing folder"),
        ("clicks/{date}/{hour}.csv", None, "not a plain path below the landing folder"),
        ("clicks/{{date}}.csv", None, "not a plain path below the landing folder"),
        ("clicks/{date:%Y}/{date}.csv", None, "not a plain path below the landing folder"),
        ("clicks\0/{date}.csv", None, "not a plain path below the landing folder"),
        ("clicks\n/{date}.csv", None, "not a plain path below the landing folder"),
        ("clicks/{date}/*.csv", {"marker": "/etc/{date}"}, "not the path of a file of a date"),
        ("clicks/{date}/*.csv", {"marker": "clicks/{date}/{hour}"}, "not the path of a file of a date"),
        ("clicks/{date}/*.csv", {"manifest": "clicks/{date}/../../{date}.json"}, "not the path of a file of a date"),
    ],
)
def test_a_path_is_below_the_landing_folder_and_parts_need_one_sign_of_completeness(
    path: str, complete: dict[str, str] | None, problem: str
) -> None:
    messages = [found.message for found in source_problems(declare(path, complete))]
    assert any(problem in message for message in messages), messages
