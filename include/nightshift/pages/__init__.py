"""What HTML pages have in common. A page is one file: it loads nothing and runs nothing, wherever it is opened."""

from __future__ import annotations

from pathlib import Path

from jinja2 import FileSystemLoader

# Nothing may be loaded or run, whatever a page holds.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def templates(folder: Path) -> FileSystemLoader:
    """The templates of a folder, and those that all pages share."""
    return FileSystemLoader([folder, Path(__file__).with_name("templates")])
