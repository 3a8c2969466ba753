"""Definitions that were checked before: one that has not changed is not checked again, in any process.

To check a definition takes half a second of YAML with line numbers and of SQL. Airflow reads the DAG file of every
model twice a minute, each in a process of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property, lru_cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nightshift.definition.declarations import declared_sources
from nightshift.definition.model import ModelDefinition
from nightshift.definition.shared_sources import source_files

SUFFIXES = {".yaml", ".py"}  # of the files that a definition consists of
INDEX = "sources.index"
DATE, DATETIME, MAP = "$date", "$datetime", "$map"  # what JSON lacks

Check = Callable[[], tuple[ModelDefinition, Mapping[str, Any]]]


@dataclass(frozen=True)
class InputFiles:
    """The files that the check of a definition may depend on, as they are when they are first asked for.

    Attributes:
        folder: The folder of the definition.
        shared: The files of shared sources, by the source's name.
        read_neighbours: Reads what the other definitions declare: the time and the size of each file, and the sources
            in it, each with whether it is a shared one.
    """

    folder: Path
    shared: Mapping[str, Path]
    read_neighbours: Callable[[], Mapping[str, tuple[int, int, Mapping[str, bool]]]]

    @cached_property
    def definition_digests(self) -> dict[str, str]:
        """The digests of the files of the definition's folder, by path."""
        return {str(file): _digest(file) for file in sorted(self.folder.glob("*")) if file.suffix in SUFFIXES}

    @cached_property
    def shared_digests(self) -> dict[str, str]:
        """The digests of the files of shared sources, by the source's name."""
        return {name: _digest(file) for name, file in self.shared.items()}

    @cached_property
    def neighbours(self) -> Mapping[str, tuple[int, int, Mapping[str, bool]]]:
        """What the other definitions declare."""
        return self.read_neighbours()

    def read_all(self) -> None:
        """Reads all of them now, so that what changes during a check is noticed afterwards."""
        _ = self.definition_digests, self.shared_digests, self.neighbours

    def relevant(self, own_sources: Iterable[str], shared_sources: Iterable[str]) -> dict[str, Any]:
        """Those that matter to a definition with such sources, as a value of JSON.

        A source that a definition declares itself must be declared likewise by whoever else declares it. Of one that
        declares none the neighbours are not read, which are many.
        """
        declared = set(own_sources)
        rivals = {
            file: [time, size]
            for file, (time, size, sources) in (self.neighbours.items() if declared else ())
            if any(name in declared and not is_shared for name, is_shared in sources.items())
        }
        names = self.shared.keys() & (declared | set(shared_sources))
        shared = {name: self.shared_digests[name] for name in sorted(names)}
        return {"checker": _checker(), "definition": self.definition_digests, "shared": shared, "rivals": rivals}


class CheckedDefinitions:
    """Remembers checked definitions below a folder. What cannot be read or written there is checked every time.

    Args:
        folder: The folder, which is made in one that exists.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(
        self, folder: Path, sources: Path, neighbours: Callable[[], Sequence[Path]], check: Check
    ) -> ModelDefinition:
        """A definition, which is checked unless it was checked with the same files before.

        Args:
            folder: The folder of the definition.
            sources: The folder of the shared sources.
            neighbours: Lists the files of the other definitions, which are many and seldom needed.
            check: Reads and checks it, and returns what it was validated from as well.

        Raises:
            DefinitionError: If it is not valid.
        """
        files = InputFiles(folder, source_files(sources), partial(self._declared, neighbours))
        if (definition := self._read(folder, files)) is None:
            files.read_all()
            definition, tree = check()
            self._write(definition, tree, files)
        return definition

    def _read(self, folder: Path, files: InputFiles) -> ModelDefinition | None:
        record = self._read_json(f"{folder.name}.json")
        try:
            tree, shared = record["tree"], record["shared"]
            if record["files"] != files.relevant(set(tree["sources"]).difference(shared), shared):
                return None
            internal = {"folder": folder, "shared": {name: files.shared[name] for name in shared}}
            return ModelDefinition.model_validate(tree | internal)
        except (KeyError, TypeError, ValueError):
            return None

    def _write(self, definition: ModelDefinition, tree: Mapping[str, Any], files: InputFiles) -> None:
        shared = sorted(definition.shared)
        relevant = files.relevant(set(definition.sources).difference(shared), shared)
        with suppress(TypeError):  # a value of YAML that is not remembered
            record = {"files": relevant, "shared": shared, "tree": _encoded(tree)}
            self._write_json(f"{definition.folder.name}.json", record)

    def _declared(self, neighbours: Callable[[], Sequence[Path]]) -> dict[str, tuple[int, int, Mapping[str, bool]]]:
        """The sources that definitions declare; only those that changed are read again."""
        index = self._read_json(INDEX)
        declared: dict[str, tuple[int, int, Mapping[str, bool]]] = {}
        for file in neighbours():
            with suppress(OSError):
                status = file.stat()
                entry = index.get(str(file))
                if not entry or entry[:2] != [status.st_mtime_ns, status.st_size]:
                    entry = [status.st_mtime_ns, status.st_size, declared_sources(file)]
                declared[str(file)] = tuple(entry)
        if changed := {path: list(entry) for path, entry in declared.items() if index.get(path) != list(entry)}:
            self._write_json(INDEX, index | changed)
        return declared

    def _read_json(self, name: str) -> dict[str, Any]:
        try:
            content = json.loads((self._folder / name).read_bytes(), object_hook=_decoded)
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def _write_json(self, name: str, content: Mapping[str, Any]) -> None:
        file = self._folder / name
        part = file.with_name(f"{name}.{os.getpid()}.part")
        text = json.dumps(content)
        # Such as a folder that this user may only read. Of an installation that is not there yet nothing is begun.
        with suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            part.write_text(text)
            part.replace(file)


@lru_cache(maxsize=1)
def _checker() -> str:
    """The digest of what checks definitions: this package, and the parser of SQL."""
    digest = hashlib.sha256(version("sqlglot").encode())
    for file in sorted(Path(__file__).parent.rglob("*")):
        if file.is_file() and file.suffix != ".pyc":
            digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        return type(error).__name__


def _encoded(value: Any) -> Any:
    """A value of YAML as one of JSON, from which `_decoded` makes it again.

    Raises:
        TypeError: If it is of a type that is not remembered.
    """
    if isinstance(value, datetime):
        return {DATETIME: value.isoformat()}
    if isinstance(value, date):
        return {DATE: value.isoformat()}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: _encoded(part) for key, part in value.items()}
        return {MAP: [[_encoded(key), _encoded(part)] for key, part in value.items()]}
    if isinstance(value, list):
        return [_encoded(part) for part in value]
    if value is None or type(value) in {str, int, float, bool}:
        return value
    raise TypeError(type(value).__name__)


def _decoded(mapping: dict[str, Any]) -> Any:
    """A mapping of JSON, whose values are decoded, as the value that `_encoded` made it of."""
    if DATETIME in mapping:
        return datetime.fromisoformat(mapping[DATETIME])
    if DATE in mapping:
        return date.fromisoformat(mapping[DATE])
    return dict(mapping[MAP]) if MAP in mapping else mapping
