"""What every backend of the shared state promises."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import boto3
import pytest
from servers import aws_server, postgresql

from nightshift.errors import TerminalError, TransientError
from nightshift.settings import Settings
from nightshift.state import State, object_store, open_state
from nightshift.state.object_store import ObjectStoreState

pytestmark = pytest.mark.slow  # starts servers


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    with aws_server() as variables, pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        region = {"LocationConstraint": variables["AWS_REGION"]}
        boto3.client("s3").create_bucket(Bucket="state", CreateBucketConfiguration=region)
        yield "s3://state/below a prefix"


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgresql() as url:
        yield url


@pytest.fixture(params=["folder", "store", "database"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "state") if request.param == "folder" else str(request.getfixturevalue(request.param))


@pytest.fixture
def state(location: str, tmp_path: Path) -> State:
    return open_state(Settings(state=location, var=tmp_path))


def test_a_record_is_what_was_written_last(state: State) -> None:
    assert state.read("last/a.json") is None
    for content in (b"first", b"\x00\xff", b""):
        state.write("last/a.json", content)
        assert state.read("last/a.json") == content
    state.remove("last/a.json")
    state.remove("last/a.json")
    assert state.read("last/a.json") is None


def test_records_are_listed_by_folder(state: State) -> None:
    for name in ("list/b", "list/a", "list/deeper/c", "list_of_others/d"):
        state.write(name, b"content")
    assert state.names("list") == ["list/a", "list/b", "list/deeper/c"]
    assert state.names("lis") == []


def test_of_many_who_create_a_record_one_does(state: State) -> None:
    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(lambda number: state.create("once", b"%d" % number), range(24)))
    assert sum(created) == 1
    assert state.read("once") == b"%d" % created.index(True)


# A counter that loses an increment whenever two processes are in the locked section at once.
COUNT = """
import sys, time
from pathlib import Path
from nightshift.settings import Settings
from nightshift.state import open_state

state = open_state(Settings(state=sys.argv[1], var=Path(sys.argv[2])))
for _ in range(int(sys.argv[3])):
    with state.lock("counter"):
        count = int(state.read("count") or 0)
        time.sleep(0.01)
        state.write("count", str(count + 1).encode())
"""


def test_processes_that_take_a_lock_in_turn_lose_nothing(state: State, location: str, tmp_path: Path) -> None:
    state.write("count", b"0")
    command = [sys.executable, "-c", COUNT, location, str(tmp_path), "5"]
    counters = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [counter.communicate()[1] for counter in counters] == [""] * 3
    assert state.read("count") == b"15"


def test_a_holder_takes_its_lock_again(state: State) -> None:
    with state.lock("nested"), state.lock("nested"):
        pass
    with state.lock("nested"):
        pass


def test_locks_of_two_names_do_not_wait_for_each_other(state: State) -> None:
    with state.lock("left"), ThreadPoolExecutor(1) as pool:
        pool.submit(_take, state, "right").result(20)


def test_a_lock_is_free_after_an_error(state: State) -> None:
    with pytest.raises(KeyError), state.lock("error"):
        raise KeyError
    with ThreadPoolExecutor(1) as pool:
        pool.submit(_take, state, "error").result(20)


HOLD = """
import sys, time
from pathlib import Path
from nightshift.settings import Settings
from nightshift.state import open_state

with open_state(Settings(state=sys.argv[1], var=Path(sys.argv[2]))).lock("killed"):
    print("taken", flush=True)
    time.sleep(600)
"""


def test_a_lock_is_free_after_its_holder_was_killed(location: str, tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, location, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"taken\n"
    short = ObjectStoreState(location, lease_seconds=1) if location.startswith("s3:") else None
    state = short or open_state(Settings(state=location, var=tmp_path))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(_take, state, "killed")
        if short is None:  # a lease of one second ends long before the holder's next renewal
            time.sleep(0.5)
            assert not waiting.done()
        holder.kill()
        holder.wait()
        waiting.result(30)


def test_a_lease_that_is_renewed_is_not_taken_over(store: str) -> None:
    order: list[str] = []
    holder, waiting = ObjectStoreState(store, lease_seconds=1), ObjectStoreState(store, lease_seconds=1)
    taken = threading.Event()

    def hold() -> None:
        with holder.lock("renewed"):
            taken.set()
            time.sleep(3)
            order.append("released")

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        assert taken.wait(20)
        with waiting.lock("renewed"):
            order.append("taken")
        holding.result(20)
    assert order == ["released", "taken"]


def test_a_holder_that_lost_its_lease_does_not_end_that_of_another(
    store: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As a process does that was stopped, or could not reach the store, for longer than its lease."""
    monkeypatch.setattr(object_store._Lease, "_renew", lambda lease: None)
    first, second, third = (ObjectStoreState(store, lease_seconds) for lease_seconds in (30, 1, 30))
    with ThreadPoolExecutor(1) as pool:
        with ExitStack() as second_lock:
            with first.lock("lost"):
                second_lock.enter_context(second.lock("lost"))  # a second later
            assert "was lost while it was held" in caplog.text
            waiting = pool.submit(_take, third, "lost")
            with pytest.raises(TimeoutError):
                waiting.result(2)
        waiting.result(20)


def test_a_lease_whose_object_is_gone_is_free(store: str, caplog: pytest.LogCaptureFixture) -> None:
    state = ObjectStoreState(store, lease_seconds=1)
    with state.lock("gone"):
        state.remove("locks/gone.json")
        time.sleep(1)  # a renewal and more
    assert "was lost while it was held" in caplog.text
    _take(state, "gone")


def test_a_put_whose_answer_was_lost_is_known_as_its_own(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    state = ObjectStoreState(store)
    call, calls = state._client.put_object, []

    def put_twice(**arguments: object) -> object:
        calls.append(call(**arguments))  # the answer is lost, and the client repeats the request
        return call(**arguments)

    monkeypatch.setattr(state._client, "put_object", put_twice)
    assert state.create("answered twice", b"content")
    assert not state.create("answered twice", b"content")
    assert len(calls) == 1  # the second creation was refused at once


REFUSED = [
    ("gs://bucket/state", TerminalError, "NIGHTSHIFT_STATE: there is no such place for the shared state"),
    ("postgresql+psycopg2://user:s3cret@127.0.0.1:1/x", TransientError, "does not answer"),
    ("s3://no-such-bucket/state", TerminalError, "NoSuchBucket"),
    ("/dev/null/state", TerminalError, "the folder cannot be made"),
]


@pytest.mark.parametrize(("place", "kind", "problem"), REFUSED)
def test_a_place_that_does_not_serve_is_one_line(
    place: str, kind: type[Exception], problem: str, store: str, tmp_path: Path
) -> None:
    del store
    with pytest.raises(kind, match=problem) as refusal:
        open_state(Settings(state=place, var=tmp_path)).write("a", b"")
    assert "s3cret" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def _take(state: State, name: str) -> None:
    with state.lock(name):
        pass
