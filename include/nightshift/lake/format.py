"""The format of an installation: the number of the layout of its tables and files, which every process checks."""

from __future__ import annotations

import json
from importlib.metadata import version

from nightshift.errors import TerminalError
from nightshift.json_documents import parse_object
from nightshift.settings import Settings
from nightshift.state import open_state

# Raised by a change that an older Nightshift would read wrongly. CHANGELOG.md says what to do then.
FORMAT = 1
RECORD = "format.json"


def require_known_format(settings: Settings) -> None:
    """Marks an installation with the format that this Nightshift writes, or checks the mark.

    Raises:
        TerminalError: If a newer Nightshift has written to the installation.
    """
    state = open_state(settings)
    written = json.dumps({"format": FORMAT, "nightshift": version("nightshift")}).encode()
    content = state.read(RECORD)
    if content is None:
        state.create(RECORD, written)
        return
    where = settings.state_uri.rpartition("@")[2]
    fix = "restore it from a backup, or remove it: the next command writes it again"
    record = parse_object(content, f"{where}: {RECORD}", {"format": int, "nightshift": str}, fix)
    if record["format"] > FORMAT:
        raise TerminalError(
            "a newer Nightshift has written to this installation",
            where=where,
            received=f"format {record['format']}, of Nightshift {record['nightshift']}",
            allowed=f"format {FORMAT}",
            fix="install that Nightshift on this machine too",
        )
