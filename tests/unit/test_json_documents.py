from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.compute.outcome import JobOutcome, read_outcome
from nightshift.errors import TerminalError
from nightshift.json_documents import parse_object, readable_objects
from nightshift.lake.damage import MANIFEST
from nightshift.lake.format import RECORD, require_known_format
from nightshift.lake.staging import load_staged
from nightshift.quality.judge import JUDGEMENT as JUDGEMENT_FILE
from nightshift.quality.judge import Judgement, read_judgement
from nightshift.registry.stored_expectation import parse_expectation
from nightshift.settings import Settings
from nightshift.types import Check, Staged, Verdict

DAY = date(2024, 1, 2)

KEYS = {"name": str, "rows": int}
DAMAGED = [
    pytest.param(b"", "it is empty", id="empty"),
    pytest.param(b"\0" * 40, "it is empty", id="zeros, as after a power failure"),
    pytest.param(b'{"name": "orders", "ro', "it is not valid JSON", id="half a document"),
    pytest.param(b'{"name": "\xff"}', "it is not valid JSON", id="bytes that are no text"),
    pytest.param(b"[" * 200_000, "it is not valid JSON", id="brackets without end"),
    pytest.param(b'{"rows": ' + b"9" * 9999 + b"}", "it is not valid JSON", id="a number of 9999 digits"),
    pytest.param(b"5", "it is not an object of JSON", id="a number"),
    pytest.param(b"null", "it is not an object of JSON", id="null"),
    pytest.param(b"[]", "it is not an object of JSON", id="a list"),
    pytest.param(b'{"name": "s3cret"}', "`rows` is missing", id="another object"),
    pytest.param(b'{"name": "s3cret", "rows": "7"}', "`rows` has another type", id="a text for a number"),
]


@pytest.mark.parametrize(("content", "problem"), DAMAGED)
def test_a_damaged_document_is_one_line_that_quotes_nothing_of_it(content: bytes, problem: str) -> None:
    with pytest.raises(TerminalError) as raised:
        parse_object(content, "file:///var/orders.json", KEYS, "remove it")
    assert str(raised.value) == f"file:///var/orders.json: the file is damaged: {problem}; fix: remove it"


@pytest.mark.parametrize(("content", "_"), DAMAGED)
def test_every_reader_of_a_single_document_names_the_file_and_the_fix(
    tmp_path: Path, settings: Settings, content: bytes, _: str
) -> None:
    (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(TerminalError, match=f"{MANIFEST}: the file is damaged: .*; fix: clear the task"):
        load_staged(str(tmp_path))
    (tmp_path / "outcome.json").write_bytes(content)
    with pytest.raises(TerminalError, match=r"outcome.json: the file is damaged: .*; fix: run the task again"):
        read_outcome(str(tmp_path / "outcome.json"))
    require_known_format(settings)
    (settings.var_path / RECORD).write_bytes(content)
    with pytest.raises(TerminalError, match=f"{RECORD}: the file is damaged: .*; fix: restore it"):
        require_known_format(settings)


STAGED = Staged("raw.plan", "a1", "file:///w", ("file:///w/a.parquet",), 3, DAY, DAY, {"x": "1"}, {"part": 2}, (DAY,))
OUTCOME = JobOutcome(("file:///w",), "", transient=True)
CHECK = Check("unique", "machine", passed=False, observed=2.0, detail="twice")
JUDGEMENT = Judgement(
    Verdict("raw.plan", (CHECK, Check("rows", "rows", passed=True, observed=None)), 3), "<html>", ("x",)
)
BANDS = {name: {"roc_auc": {"value": 0.75, "bound": None}} for name in ("realized", "estimated")}
PROBABILITY = BANDS | {"calibration": {"method": "isotonic", "scores": [0.0, 1.0], "probabilities": [0.0, 1.0]}}
NUMBER = BANDS | {"errors": {"edges": [1.0], "absolute": [1.0, 2.0], "squared": [1.0, 4.0]}}


def read_manifest(folder: Path, content: bytes) -> object:
    (folder / MANIFEST).write_bytes(content)
    return load_staged(str(folder))


def read_job_outcome(folder: Path, content: bytes) -> object:
    (folder / "outcome.json").write_bytes(content)
    return read_outcome(str(folder / "outcome.json"))


def read_staged_judgement(folder: Path, content: bytes) -> object:
    (folder / JUDGEMENT_FILE).write_bytes(content)
    return read_judgement(replace(STAGED, location=str(folder)))


def read_expectation(folder: Path, content: bytes) -> object:
    return parse_expectation(content, "run 1: expectation.json", "restore it")


READERS: dict[str, tuple[Callable[[Path, bytes], object], dict[str, Any], object]] = {
    "manifest": (read_manifest, STAGED.to_json(), STAGED),
    "outcome": (read_job_outcome, json.loads(json.dumps(asdict(OUTCOME))), OUTCOME),
    "judgement": (read_staged_judgement, json.loads(json.dumps(asdict(JUDGEMENT))), JUDGEMENT),
    "probability": (read_expectation, PROBABILITY, PROBABILITY),
    "number": (read_expectation, NUMBER, NUMBER),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_document_is_read_as_it_was_written_and_what_later_versions_add_is_left_out(
    tmp_path: Path, reader: str
) -> None:
    read, document, value = READERS[reader]
    assert read(tmp_path, json.dumps(document).encode()) == value
    assert read(tmp_path, json.dumps(document | {"added": [1]}).encode()) == value


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths of all values of a document."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield (*path, key)
        yield from places(part, (*path, key))


def with_value(value: Any, path: Sequence[str | int], new: object) -> Any:
    """A copy of a document with another value at a path."""
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = with_value(value[path[0]], path[1:], new)
    return copy


@pytest.mark.parametrize("reader", READERS)
def test_a_value_of_another_type_anywhere_is_one_line_that_names_its_key(tmp_path: Path, reader: str) -> None:
    read, document, _ = READERS[reader]
    for path in places(document):
        for wrong in ({"s3cret": [1]}, [[1]], "s3cret \ud800", "2024-02-30"):
            content = json.dumps(with_value(document, path, wrong)).encode()
            try:
                read(tmp_path, content)
            except TerminalError as error:
                line = str(error)
                assert line.count("\n") == 0 and "s3cret" not in line and "; fix: " in line
                assert re.search(f"the file is damaged: (`{path[0]}` has|it is not valid)", line), (path, line)
            else:  # another text, or an object of any texts
                assert isinstance(wrong, str), (path, wrong)


@pytest.mark.parametrize("reader", READERS)
def test_a_key_that_is_missing_is_named(tmp_path: Path, reader: str) -> None:
    read, document, _ = READERS[reader]
    for key in document.keys() - {"inputs", "split", "without_rows"}:  # older versions did not write them
        content = json.dumps({name: value for name, value in document.items() if name != key}).encode()
        with pytest.raises(TerminalError, match="the file is damaged: `(calibration|" + key + ")` is missing"):
            read(tmp_path, content)


@pytest.mark.parametrize(("content", "problem"), DAMAGED[:9])
@pytest.mark.parametrize("reader", READERS)
def test_a_damaged_file_is_named_by_every_reader(tmp_path: Path, reader: str, content: bytes, problem: str) -> None:
    with pytest.raises(TerminalError, match=f"the file is damaged: {problem}; fix: "):
        READERS[reader][0](tmp_path, content)


@given(st.lists(st.one_of(st.binary(max_size=40), st.integers(0, 9))))
def test_all_readable_documents_are_read_whatever_lies_between_them(contents: list[bytes | int]) -> None:
    documents = [
        (str(place), content if isinstance(content, bytes) else json.dumps({"name": "x", "rows": content}).encode())
        for place, content in enumerate(contents)
    ]
    lines = list[str]()
    handler, log = logging.Handler(), logging.getLogger("nightshift.json_documents")
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    log.addHandler(handler)
    try:
        read = dict(readable_objects(documents, KEYS, "remove it"))
    finally:
        log.removeHandler(handler)
    written = {str(place): number for place, number in enumerate(contents) if isinstance(number, int)}
    assert {name: document["rows"] for name, document in read.items()} == written
    skipped = [name for name, _ in documents if name not in written]
    assert [line.partition(": ")[2].partition(":")[0] for line in lines] == skipped
