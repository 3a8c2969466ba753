"""A definition's files stay in the landing folder: links that lead out of it are refused by name, and never read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from nightshift.definition.source import Source
from nightshift.errors import DataError
from nightshift.lake.files import as_uri
from nightshift.lake.landed_files import digest_of, parse_parts
from nightshift.lake.landing_folder import landed_files
from nightshift.lake.source_partitions import landed_dates, source_partition

DAY = date(2024, 1, 1)
SECRET = "root:x:0:0"
MARKER, MANIFEST = {"marker": "clicks/{date}/_SUCCESS"}, {"manifest": "clicks/{date}/manifest.json"}
FILE, PARTS = "clicks/{date}.csv", "clicks/{date}/*.csv"


def declare(path: str, complete: dict[str, str] | None = None) -> Source:
    columns = {"page": {"type": "string"}}
    return Source.model_validate(
        {"description": "", "path": path, "complete": complete, "available": {"after": "1h"}, "columns": columns}
    )


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    """A landing folder beside files that are none of it."""
    write(tmp_path / "elsewhere" / "2024-01-01.csv", f"{SECRET}\n{SECRET}\n")
    write(tmp_path / "elsewhere" / "0.csv", f"{SECRET}\n{SECRET}\n")
    write(tmp_path / "elsewhere" / "manifest.json", json.dumps({"parts": {SECRET: 1}}))
    write(tmp_path / "landing" / "kept" / "0.csv", "page\na\n")
    write(tmp_path / "landing" / "clicks" / "readme.txt", "")
    return tmp_path / "landing"


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    os.utime(file, (0, 0))  # settled long ago
    return file


def link(place: Path, target: Path) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)
    os.utime(place, (0, 0), follow_symlinks=False)
    return place


def _file(landing: Path) -> Path:
    return link(landing / "clicks" / "2024-01-01.csv", landing.parent / "elsewhere" / "0.csv")


def _relative_file(landing: Path) -> Path:
    return link(landing / "clicks" / "2024-01-01.csv", Path("../../elsewhere/0.csv"))


def _by_another_link(landing: Path) -> Path:
    link(landing / "step", landing.parent / "elsewhere" / "0.csv")
    return link(landing / "clicks" / "2024-01-01.csv", landing / "step")


def _folder(landing: Path) -> Path:
    (landing / "clicks" / "readme.txt").unlink()
    (landing / "clicks").rmdir()
    return link(landing / "clicks", landing.parent / "elsewhere")


def _part(landing: Path) -> Path:
    write(landing / "clicks" / "2024-01-01" / "_SUCCESS", "")
    write(landing / "clicks" / "2024-01-01" / "1.csv", "page\na\n")
    return link(landing / "clicks" / "2024-01-01" / "0.csv", landing.parent / "elsewhere" / "0.csv")


def _folder_of_parts(landing: Path) -> Path:
    write(landing.parent / "elsewhere" / "_SUCCESS", "")
    return link(landing / "clicks" / "2024-01-01", landing.parent / "elsewhere")


def _sign(name: str) -> Callable[[Path], Path]:
    def prepare(landing: Path) -> Path:
        write(landing / "clicks" / "2024-01-01" / "0.csv", "page\na\n")
        return link(landing / "clicks" / "2024-01-01" / name, landing.parent / "elsewhere" / "manifest.json")

    return prepare


@pytest.mark.parametrize(
    ("source", "prepare"),
    [
        pytest.param(declare(FILE), _file, id="file"),
        pytest.param(declare(FILE), _relative_file, id="relative file"),
        pytest.param(declare(FILE), _by_another_link, id="a link to a link"),
        pytest.param(declare(FILE), _folder, id="folder"),
        pytest.param(declare("clicks/{date}*.csv", {"settled": "1s"}), _file, id="file of a pattern"),
        pytest.param(declare("clicks/{date}*.csv", {"settled": "1s"}), _folder, id="folder of a pattern"),
        pytest.param(declare(PARTS, MARKER), _part, id="part"),
        pytest.param(declare(PARTS, MARKER), _folder_of_parts, id="folder of parts"),
        pytest.param(declare(PARTS, {"settled": "1s"}), _folder_of_parts, id="settled folder"),
        pytest.param(declare("clicks/{date}/*/*.csv", {"settled": "1s"}), _folder_of_parts, id="folder of folders"),
        pytest.param(declare(PARTS, MARKER), _sign("_SUCCESS"), id="marker"),
        pytest.param(declare(PARTS, MANIFEST), _sign("manifest.json"), id="manifest"),
    ],
)
@pytest.mark.parametrize("read", [parse_parts, digest_of], ids=["rows", "digest"])
def test_a_link_out_of_the_landing_folder_is_refused_by_name(
    landing: Path, source: Source, prepare: Callable[[Path], Path], read: Callable[..., object]
) -> None:
    place = prepare(landing)
    partition = source_partition(str(landing), "clicks", source, DAY)
    with pytest.raises(DataError) as error:
        read(partition, source.csv if read is parse_parts else source)
    message = str(error.value)
    assert message.startswith(f"{place}: a symbolic link leads out of the landing folder; received ")
    assert f"allowed: a link to what is below {landing}; fix: land the file itself" in message
    assert SECRET not in message


@pytest.mark.parametrize("name", ["clicks/2024-01-01/0.csv", "clicks/2024-01-01", "clicks"])
def test_a_link_within_the_landing_folder_is_read(landing: Path, name: str) -> None:
    source = declare(PARTS, {"settled": "1s"})
    write(landing / "stored" / "2024-01-01" / "0.csv", "page\na\n")
    if name == "clicks":
        (landing / "clicks" / "readme.txt").unlink()
        (landing / "clicks").rmdir()
    link(landing / name, landing / name.replace("clicks", "stored"))
    assert f"{as_uri(landing)}/clicks/2024-01-01/0.csv" in landed_files(as_uri(landing), as_uri(landing))
    assert landed_dates(str(landing), source) == [DAY]
    assert parse_parts(source_partition(str(landing), "clicks", source, DAY))[0].to_pydict() == {"page": ["a"]}


def test_the_landing_folder_may_be_a_link_itself(landing: Path) -> None:
    write(landing / "clicks" / "2024-01-01.csv", "page\na\n")
    entrance = link(landing.parent / "entrance", landing)
    for address in (str(entrance), f"file://{entrance}"):
        assert parse_parts(source_partition(address, "clicks", declare(FILE), DAY))[0].to_pydict() == {"page": ["a"]}
        assert landed_dates(address, declare(FILE)) == [DAY]


def test_links_in_a_circle_are_listed_once(landing: Path) -> None:
    link(landing / "clicks" / "up", landing)
    link(landing / "clicks" / "self", landing / "clicks")
    link(landing / "kept" / "clicks", landing / "clicks")
    link(landing / "kept" / "nothing", landing / "gone")
    files = landed_files(as_uri(landing), as_uri(landing))
    assert sorted(uri.removeprefix(f"{as_uri(landing)}/") for uri in files) == [
        "clicks/readme.txt",
        "kept/0.csv",
        "kept/clicks/readme.txt",
    ]


def test_a_foreign_folder_is_not_walked(landing: Path) -> None:
    link(landing / "clicks" / "root", Path("/"))
    assert [uri.removeprefix(f"{as_uri(landing)}/") for uri in landed_files(as_uri(landing), as_uri(landing))] == [
        "clicks/readme.txt",
        "clicks/root",
        "kept/0.csv",
    ]
