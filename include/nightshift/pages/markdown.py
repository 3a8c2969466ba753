"""Texts of users and of data within Markdown, as the Airflow UI renders it."""

from __future__ import annotations

import re

HTML = re.compile(r"<(?=[A-Za-z/!?])")  # what begins an element; a browser or the UI would take it for one, or drop it
MARKUP = re.compile(r"[\\`*_\[\]<>!#|~]")


def without_html(text: str) -> str:
    """A text that may use Markdown, such as a description, in which HTML is text."""
    return HTML.sub("&lt;", text)


def markdown_text(text: str) -> str:
    """A text that may quote data, in which everything is text: no link, no image, no element."""
    return MARKUP.sub(r"\\\g<0>", text)


def table_cell(text: str) -> str:
    """A text that may use Markdown as a cell of a table: on one line, without the sign that ends a cell."""
    return without_html(" ".join(text.split())).replace("|", "\\|")
