"""What has landed for a date of a source: one file, or parts that are complete by a marker, a manifest or a rest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from nightshift.definition.duration import format_duration
from nightshift.definition.source import DATE, PART, Completeness, Source
from nightshift.errors import DataError, NotYetAvailable, TransientError
from nightshift.lake.files import as_uri, exists
from nightshift.lake.landed_bytes import file_digest
from nightshift.lake.landing_folder import landed_files, require_inside
from nightshift.lake.manifest import read_manifest

HIDDEN = ("_", ".")  # with which the names of files begin that are no parts, such as those of unfinished writes

DAY = r"\d{4}-\d{2}-\d{2}"

Written = Mapping[str, tuple[int, datetime]]  # parts with their sizes in bytes and when they were last written


@dataclass(frozen=True)
class LandingFile:
    """What a night reads of a source for a date: a file, or the parts whose names match a pattern.

    Attributes:
        source: The source.
        day: The date.
        uri: The file; with `*`, the pattern of the parts.
        marker: The file that shows that all is there; empty if there is none.
        manifest: The file that lists the parts; empty if there is none.
        settled: How long the parts have to be unchanged to be complete; None if something else shows it.
        root: The landing folder.
    """

    source: str
    day: date
    uri: str
    marker: str = ""
    manifest: str = ""
    settled: timedelta | None = None
    root: str = ""

    @property
    def path(self) -> str:
        """The file, or the pattern, below the landing folder."""
        return self.uri.removeprefix(f"{self.root}/")

    @property
    def has_parts(self) -> bool:
        return PART in self.path

    @property
    def needs_sign(self) -> bool:
        """Whether something else than the file shows that the date is complete."""
        return bool(self.announcement) or self.settled is not None

    @property
    def announcement(self) -> str:
        """The file that shows that all is there; empty if no file does."""
        return self.marker or self.manifest


@dataclass(frozen=True)
class LandedParts:
    """The parts that are there for a date, which are read once all of them are.

    Attributes:
        file: What they are the parts of.
        uris: The parts, sorted.
        rows: How many rows a manifest says that parts have.
    """

    file: LandingFile
    uris: Sequence[str]
    rows: Mapping[str, int] = field(default_factory=dict)
    _written: Written = field(default_factory=dict)

    def check_rows(self, uri: str, rows: int) -> None:
        """Compares the rows of a part with what the manifest says.

        Raises:
            DataError: If they are fewer or more.
        """
        if self.rows.get(uri, rows) != rows:
            raise DataError(
                "the part has another number of rows than its manifest says",
                where=uri,
                received=rows,
                allowed=f"{self.rows[uri]}, by {self.file.manifest}",
                fix="land the part or the manifest again",
            )

    def check_unchanged(self) -> None:
        """Requires that no part appeared, changed or went since they were listed.

        Raises:
            TransientError: Naming the first that did.
        """
        now = _parts(self.file) if self._written else {}
        if changed := sorted(uri for uri in {*now, *self._written} if now.get(uri) != self._written.get(uri)):
            what = "went" if changed[0] not in now else "changed" if changed[0] in self._written else "appeared"
            raise TransientError(
                f"a part {what} while the date was read",
                where=changed[0],
                fix="it is read again by the next attempt; let the date be complete before its marker lands",
            )


def landing_file(landing: str, name: str, source: Source, day: date) -> LandingFile:
    """What is read of a source for a date, whether or not it has landed."""

    complete = source.complete or Completeness()
    uri, marker, manifest = (
        address_of_date(landing, path, day) for path in (source.path, complete.marker, complete.manifest)
    )
    return LandingFile(name, day, uri, marker, manifest, complete.settled, as_uri(landing))


def address_of_date(landing: str, path: str | None, day: date) -> str:
    """The address of a path below the landing folder for a date; empty if there is no path."""
    return f"{as_uri(landing)}/{path.replace(DATE, day.isoformat())}" if path else ""


def seconds_unsettled(written: datetime, settled: timedelta) -> int | None:
    """How many seconds ago something was written; None if it has settled since."""
    rest = datetime.now(UTC) - written
    return None if rest >= settled else max(0, int(rest.total_seconds()))


def why_file_incomplete(file: LandingFile) -> str:
    """What is still missing of a date, in words; empty if it is complete."""
    if file.announcement:
        return "" if exists(file.announcement) else f"{file.announcement} has not landed"
    if file.settled is None:
        return "" if exists(file.uri) else "it has not landed"
    written = _parts(file)
    if not written:
        return "no part has landed"
    seconds = seconds_unsettled(max(time for _, time in written.values()), file.settled)
    if seconds is None:
        return ""
    return f"a part was written {seconds} s ago; complete when none was for {format_duration(file.settled)}"


def landed_parts(file: LandingFile) -> LandedParts:
    """The parts of a complete date; of a file, itself.

    Raises:
        NotYetAvailable: If the date is not complete.
        DataError: If a marker or a manifest is there and a part is not, the manifest cannot be read, or a symbolic
            link leads out of the landing folder.
    """
    if not file.needs_sign:
        require_inside(file.root, file.uri)
        return LandedParts(file, (file.uri,))
    if reason := why_file_incomplete(file):
        raise NotYetAvailable(f"the date is not complete: {reason}", where=file.uri)
    written = _parts(file)
    for uri in (*written, *filter(None, [file.announcement])):
        require_inside(file.root, uri)
    if not written:
        raise DataError(
            f"{_name(file.announcement)} says that the date is complete, and no part has landed",
            where=file.uri,
            fix=f"land the parts; for a date without rows, a part without rows: {_name(file.uri)}",
        )
    rows = _listed(file, written) if file.manifest else {}
    return LandedParts(file, sorted(written), rows, written)


def digest_of_files(file: LandingFile) -> str:
    """The SHA-256 of a file; of parts, that of all of them, whatever their names and their order.

    Raises:
        NotYetAvailable: If the date is not complete.
        TransientError: If a file changes meanwhile.
    """
    return combined_digest(file, [file_digest(uri) for uri in landed_parts(file).uris])


def combined_digest(file: LandingFile, digests: Sequence[str]) -> str:
    """The digest of a date by those of its parts."""
    return hashlib.sha256("".join(sorted(digests)).encode()).hexdigest() if file.has_parts else digests[0]


def landed_file_dates(landing: str, source: Source) -> list[date]:
    """The dates of a source of files that have landed completely, sorted."""
    complete = source.complete
    path = source.path if complete is None else complete.marker or complete.manifest or source.path
    root, times = as_uri(landing), dict[date, datetime]()
    for uri, (_, time) in _files_of(root, path).items():
        day = _date_in(uri, root, path)
        if day is not None:
            times[day] = max(time, times.get(day, time))
    if complete is None or complete.settled is None:
        return sorted(times)
    return sorted(day for day, time in times.items() if seconds_unsettled(time, complete.settled) is None)


def date_of_landing_file(source: Source, uri: str) -> date | None:
    """The date of what was read; None if it belongs to another source or is an unfinished upload."""
    before, after = source.path.split(DATE)
    match = re.search(f"/{re.escape(before)}({DAY}){re.escape(after)}$", uri)
    return _as_date(match[1]) if match else None


def _date_in(uri: str, root: str, pattern: str) -> date | None:
    """The date in the name of a file that a pattern with a date and maybe `*` matches; None if it does not."""
    if PART in pattern and _is_hidden(uri, root, pattern):
        return None
    match = _expression(root, pattern).fullmatch(uri)
    return _as_date(match[1]) if match else None


@lru_cache(maxsize=256)
def _expression(root: str, pattern: str) -> re.Pattern[str]:
    """What a pattern below the landing folder matches; the name of that folder is taken as it is.

    Each `*` ends where what follows it first stands, and is not tried again: in the time of the name, as of `fnmatch`.
    """
    first, *others = (re.escape(text).replace(re.escape(DATE), f"({DAY})") for text in pattern.split(PART))
    middle = "".join(f"(?>[^/]*?{text})" for text in others[:-1])
    last = f"[^/]*{others[-1]}" if others else ""
    return re.compile(f"{re.escape(root)}/{first}{middle}{last}")


def _as_date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _fixed_folder(root: str, pattern: str) -> str:
    """The folder that is above all files that a pattern matches."""
    return f"{root}/{re.split(f'{re.escape(DATE)}|{re.escape(PART)}', pattern)[0]}".rpartition("/")[0]


def _files_of(root: str, pattern: str) -> Written:
    """The files that are there in the fixed folder of a pattern.

    Raises:
        DataError: If that folder, or a folder that the pattern matches, is a link that leads out of the landing folder.
    """
    fixed, names = _fixed_folder(root, pattern), pattern.split("/")
    require_inside(root, fixed)
    files = landed_files(root, fixed)
    for uri in files:
        depth = uri.count("/") - root.count("/")
        if depth < len(names) and _expression(root, "/".join(names[:depth])).fullmatch(uri):
            require_inside(root, uri)
    return files


def _is_hidden(uri: str, root: str, pattern: str) -> bool:
    """Whether a file, or a folder around it below the fixed one of a pattern, has a name that no part has."""
    names = uri.removeprefix(_fixed_folder(root, pattern)).strip("/").split("/")
    return any(name.startswith(HIDDEN) for name in names)


def _parts(file: LandingFile) -> Written:
    """The parts that are there, sorted; of a file without parts, itself if it is there."""
    expression, files = _expression(file.root, file.path), _files_of(file.root, file.path)
    if file.has_parts:
        files = {uri: written for uri, written in files.items() if not _is_hidden(uri, file.root, file.path)}
        within = re.compile(f"({expression.pattern})/")
        if folder := next((match[1] for match in map(within.match, files) if match), ""):
            raise DataError("a folder is named like a part", where=folder, fix="let the path match files alone")
    return {uri: written for uri, written in files.items() if expression.fullmatch(uri) and uri != file.announcement}


def _listed(file: LandingFile, written: Written) -> dict[str, int]:
    """The rows of the parts that a manifest lists, where it says them."""
    listed, folder = read_manifest(file.manifest), file.manifest.rpartition("/")[0]
    rows = {f"{folder}/{path}": count for path, count in listed.items()}
    for uri in sorted(rows.keys() ^ written.keys()):
        raise DataError(
            "the manifest lists it, and it has not landed" if uri in rows else "the manifest does not list it",
            where=uri,
            allowed=f"the parts of {file.manifest}, {len(rows)} in all",
            fix="land the part or the manifest again, or remove the part",
        )
    return {uri: count for uri, count in rows.items() if count is not None}


def _name(uri: str) -> str:
    return uri.rpartition("/")[2]
