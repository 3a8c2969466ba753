"""Archives of versions: what is written is read, and what was changed, cut or comes from elsewhere is refused."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from nightshift.errors import TerminalError
from nightshift.registry import archive
from nightshift.registry.archive import CONTENTS, ArchivedVersion, read_archive, write_archive
from nightshift.registry.package import package_digest
from nightshift.registry.store import Version

FILES = {"estimator.json": b"{}", "estimator.skops": bytes(range(256)), "ü b.json": b""}
DIGEST = package_digest(FILES)
VERSION = Version(3, "run", DIGEST, "2024-01-03")
EXPECTED = ArchivedVersion("tiny", "Machines that fail", 3, DIGEST, ("busy", "machine"), FILES)
Members = dict[str, bytes]


def written() -> bytes:
    return write_archive(FILES, "tiny", "Machines that fail", VERSION, {"machine", "busy"})[0]


def members(content: bytes) -> Members:
    with tarfile.open(fileobj=io.BytesIO(content)) as source:
        return {member.name: source.extractfile(member).read() for member in source}  # type: ignore[union-attr]


def packed(files: Members, kind: bytes = tarfile.REGTYPE) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as target:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.type, member.linkname = len(content) * (kind == tarfile.REGTYPE), kind, "/etc/passwd"
            target.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def saved(folder: Path, content: bytes) -> str:
    file = folder / "tiny-3.tar.gz"
    file.write_bytes(content)
    return str(file)


def test_what_is_written_is_read_and_equal_versions_give_equal_archives(tmp_path: Path) -> None:
    assert read_archive(saved(tmp_path, written())) == EXPECTED
    assert read_archive(f"file://{saved(tmp_path, written())}", package_digest(members(written()))) == EXPECTED
    assert written() == written()


def test_a_folder_that_it_was_unpacked_to_is_read_and_other_files_in_it_are_ignored(tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(written())) as source:
        source.extractall(tmp_path, filter="data")
    (tmp_path / "lost+found").mkdir()
    with (tmp_path / "notes.txt").open("wb") as notes:
        notes.truncate(2**40)  # which no memory holds
    assert read_archive(str(tmp_path)) == EXPECTED


def test_a_folder_without_a_file_that_is_named_is_refused(tmp_path: Path) -> None:
    for name, content in members(written()).items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "estimator.skops").unlink()
    with pytest.raises(TerminalError, match=r"no archive of a version.*estimator\.skops"):
        read_archive(str(tmp_path))
    (tmp_path / "estimator.skops").symlink_to("/etc/hostname")
    with pytest.raises(TerminalError, match="the package in the archive is not the one that it names"):
        read_archive(str(tmp_path))
    (tmp_path / CONTENTS).unlink()
    with pytest.raises(TerminalError, match="no archive of a version"):
        read_archive(str(tmp_path))


def test_an_archive_that_others_packed_is_read(tmp_path: Path) -> None:
    content = packed({f"./{name}": content for name, content in members(written()).items()})
    assert read_archive(saved(tmp_path, content)) == EXPECTED


def changed(name: str, content: bytes) -> Callable[[Members], Members]:
    return lambda files: files | {name: content}


def without(name: str) -> Callable[[Members], Members]:
    return lambda files: {other: content for other, content in files.items() if other != name}


def stating(**changes: object) -> Callable[[Members], Members]:
    return lambda files: files | {CONTENTS: json.dumps(json.loads(files[CONTENTS]) | changes).encode()}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            changed("estimator.json", b"[]"),
            f"the package in the archive is not the one that it names.*allowed: {DIGEST}",
        ),
        (without("estimator.skops"), "no archive of a version.*estimator.skops"),
        (without(CONTENTS), "no archive of a version.*nightshift.json"),
        (changed(CONTENTS, b"5"), "no archive of a version"),
        (changed(CONTENTS, b"{"), "no archive of a version"),
        (stating(files=["../../etc/passwd"]), "no archive of a version"),
        (stating(version="three"), "no archive of a version"),
        (stating(format=2), "another format; received '?2'?; allowed: 1; fix: serve it by the release"),
        (stating(files=["estimator.json"]), "the package in the archive is not the one that it names"),
    ],
)
def test_what_is_not_as_it_was_written_is_refused(
    tmp_path: Path, change: Callable[[Members], Members], says: str
) -> None:
    location = saved(tmp_path, packed(change(members(written()))))
    with pytest.raises(TerminalError, match=says) as refusal:
        read_archive(location)
    assert location in str(refusal.value)


OTHER_FILES = FILES | {"estimator.json": b"[]"}


@pytest.mark.parametrize(
    "change",
    [
        lambda files: stating(digest=package_digest(OTHER_FILES))(files) | OTHER_FILES,
        stating(version=4),
        stating(description="Machines that work"),
        stating(ignored=["busy", "machine", "weekday"]),
    ],
)
def test_who_can_change_anything_in_the_archive_cannot_change_the_digest_that_is_demanded(
    tmp_path: Path, change: Callable[[Members], Members]
) -> None:
    location = saved(tmp_path, packed(change(members(written()))))
    assert read_archive(location) != EXPECTED
    with pytest.raises(TerminalError, match=r"another archive is demanded.*NIGHTSHIFT_SERVING__DIGEST"):
        read_archive(location, package_digest(members(written())))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_are_not_followed(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(TerminalError, match="no archive of a version"):
        read_archive(saved(tmp_path, packed(members(written()), kind)))


@pytest.mark.parametrize("content", [b"", b"no archive", written()[: len(written()) // 2], written()[:100]])
def test_a_file_that_is_cut_or_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(TerminalError, match=r"the archive cannot be read|no archive of a version"):
        read_archive(saved(tmp_path, content))


def test_an_archive_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TerminalError, match=r"nothing.tar.gz: the archive cannot be read.*fix: correct --archive"):
        read_archive(str(tmp_path / "nothing.tar.gz"))


def test_more_than_fits_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_BYTES", 10_000)
    with pytest.raises(TerminalError, match="the archive cannot be read; received 'more than 10000 bytes'"):
        read_archive(saved(tmp_path, packed({"zeros": bytes(10_001)})))
