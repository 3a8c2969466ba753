"""The folder of a backtest: what was computed before is read again, so that an interrupted backtest goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nightshift.json_documents import parse_object
from nightshift.lake.files import write_bytes


class ResultFolder:
    """Results by name, each in a file of its own.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find_or_compute(self, name: str, compute: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """A result of plain JSON values, as it was computed the first time.

        Args:
            name: Its name, with slashes between folders.
            compute: Computes it.
        """
        file = self.folder / f"{name}.json"
        if not file.exists():
            self.write(f"{name}.json", json.dumps(compute()).encode())
        return parse_object(file.read_bytes(), str(file), {}, f"remove {self.folder}, and start again")

    def write(self, name: str, content: bytes) -> None:
        """Writes a file; a reader sees all of it or none."""
        write_bytes(str(self.folder / name), content)
