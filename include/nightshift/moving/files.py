"""Copies files between file systems, and rewrites the addresses in those of them that name others."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import fastavro

from nightshift.lake.files import as_uri, files_with_times, read_bytes, write_bytes
from nightshift.lake.publish import INPUT
from nightshift.project import Progress

PROGRESS_FILES = 500


@dataclass(frozen=True)
class Places:
    """Where files were and where they are to be.

    Attributes:
        pairs: The old and the new URI of each folder.
    """

    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, *pairs: tuple[str, str]) -> Places:
        """Of pairs of locations, paths or URIs."""
        return cls(tuple((as_uri(old).rstrip("/"), as_uri(new).rstrip("/")) for old, new in pairs))

    def moved(self, text: str) -> str:
        """A text that names a file or a folder, with its new place; any other text as it is."""
        for old, new in self.pairs:
            for written in (old, old.removeprefix("file://")):
                if text == written or text.startswith(f"{written}/"):
                    return new + text[len(written) :]
        return text

    def moved_within(self, value: Any) -> Any:
        """A value of JSON or Avro, in which every text has been moved."""
        if isinstance(value, str):
            return self.moved(value)
        if isinstance(value, list):
            return [self.moved_within(part) for part in value]
        if isinstance(value, dict):
            return {self._moved_name(name): self.moved_within(part) for name, part in value.items()}
        return value

    def _moved_name(self, name: str) -> str:
        """The name of a value: inputs are named by their files, also among the properties of a snapshot."""
        if name.startswith(INPUT):
            return INPUT + self.moved(name.removeprefix(INPUT))
        return self.moved(name)


def copy_folder(old: str, new: str, progress: Progress) -> int:
    """Copies the files below a folder; those that are there since, in the same size, stay as they are.

    Args:
        old: The folder, a path or a URI.
        new: The folder to copy to.
        progress: Receives a line now and then.

    Returns:
        The number of files in the folder.
    """
    return _copy(old, new, progress, lambda uri, target: None)


def copy_warehouse(old: str, new: str, places: Places, progress: Progress) -> int:
    """Copies a warehouse, in which files name each other by their addresses.

    Args:
        old: Its folder.
        new: The folder to copy to.
        places: The old and the new addresses.
        progress: Receives a line now and then.

    Returns:
        The number of files.
    """
    lengths: dict[str, int] = {}

    def rewritten(uri: str, target: str) -> bytes | None:
        if uri.endswith(".json"):
            return json.dumps(places.moved_within(json.loads(read_bytes(uri)))).encode()
        if uri.endswith(".avro"):
            content = move_avro(read_bytes(uri), places, lengths)
            lengths[target] = len(content)
            return content
        return None

    return _copy(old, new, progress, rewritten)


def _copy(old: str, new: str, progress: Progress, rewritten: Callable[[str, str], bytes | None]) -> int:
    """Copies a folder; `rewritten` gives the content of a file in its new place, or None if it is copied as it is."""
    old, new = as_uri(old).rstrip("/"), as_uri(new).rstrip("/")
    files, existing = files_with_times(old), files_with_times(new)
    for number, uri in enumerate(_in_order(files)):
        if number % PROGRESS_FILES == 0:
            progress(f"{old}: {number} of {len(files)} files")
        target = new + uri.removeprefix(old)
        content = rewritten(uri, target)
        if content is None and target in existing and _is_copy(existing[target], files[uri]):
            continue
        write_bytes(target, read_bytes(uri) if content is None else content)
    return len(files)


def _is_copy(file: tuple[int, datetime], original: tuple[int, datetime]) -> bool:
    """Whether a file has the size of the original and is newer: what landed again meanwhile is copied again."""
    return file[0] == original[0] and file[1] >= original[1]


def move_avro(content: bytes, places: Places, lengths: dict[str, int]) -> bytes:
    """A manifest, or a list of manifests, with the new addresses of its files.

    Args:
        content: The file.
        places: The old and the new addresses.
        lengths: The sizes of the manifests in their new place, by address.
    """
    reader = fastavro.reader(io.BytesIO(content))
    records = [_moved_record(record, places, lengths) for record in reader]
    metadata = {name: text for name, text in reader.metadata.items() if not name.startswith("avro.")}
    target = io.BytesIO()
    codec = reader.metadata.get("avro.codec", "null")
    schema = json.loads(reader.metadata["avro.schema"])  # as it was written, with the ids of fields
    fastavro.writer(target, schema, records, codec=codec, metadata=metadata)
    return target.getvalue()


def _moved_record(record: Any, places: Places, lengths: dict[str, int]) -> Any:
    moved = places.moved_within(record)
    if (length := lengths.get(moved.get("manifest_path", ""))) is not None:
        moved["manifest_length"] = length
    return moved


def _in_order(uris: Iterable[str]) -> list[str]:
    """Manifests before the lists of them, which have their sizes; PyIceberg's names of files tell them apart."""
    return sorted(uris, key=lambda uri: (uri.rsplit("/", 1)[-1].startswith("snap-"), uri))
