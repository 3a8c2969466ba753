"""State in an object store with S3's protocol: records by conditional puts, and locks that are leases.

A lease is an object that its holder renews, and marks as free in the end. Whoever waits for it takes it over once it
has not changed for a stated time, measured by the waiting process alone: no two clocks are compared. Every put is
conditional and nothing is deleted, so of two that take a lease at once, one succeeds, and a holder that lost its lease
does not end another's.

The method is that of Amazon's lock client for DynamoDB (https://aws.amazon.com/blogs/database/
building-distributed-locks-with-the-dynamodb-lock-client/).
"""

from __future__ import annotations

import json
import logging
import os
import random
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from nightshift.aws import ATTEMPTS, aws_region
from nightshift.errors import NightshiftError
from nightshift.service_errors import explain_at
from nightshift.state.reentrance import ReentrantLocks

log = logging.getLogger(__name__)

LEASE_SECONDS = 30.0  # without renewal, after which another process takes the lock
RENEWALS = 3  # in that time
LONGEST_PAUSE = 1.0  # seconds between two looks at a lock that is taken
# Metadata of an object: tells an own put, whose answer was lost, from another's; whether nobody has the lease.
WRITER, FREE = "writer", "free"
ABSENT, CHANGED = {"NoSuchKey", "404"}, {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}
TIMEOUT = 5  # seconds of a request, so that a renewal whose answer is lost is repeated within the lease


class ObjectStoreState:
    """Records and leases are objects below a prefix.

    Args:
        location: `s3://bucket/prefix`. Credentials, region and endpoint are those of the AWS environment.
        lease_seconds: How long a lease lasts without renewal.
    """

    def __init__(self, location: str, lease_seconds: float = LEASE_SECONDS) -> None:
        self.location, self.lease_seconds = location.rstrip("/"), lease_seconds
        self._bucket, _, prefix = self.location.removeprefix("s3://").partition("/")
        self._prefix = f"{prefix}/" if prefix else ""
        retries = {"mode": "standard", "max_attempts": ATTEMPTS}
        config = Config(retries=retries, connect_timeout=TIMEOUT, read_timeout=TIMEOUT)
        self._client = boto3.client("s3", region_name=aws_region(), config=config)
        self.lock = ReentrantLocks(self._lock)

    def read(self, name: str) -> bytes | None:
        """The content of an object; None if there is none."""
        stored = self._call("get_object", name, missing=None)
        return stored and bytes(stored["Body"].read())

    def write(self, name: str, content: bytes) -> None:
        """Puts an object."""
        self._call("put_object", name, Body=content)

    def create(self, name: str, content: bytes) -> bool:
        """Puts an object unless there is one."""
        return self._put_if(name, content, IfNoneMatch="*") is not None

    def names(self, folder: str) -> list[str]:
        """The names below a folder."""
        pages = self._client.get_paginator("list_objects_v2")
        with self._explained(folder):
            keys = pages.paginate(Bucket=self._bucket, Prefix=f"{self._prefix}{folder}/").search("Contents[].Key")
            return sorted(key.removeprefix(self._prefix) for key in keys if key)

    def remove(self, name: str) -> None:
        """Deletes an object, if it exists."""
        self._call("delete_object", name)

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        lease = _Lease(self, f"locks/{name}.json")
        lease.take()
        try:
            yield
        finally:
            lease.release()

    def _put_if(self, name: str, content: bytes, *, free: bool = False, **condition: Any) -> str | None:
        """Puts an object on a condition; its entity tag, or None if the condition does not hold."""
        writer = uuid.uuid4().hex
        metadata = {WRITER: writer, FREE: str(free)}
        try:
            put = self._call("put_object", name, Body=content, Metadata=metadata, **condition)
        except _ConditionFailed:
            # A put that was repeated because its answer was lost finds its own object.
            stored = self._call("head_object", name, missing=None)
            return str(stored["ETag"]) if stored and stored["Metadata"].get(WRITER) == writer else None
        return str(put["ETag"])

    def _call(self, method: str, name: str, **arguments: Any) -> Any:
        """Calls the store for an object; `missing` is the answer if there is no such object, else that is an error."""
        has_answer, missing = "missing" in arguments, arguments.pop("missing", None)
        with self._explained(name):
            try:
                return getattr(self._client, method)(Bucket=self._bucket, Key=self._prefix + name, **arguments)
            except ClientError as error:
                if has_answer and error.response["Error"]["Code"] in ABSENT:
                    return missing
                gone = "IfMatch" in arguments and error.response["Error"]["Code"] in ABSENT
                if gone or error.response["Error"]["Code"] in CHANGED:
                    raise _ConditionFailed from None
                raise

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            raise explain_at(f"{self.location}/{name}", error) from None


class _ConditionFailed(Exception):
    """The object is not as a conditional put demands."""


class _Lease:
    """A lease that a thread renews while it is held."""

    def __init__(self, state: ObjectStoreState, name: str) -> None:
        self._state, self._name = state, name
        self._holder = f"{socket.gethostname()}, process {os.getpid()}"
        self._tag = ""
        self._end = threading.Event()
        self._renewing = threading.Thread(target=self._renew, name=f"nightshift-lease-{name}", daemon=True)

    def take(self) -> None:
        """Waits for the lease and takes it."""
        watched, since, pause = "", time.monotonic(), 0.05
        while True:
            condition: dict[str, Any] = {"IfNoneMatch": "*"}
            if stored := self._state._call("head_object", self._name, missing=None):
                if stored["ETag"] != watched:
                    watched, since = stored["ETag"], time.monotonic()
                expired = time.monotonic() - since > self._state.lease_seconds
                expired = expired or stored["Metadata"].get(FREE) == str(True)
                condition = {"IfMatch": watched} if expired else {}
            if condition and (tag := self._state._put_if(self._name, self._content(), **condition)):
                self._tag = tag
                self._renewing.start()
                return
            time.sleep(pause * (0.5 + random.random()))  # apart from others that wait
            pause = min(2 * pause, LONGEST_PAUSE)

    def release(self) -> None:
        """Ends the lease, unless another process has taken it over."""
        self._end.set()
        self._renewing.join()
        try:
            if not self._state._put_if(self._name, self._content(), free=True, IfMatch=self._tag):
                log.warning("the lock %s/%s was lost while it was held", self._state.location, self._name)
        except NightshiftError as error:  # what it protected is done: the lease ends by itself
            log.warning("the lock could not be given back: %s", error)

    def _renew(self) -> None:
        while not self._end.wait(self._state.lease_seconds / RENEWALS):
            try:
                tag = self._state._put_if(self._name, self._content(), IfMatch=self._tag)
            except NightshiftError as error:
                log.warning("the lock %s could not be renewed: %s", self._name, error)
                continue
            if tag is None:
                return  # lost; the release says so
            self._tag = tag

    def _content(self) -> bytes:
        """Another content each time: an entity tag depends on nothing else."""
        return json.dumps({"holder": self._holder, "renewal": uuid.uuid4().hex}).encode()
