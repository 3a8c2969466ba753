from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.compute.outcome import read_outcome
from nightshift.errors import TerminalError
from nightshift.json_documents import parse_object, readable_objects
from nightshift.lake.damage import MANIFEST
from nightshift.lake.format import RECORD, require_known_format
from nightshift.lake.staging import load_staged
from nightshift.settings import Settings

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
