from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import great_expectations as gx
import pandas as pd
import pyarrow as pa
import pytest

from nightshift.quality.audit import audit_table
from nightshift.quality.docs import (
    Page,
    docs_folder,
    read_docs,
    read_page,
    render_docs,
    render_message,
    render_run,
    write_docs,
)
from nightshift.quality.expectation import MEAN, MIX, ROW_COUNT, Contract, ExpectationSpec
from nightshift.quality.suite import suite_result
from nightshift.types import Check, Verdict

HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)>"
SCHEDULE = Page("raw.schedule", "2013-07-04", "pass", "raw.schedule 2013-07-04: 18 checks passed on 985 rows", 18, 0)
SCORES = Page("scores.flight_delay", "2013-07-04", "fail", "scores.flight_delay 2013-07-04: no row", 10, 4)

Expected = gx.expectations.Expectation
Rendered = Callable[..., "Parsed"]


class Parsed(HTMLParser):
    """A page as a browser reads it: its elements, their attributes, its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.page, self.elements, self.words = page, list[tuple[str, dict[str, str | None]]](), list[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def values(self, attribute: str) -> set[str | None]:
        return {attributes[attribute] for _, attributes in self.elements if attribute in attributes}

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def validated(frame: pd.DataFrame, *expected: Expected, result_format: str = "BASIC") -> Any:
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("staging").add_dataframe_asset("raw.schedule")
    batch = asset.add_batch_definition_whole_dataframe("staged").get_batch(batch_parameters={"dataframe": frame})
    suite = gx.ExpectationSuite(name="staged", expectations=list(expected))
    return batch.validate(suite, result_format={"result_format": result_format, "partial_unexpected_count": 20})


def rendered(frame: pd.DataFrame, *expected: Expected, summary: str = "summary", **kwargs: Any) -> Parsed:
    return Parsed(render_docs("raw.schedule 2013-07-04", validated(frame, *expected, **kwargs), summary))


def not_null(column: str, **meta: str) -> Expected:
    return gx.expectations.ExpectColumnValuesToNotBeNull(column=column, meta=meta)


def in_set(column: str, *allowed: str, **meta: str) -> Expected:
    return gx.expectations.ExpectColumnValuesToBeInSet(column=column, value_set=list(allowed), meta=meta)


def between(column: str, least: float, most: float, **meta: str) -> Expected:
    return gx.expectations.ExpectColumnValuesToBeBetween(column=column, min_value=least, max_value=most, meta=meta)


FRAME = pd.DataFrame({"carrier": ["UA", "XX", None], "delay": [1.0, 2.0, 99999.0]})


def assert_self_contained(page: Parsed) -> None:
    assert {"script", "link", "img", "iframe", "object", "base"}.isdisjoint(tag for tag, _ in page.elements)
    assert page.values("src") == page.values("action") == set()
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    for address in page.values("href"):
        assert address == "./" or re.fullmatch(r"#[\w-]+|[\w.=-]+", str(address)), address
    assert not re.search(r"https?:|url\(|@import", page.page)


def test_a_page_refers_to_nothing_outside_of_itself() -> None:
    page = rendered(FRAME, not_null("carrier"), in_set("carrier", "UA"), between("delay", 0, 100), not_null("none"))
    assert_self_contained(page)
    assert page.values("href") == {"./", "#section-1", "#section-2", "#section-3"}
    assert {"section-1", "section-2", "section-3"} <= page.values("id")
    assert "default-src 'none'" in str(page.values("content"))
    assert "greatexpectations.io" not in page.page and "newsletter" not in page.page


def test_every_expectation_is_there_with_what_was_observed() -> None:
    page = rendered(FRAME, in_set("carrier", "UA", "B6"), between("delay", 0, 100), not_null("delay"))
    assert "values must belong to this set: UA B6 ." in page.text
    assert "1 unexpected values found." in page.text and "Sampled Unexpected Values XX" in page.text
    assert "99999.0" in page.text
    assert "values must never be null. 100% not null" in page.text
    assert "Not passed (2)" in page.text and "All (3)" in page.text


def test_what_passed_is_shown_as_such_and_nothing_is_to_be_chosen() -> None:
    page = rendered(FRAME, not_null("delay"), summary="raw.schedule 2013-07-04: 1 check passed on 3 rows")
    assert "raw.schedule 2013-07-04 passed 1 check passed on 3 rows" in page.text
    assert "input" not in [tag for tag, _ in page.elements]


@pytest.mark.parametrize(
    ("severities", "outcome"),
    [(["warn", "quarantine"], "warning"), (["warn", "fail"], "failed"), (["warn", None], "failed")],
)
def test_the_verdict_follows_from_the_severities_of_what_failed(severities: list[str | None], outcome: str) -> None:
    metas = [{"severity": severity} if severity else {} for severity in severities]
    page = rendered(FRAME, between("delay", 0, 9, **metas[0]), in_set("carrier", "UA", **metas[1]))
    assert f"raw.schedule 2013-07-04 {outcome} summary" in page.text
    for severity in severities:
        assert f"Observed Value {severity or 'fail'} values must b" in page.text


def test_what_could_not_be_checked_fails_whatever_its_severity_and_says_why() -> None:
    page = rendered(FRAME, not_null("none", severity="warn"))
    assert "raw.schedule 2013-07-04 failed" in page.text
    assert 'Error: The column "none" in BatchData does not exist.' in page.text
    assert "details" in [tag for tag, _ in page.elements]


def test_a_verdict_that_was_given_is_the_one_that_is_shown() -> None:
    result = validated(FRAME, between("delay", 0, 100, severity="quarantine"))
    assert "t failed too many" in Parsed(render_docs("t", result, "t: too many", "fail")).text


def test_a_note_is_shown_with_its_expectation() -> None:
    page = rendered(FRAME, between("delay", 0, 100, notes="2 times the median of <8> Thursdays"))
    assert "2 times the median of <8> Thursdays" in page.text


def test_whatever_data_holds_is_text() -> None:
    frame = pd.DataFrame({"carrier": ["UA", HOSTILE, "$x ${y} $$z &amp;"], HOSTILE: [HOSTILE, None, "1"]})
    result = validated(
        frame,
        in_set("carrier", "UA", HOSTILE[::-1]),
        in_set(HOSTILE, "1"),
        between(HOSTILE, 0, 1),
        not_null(HOSTILE[1:]),
    )
    page = Parsed(render_docs(HOSTILE, result, HOSTILE))
    assert_self_contained(page)
    assert page.text.count(HOSTILE) >= 7  # title twice, summary, contents and header of its column, two values
    assert "$x ${y} $$z &amp;" in page.text


@pytest.mark.parametrize("result_format", ["BOOLEAN_ONLY", "BASIC", "SUMMARY", "COMPLETE"])
def test_a_page_stays_small_however_many_rows_fail(result_format: str) -> None:
    frame = pd.DataFrame({"delay": [float(number) for number in range(50_000)]})
    page = rendered(frame, between("delay", -2, -1), result_format=result_format)
    assert len(page.page) < 20_000
    assert "failed" in page.text


def test_pages_are_stored_and_listed(tmp_path: Path) -> None:
    folder = docs_folder(str(tmp_path), "flight_delay", "night__2013-07-04")
    assert read_docs(folder) == []
    write_docs(folder, {SCHEDULE: "<p>ü</p>"})
    write_docs(folder, {SCORES: "scores"})
    assert set(read_docs(folder)) == {SCHEDULE, SCORES}
    assert read_page(folder, SCHEDULE.name) == "<p>ü</p>"
    assert read_docs(docs_folder(str(tmp_path), "flight_delay", "night__2013-07-05")) == []


def test_a_task_that_runs_again_replaces_its_own_pages_only(tmp_path: Path) -> None:
    restated = replace(SCHEDULE, dates="2013-07-02")
    write_docs(str(tmp_path), {SCHEDULE: "old", restated: "restated"})
    write_docs(str(tmp_path), {SCORES: "scores"})
    again = replace(SCHEDULE, outcome="fail", failed=1)
    write_docs(str(tmp_path), {again: "new"})
    assert set(read_docs(str(tmp_path))) == {again, SCORES}
    assert read_page(str(tmp_path), again.name) == "new"
    assert read_page(str(tmp_path), restated.name) is None
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("name", ["../secret", "..", "", "/etc/passwd", "raw.schedule-2013-07-04.html", "a%2Fb"])
def test_only_what_is_listed_can_be_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.html").write_text("secret")
    write_docs(f"{tmp_path}/run", {SCHEDULE: "page"})
    assert read_page(f"{tmp_path}/run", name) is None


HOSTILE_IDS = ["..", ".", "", "/", "../x", "a/b", "a\\b", "a b", "scheduled__2013-07-04T00:00:00+00:00", "ü", "x" * 250]


@pytest.mark.parametrize("name", HOSTILE_IDS)
def test_a_run_of_any_name_has_a_folder_of_its_own_below_the_root(name: str) -> None:
    root, *parts = docs_folder("s3://bucket", name, name).rsplit("/", 2)
    assert root == "s3://bucket"
    for part in parts:
        assert re.fullmatch(r"[\w=-][\w.=-]{0,120}", part, re.ASCII)


def test_runs_of_different_names_have_different_folders() -> None:
    ids = [*HOSTILE_IDS, "a-b", "scheduled__2013-07-04T00-00-00-00-00", "x" * 249]
    assert len({docs_folder("root", "model", run_id) for run_id in ids}) == len(ids)
    assert docs_folder("root/", "model", "night__2013-07-04") == "root/model/night__2013-07-04"


def test_sets_of_many_dates_have_a_page_too() -> None:
    history = replace(SCHEDULE, dates="2013-01-01 to 2013-03-31")
    assert history.name == "raw.schedule-2013-01-01-to-2013-03-31"
    assert replace(SCHEDULE, dates="").name == "raw.schedule"


def test_a_page_is_listed_by_its_verdict() -> None:
    checks = [Check("A", "carrier", True, 0), Check("B", "delay", False, 3, "delay has 3 values", "warn")]
    page = Page.of(Verdict("raw.schedule", tuple(checks), 985, "2013-07-04"))
    assert page == Page(
        "raw.schedule", "2013-07-04", "warn", "raw.schedule 2013-07-04: 1 warning in 2 checks: delay has 3 values", 2, 1
    )


def test_a_run_lists_its_tables_in_the_order_of_its_tasks_what_failed_first() -> None:
    bad = Page("raw.weather", "2013-07-03", "fail", f"raw.weather 2013-07-03: {HOSTILE}", 9, 2)
    page = Parsed(render_run("run", [SCORES, SCHEDULE, bad]))
    assert_self_contained(page)
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert links == [bad.name, SCHEDULE.name, SCORES.name]
    assert f"raw.weather 2013-07-03 failed 7 of 9 {HOSTILE}" in page.text
    assert "raw.schedule 2013-07-04 passed 18 of 18 18 checks passed on 985 rows" in page.text
    assert "Not audited yet in this run: features." in page.text


def test_a_message_is_text() -> None:
    page = Parsed(render_message(HOSTILE, [HOSTILE]))
    assert_self_contained(page)
    assert page.text.count(HOSTILE) == 3


def test_what_an_audit_measured_is_on_its_page(caplog: pytest.LogCaptureFixture) -> None:
    measured = [
        ExpectationSpec(MEAN, "load", (("column", "load"), ("min_value", 0), ("max_value", 1))),
        ExpectationSpec(MIX, "kind", (("column", "kind"), ("shares", {"a": 1.0}), ("max_distance", 0.1))),
        ExpectationSpec(ROW_COUNT, "rows", (("min_value", 1), ("max_value", None))),
    ]
    contract = Contract("raw.plan", tuple(measured))
    audited = audit_table(contract, pa.table({"load": [0.25, 0.5, 0.75], "kind": ["a", "b", "b"]}))
    page = Parsed(render_docs("raw.plan", suite_result(contract, audited.results), "", "fail"))
    assert "0.5" in page.text
    assert "0.6666" in page.text
    assert "3" in page.text
    assert "rendering" not in caplog.text  # Great Expectations logs what it cannot show
