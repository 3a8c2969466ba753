"""Whatever a text has in it, a page gets no element or attribute of it: each is compared with one of plain words."""

from __future__ import annotations

import smtplib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from nightshift.alerts.alert import AlertRun, failed_run_alert
from nightshift.alerts.channels.mail import mail
from nightshift.definition.model import ModelDefinition
from nightshift.monitoring.histograms import Histogram
from nightshift.monitoring.night_page import render_night
from nightshift.monitoring.thresholds_page import render_thresholds
from nightshift.pages.markdown import markdown_text
from nightshift.quality.docs import Page, render_docs, render_message, render_run
from nightshift.settings import AlertSettings, SmtpSettings
from nightshift.training.gate import judge
from nightshift.training.report import render_gate
from nightshift_airflow.docs import DESCRIPTIONS, dag_page
from unit.monitoring.test_night_page import NIGHT, history, row
from unit.monitoring.worlds import baseline_of, reference_of
from unit.quality.test_docs import between, in_set, not_null, validated
from unit.training.test_category import COMPARISON, holdout_of
from unit.training.test_gate import STORED, simulated
from unit.training.test_report import GATE
from unit.training.worlds import World

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
ENDINGS = (
    "</style><script>alert(1)</script>",
    "</title></svg></text><svg onload=alert(1)>",
    "--><img src=x>",
    "]]><img src=x>",
    '" onmouseover="alert(1)',
    "' onfocus='alert(1)' autofocus='",
    "{{ 7 * 7 }}{% raw %}",
    "<a href='javascript:alert(1)'>x</a>",
    "<iframe srcdoc='&lt;script&gt;'>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
)


class Outline(HTMLParser):
    """The elements and attributes of a page, and the texts in both."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.texts += [value or "" for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.elements.append(("comment", ()))

    def shows(self, text: str) -> bool:
        words = " ".join(text.split())
        return any(words in " ".join(part.split()) for part in self.texts)


def message(text: str) -> str:
    return render_message(text, [text, "and"])


def run_of_audits(text: str) -> str:
    return render_run(text, [Page("raw.schedule", text, "fail", f"raw.schedule {text}: {text} in {text}", 18, 1)])


def audited_set(text: str) -> str:
    frame = pd.DataFrame({"carrier": ["UA", text, text], text: [text, None, "1"]})
    expected = [
        in_set("carrier", "UA", f"{text} too", severity="warn", notes=text),
        in_set(text, "1"),
        between(text, 0, 1),
        not_null(text),
        not_null(f"{text} is no column"),
    ]
    return render_docs(text, validated(frame, *expected, result_format="COMPLETE"), text)


def gate_of_a_condition(text: str) -> str:
    holdout = simulated(World(0.3, 0.5))
    names = np.array(["EWR", "JFK", text])[np.arange(len(holdout.labels)) % 3]
    names[:20] = f"{text} is small"
    holdout = replace(holdout, columns={"airport": names})
    return render_gate(text, GATE, holdout, judge(GATE, holdout, STORED, 1), text, [text], period=text)


def gate_of_a_category(text: str) -> str:
    holdout = replace(holdout_of(0.3, 0.2), classes=(text, "wine", "bread"), shared=(text, "wine", "bread"))
    return render_gate("tiny", COMPARISON, holdout, judge(COMPARISON, holdout, STORED, 1), text)


def night(text: str) -> str:
    rows = [
        row("drift", "psi", 0.3, subject=text, threshold=0.1, verdict="warn", detail=text),
        row("decision", "retrain", verdict="suppressed_by_cooldown", detail=text),
        row("decision", "breaches", 2.0, subject=text, threshold=2.0, sample_size=3, verdict="warn", detail=text),
        row("quality.raw", "not_null", subject=f"raw.plan: {text}", verdict="warn", detail=text, model_version=None),
        row("value", "value", 2.0, subject=text, detail=text),
    ]
    shown = [Histogram(text, ["a", text, "other"], [0.5, 0.4, 0.1], [0.2, 0.5, 0.3])]
    return render_night("tiny", NIGHT, [*history(), *rows], text, shown, text)


def thresholds(text: str) -> str:
    reference = reference_of(60, 200)
    return render_thresholds(text, reference, baseline_of(reference), (100, 10_000))


PAGES: dict[str, Callable[[str], str]] = {
    page.__name__: page
    for page in (message, run_of_audits, audited_set, gate_of_a_condition, gate_of_a_category, night, thresholds)
}


@pytest.fixture(scope="module")
def plain() -> Callable[[str], Outline]:
    outlines: dict[str, Outline] = {}

    def of(page: str) -> Outline:
        if page not in outlines:
            outlines[page] = Outline(PAGES[page]("words"))
        return outlines[page]

    return of


@pytest.mark.parametrize("text", [HOSTILE, *ENDINGS])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_the_elements_of_one_of_plain_words(page: str, text: str, plain: Callable[[str], Outline]) -> None:
    outline = Outline(PAGES[page](text))
    assert sorted(outline.elements) == sorted(plain(page).elements)
    assert outline.shows(text)


# ---- Markdown, as the Airflow UI shows it


def rendered(markdown: str) -> Outline:
    """As a page that lets HTML through: a renderer that drops it would hide what the text says."""
    return Outline(MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown))


def dag_pages(definition: ModelDefinition, text: str) -> Iterator[Outline]:
    """The pages of the DAGs of a model whose descriptions are a text."""
    described = {"description": text}
    sources = {name: source.model_copy(update=described) for name, source in definition.sources.items()}
    rows = {name: feature.model_copy(update=described) for name, feature in definition.features.rows.items()}
    features = definition.features.model_copy(update={"rows": rows})
    changed = definition.model_copy(update={**described, "sources": sources, "features": features})
    yield from (rendered(dag_page(changed, verb)) for verb in DESCRIPTIONS)


@pytest.mark.parametrize("text", [HOSTILE, *ENDINGS, "a <b and c> d | e", "<!-- hidden"])
def test_the_page_of_a_dag_has_no_element_of_a_description(tiny: ModelDefinition, text: str) -> None:
    for outline, plain in zip(dag_pages(tiny, text), dag_pages(tiny, "words"), strict=True):
        assert outline.elements == plain.elements


@given(st.text() | st.sampled_from([HOSTILE, *ENDINGS, "![x](http://evil.example/x.png)", "[x](http://evil.example)"]))
def test_a_text_that_quotes_data_stays_text_in_markdown(text: str) -> None:
    quoted = " ".join(f"the slice {text} fails".split())
    outline = rendered(markdown_text(quoted))
    assert outline.elements == [("p", ())]


# ---- alerts


@pytest.mark.parametrize("text", [HOSTILE, "a\r\nBcc: eve@evil.example\r\n\r\nbody", "a\nBcc: eve@evil.example"])
def test_a_mail_is_plain_text_and_gets_no_header_of_it(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []

    class Server:
        def __init__(self, *_: object, **__: object) -> None: ...

        def __enter__(self) -> Server:
            return self

        def __exit__(self, *_: object) -> None: ...

        send_message = staticmethod(sent.append)

    monkeypatch.setattr(smtplib, "SMTP", Server)
    run = AlertRun("tiny.score", "r1", "score", str(date(2024, 1, 5)), "2024-01-05T06:31:00+00:00", "http://airflow")
    send = mail(AlertSettings(smtp=SmtpSettings(host="mail.example", to=["on@call.example"])))
    assert send is not None
    send(failed_run_alert(run, text))
    [message_sent] = sent
    assert message_sent.get_content_type() == "text/plain" and not message_sent.is_multipart()
    assert set(message_sent.keys()) == {
        "Subject", "From", "To", "Content-Type", "Content-Transfer-Encoding", "MIME-Version",
    }  # fmt: skip
