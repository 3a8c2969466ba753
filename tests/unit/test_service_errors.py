"""What services answer, by the clients that meet it: Arrow and boto3 against a server that answers so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st
from servers import AWS_VARIABLES, free_port
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from nightshift import aws
from nightshift.errors import FullDiskError, NightshiftError, NotYetAvailable, TerminalError, TransientError
from nightshift.lake import files
from nightshift.lake.catalog import Lake
from nightshift.service_errors import REFUSED, RETRIED, explain
from nightshift.settings import Settings

TERMINAL, TRANSIENT = TerminalError, TransientError
ANSWERS = [
    (503, "SlowDown", TRANSIENT, "busy"),
    (500, "InternalError", TRANSIENT, "wait"),
    (400, "ExpiredToken", TRANSIENT, "renew the credentials"),
    (403, "AccessDenied", TERMINAL, "allow this role"),
    (403, "InvalidAccessKeyId", TERMINAL, "correct the credentials|allow this role"),  # a HEAD has the status alone
    (403, "RequestTimeTooSkewed", TERMINAL, "clock|allow this role"),
    (418, "Teapot", TRANSIENT, "look the answer up"),
]


class Answer(BaseHTTPRequestHandler):
    """Answers every request alike."""

    status, code = 200, ""

    def answer(self) -> None:
        text = f"<?xml version='1.0'?><Error><Code>{self.code}</Code><Message>no</Message></Error>".encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = answer

    def log_message(self, *arguments: object) -> None:
        """Keeps the tests' output free of it."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Answer]]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as listening:
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        use_endpoint(monkeypatch, f"http://127.0.0.1:{listening.server_port}")
        yield Answer
        listening.shutdown()
    files._file_system.cache_clear()


def use_endpoint(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    for name, value in (AWS_VARIABLES | {"AWS_ENDPOINT_URL_S3": url}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    files._file_system.cache_clear()


def put_by_boto() -> None:
    boto3.client("s3", config=Config(retries={"max_attempts": 0})).put_object(Bucket="lake", Key="a/key", Body=b"")


CALLS = [
    lambda: files.read_bytes("s3://lake/a/key"),
    lambda: files.write_bytes("s3://lake/a/key", b"content"),
    lambda: files.list_files("s3://lake/a/key"),
    put_by_boto,
]


@pytest.mark.parametrize(("status", "code", "kind", "fix"), ANSWERS)
@pytest.mark.parametrize("call", CALLS, ids=["read", "write", "list", "boto"])
def test_an_answer_is_one_line_with_its_fix(
    call: Callable[[], object], status: int, code: str, kind: type[NightshiftError], fix: str, server: type[Answer]
) -> None:
    server.status, server.code = status, code
    with pytest.raises(Exception) as failure:
        call()
    error = explain(failure.value)
    assert type(error) is kind, failure.value
    assert error.fix is not None
    assert any(part in error.fix for part in fix.split("|"))
    assert "\n" not in str(error)
    assert error.where == "AWS" or str(error.where).startswith("s3://lake/a/key")


@pytest.mark.parametrize("call", CALLS, ids=["read", "write", "list", "boto"])
def test_an_endpoint_where_nobody_listens_may_answer_later(
    call: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_endpoint(monkeypatch, f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Exception) as failure:
        call()
    error = explain(failure.value)
    assert type(error) is TransientError
    assert "AWS_ENDPOINT_URL" in str(error)


NETWORK = (
    "When reading information for key '{key}' in bucket 'lake': AWS Error NETWORK_CONNECTION during HeadObject "
    "operation: curlCode: 7, Couldn't connect to server; Details: Failed to connect to {host} port {port} after 0 ms"
)


@given(port=st.integers(1, 65535), word=st.sampled_from([word for words in (REFUSED | RETRIED) for word in words]))
def test_the_addresses_in_an_answer_do_not_decide_what_it_says(port: int, word: str) -> None:
    error = explain(OSError(NETWORK.format(key=f"{word}/{port}", host=f"{word}.example.com", port=port)))
    assert type(error) is TransientError
    assert "AWS_ENDPOINT_URL" in str(error)


def test_a_database_that_is_away_may_answer_later() -> None:
    with pytest.raises(Exception) as failure:
        create_engine(f"postgresql+psycopg2://night:s3cret@127.0.0.1:{free_port()}/catalog").connect()
    error = explain(failure.value)
    assert type(error) is TransientError
    assert "the database does not answer" in str(error)
    assert "s3cret" not in str(error)


def test_a_catalog_that_is_away_is_named_by_its_setting(tmp_path: Path) -> None:
    address = f"postgresql+psycopg2://night:s3cret@127.0.0.1:{free_port()}/catalog"
    with pytest.raises(
        TransientError, match=r"NIGHTSHIFT_CATALOG__URI=postgresql\+psycopg2://night:\*\*\*@"
    ) as failure:
        Lake(Settings(var=tmp_path, catalog={"uri": address}))
    assert "s3cret" not in str(failure.value)


def test_an_error_of_ours_is_itself_and_any_other_is_none() -> None:
    error = NotYetAvailable("nothing there")
    assert explain(error) is error
    assert explain(KeyError("a bug")) is None
    assert explain(OSError("disk full")) is None


def test_a_bug_in_handling_an_error_of_ours_is_not_taken_for_it() -> None:
    with pytest.raises(KeyError) as failure:
        try:
            raise NotYetAvailable("nothing there")
        except NotYetAvailable:
            {}["a bug"]
    assert explain(failure.value) is None


@pytest.mark.parametrize("url", ["127.0.0.1:9000", "s3.example.com", "ftp://host"])
def test_an_endpoint_that_is_no_address_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use_endpoint(monkeypatch, url)
    with pytest.raises(TerminalError, match="AWS_ENDPOINT_URL_S3: no address"):
        files.read_bytes("s3://lake/a/key")


def test_without_a_region_nothing_asks_amazon(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    files._file_system.cache_clear()
    with pytest.raises(TerminalError, match="AWS_REGION"):
        files.exists("s3://lake/a/key")


def test_other_file_systems_that_are_none_are_named() -> None:
    with pytest.raises(TerminalError, match="s4://lake: no such file system"):
        files.exists("s4://lake/a/key")


def test_a_full_disk_is_named_whatever_writes() -> None:
    with pytest.raises(OSError) as full, Path("/dev/full").open("wb", buffering=0) as file:
        file.write(b"a")
    try:
        raise RuntimeError("no commit") from full.value
    except RuntimeError as error:
        explained = explain(error)
    assert isinstance(explained, FullDiskError)
    assert "no space is left on the disk; fix: free space" in str(explained)


def test_a_full_disk_of_a_database_is_no_server_that_is_away(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'catalog.db'}")
    with engine.connect() as connection, pytest.raises(OperationalError) as full:
        connection.exec_driver_sql("pragma max_page_count = 2")
        connection.exec_driver_sql("create table rows (content text)")
        connection.exec_driver_sql("insert into rows values (zeroblob(1000000))")
    explained = explain(full.value)
    assert isinstance(explained, FullDiskError)
    assert str(explained).startswith("the database cannot be written: database or disk is full; fix: free space")
