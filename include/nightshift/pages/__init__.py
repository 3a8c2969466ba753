"""Shared parts of HTML pages. A page is one file: it loads nothing and runs nothing, wherever it is opened."""

from __future__ import annotations

from pathlib import Path

from jinja2 import FileSystemLoader

# The content security policy: nothing may be loaded or run, even if data injects markup.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def templates(folder: Path) -> FileSystemLoader:
    """The templates of a folder, and those shared by all pages."""
    return FileSystemLoader([folder, Path(__file__).with_name("templates")])
