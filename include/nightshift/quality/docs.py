"""Data Docs of the audits: a page for every audited set, and a page that lists the sets of a run."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment

from nightshift.json_documents import readable_objects
from nightshift.lake.files import list_files, read_bytes, remove, write_bytes
from nightshift.lake.tables import Layer, layer_of
from nightshift.pages import POLICY, templates
from nightshift.types import Outcome, Verdict

NIGHTLY_LAYERS = (Layer.RAW, Layer.FEATURES, Layer.SCORES)
LAYERS = (*NIGHTLY_LAYERS, Layer.SHADOW)  # with that of nights with a challenger
TEMPLATES = templates(Path(__file__).with_name("templates"))

PAGE_FIELDS = {"table": str, "dates": str, "outcome": str, "summary": str, "checks": int, "failed": int}


@dataclass(frozen=True)
class Page:
    """The entry of an audited set in the list of a run.

    Attributes:
        table: The table.
        dates: The dates of the set, for people.
        outcome: The verdict.
        summary: The verdict as a sentence.
        checks: The number of checks.
        failed: The number of checks that did not pass, warnings included.
    """

    table: str
    dates: str
    outcome: Outcome
    summary: str
    checks: int
    failed: int

    @classmethod
    def of(cls, verdict: Verdict) -> Page:
        """The entry of a verdict."""
        checks, failed = len(verdict.checks), len(verdict.failures)
        return cls(verdict.table, verdict.dates, verdict.outcome, verdict.summary(), checks, failed)

    @property
    def title(self) -> str:
        return f"{self.table} {self.dates}".rstrip()

    @property
    def layer(self) -> Layer:
        return layer_of(self.table)

    @property
    def name(self) -> str:
        """The name of its file and in its address, the same for the same table and dates."""
        return _path_part(f"{self.table}-{self.dates}".rstrip("-").replace(" ", "-"))

    @property
    def sentence(self) -> str:
        """The summary without the title it begins with."""
        return self.summary.removeprefix(f"{self.title}: ")


def docs_folder(root: str, model: str, run_id: str) -> str:
    """The folder of the pages of a run."""
    return f"{root.rstrip('/')}/{_path_part(model)}/{_path_part(run_id)}"


def report_uri(root: str, model: str, run_id: str) -> str:
    """The address of the page of a night, which a run of its monitoring wrote."""
    return f"{docs_folder(root, f'{model}.monitor', run_id)}/night.html"


def pages_folders(root: str, model: str) -> list[str]:
    """The folders of all pages of a model."""
    names = (model, f"{model}.monitor")
    return [f"{root.rstrip('/')}/{_path_part(name)}" for name in names]


def render_docs(title: str, result: Any, summary: str, outcome: Outcome | None = None) -> str:
    """Renders the page of an audit: every expectation with its observed value.

    Args:
        title: The audited table and dates.
        result: Great Expectations' `ExpectationSuiteValidationResult`. An expectation's meta may hold its `severity`,
            and `notes` that the page shows with it.
        summary: The verdict as a sentence.
        outcome: The verdict; by default what follows from the severities of the expectations that failed.

    Returns:
        One HTML page that refers to nothing outside of itself but the list of its run.
    """
    from nightshift.quality.docs_view import document_of, page_view, severity_of

    failed = [validation for validation in result.results if not validation.success]
    if outcome is None:
        outcome = "pass" if not failed else "fail" if "fail" in map(severity_of, failed) else "warn"
    return str(
        page_view(TEMPLATES).render(
            document_of(result),
            title=title,
            summary=summary.removeprefix(f"{title}: "),
            outcome=outcome,
            checks=len(result.results),
            failed=len(failed),
            gx_version=result.meta.get("great_expectations_version", ""),
            policy=POLICY,
        )
    )


def render_run(title: str, pages: Sequence[Page]) -> str:
    """Renders the list of a run's pages, in the order of the tasks, failures first."""
    listed = sorted(pages, key=lambda page: (*_rank(page), page.title))
    missing = [layer for layer in NIGHTLY_LAYERS if layer not in {page.layer for page in pages}]
    return _environment().get_template("run.j2").render(title=title, pages=listed, missing=missing, policy=POLICY)


def render_message(title: str, sentences: Sequence[str]) -> str:
    """Renders a page that says why there is nothing to show."""
    return _environment().get_template("message.j2").render(title=title, sentences=sentences, policy=POLICY)


def write_docs(folder: str, pages: Mapping[Page, str]) -> None:
    """Writes the pages of an audit, and removes those of an earlier attempt of the same task.

    Pages of other layers stay: the audits of a run are several tasks.

    Args:
        folder: The folder of the run's pages, local or URI.
        pages: Each page and its HTML.
    """
    for page, content in pages.items():
        write_bytes(f"{folder}/{page.name}.html", content.encode())
        # The entry last, so that every listed page can be opened.
        write_bytes(f"{folder}/{page.name}.json", json.dumps(asdict(page)).encode())
    names, layers = {page.name for page in pages}, {page.layer for page in pages}
    for old in read_docs(folder):
        if old.layer in layers and old.name not in names:
            for ending in ("json", "html"):
                remove(f"{folder}/{old.name}.{ending}")


def read_docs(folder: str) -> list[Page]:
    """Reads the entries of a run; none if it has no page. Those that are damaged are left out, with a warning."""
    documents = readable_objects(_documents(folder), PAGE_FIELDS, "clear the audit and run it again")
    return [Page(**{name: entry[name] for name in PAGE_FIELDS}) for _, entry in documents]


def _documents(folder: str) -> Iterator[tuple[str, bytes]]:
    for uri in list_files(folder, ".json"):
        with suppress(FileNotFoundError):  # removed since it was listed
            yield uri, read_bytes(uri)


def read_page(folder: str, name: str) -> str | None:
    """Reads the HTML of a page of a run; None if there is no page of this name."""
    if name in {page.name for page in read_docs(folder)}:
        with suppress(FileNotFoundError):  # removed since it was listed
            return read_bytes(f"{folder}/{name}.html").decode()
    return None


def _rank(page: Page) -> tuple[int, int]:
    layer = LAYERS.index(page.layer) if page.layer in LAYERS else len(LAYERS)
    return layer, ("fail", "warn", "pass").index(page.outcome)


def _path_part(text: str) -> str:
    """A text as a part of a path; a digest keeps it unique if characters were removed."""
    plain = re.sub(r"[^\w.=-]", "-", text, flags=re.ASCII).lstrip(".")[:100]
    return plain if plain == text and plain else f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


@lru_cache(maxsize=1)
@cache
def _environment() -> Environment:
    return Environment(loader=TEMPLATES, autoescape=True)
