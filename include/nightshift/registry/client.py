"""MLflow's client: an MLflow that does not answer is a transient error with one clear line."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.exc import OperationalError

from nightshift.errors import TransientError, first_line

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# It prints a page of stack trace for a locked database; the error says it in a line.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)

# A connection that is refused and a server's own failure are both an INTERNAL_ERROR.
UNAVAILABLE_CODES = {"TEMPORARILY_UNAVAILABLE", "INTERNAL_ERROR", "DEADLINE_EXCEEDED", "REQUEST_LIMIT_EXCEEDED"}
ABSENT_CODES = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


class Client:
    """An `MlflowClient`.

    Args:
        uri: Where MLflow is, for tracking and registry.

    Attributes:
        mlflow: The client itself, for calls that fail for other reasons than an MLflow that does not answer.

    Raises:
        TransientError: If MLflow does not answer; so does every call.
    """

    def __init__(self, uri: str) -> None:
        from mlflow import MlflowClient

        self._uri = uri
        with self._answering():
            self.mlflow = MlflowClient(tracking_uri=uri, registry_uri=uri)
            self.mlflow.search_experiments(max_results=1)

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.mlflow, name)

        @wraps(call)
        def answered(*args: Any, **options: Any) -> Any:
            with self._answering():
                return call(*args, **options)

        return answered

    @contextmanager
    def _answering(self) -> Iterator[None]:
        from mlflow.exceptions import MlflowException

        try:
            yield
        except (MlflowException, OperationalError) as error:
            if isinstance(error, MlflowException) and error.error_code not in UNAVAILABLE_CODES:
                raise
            secret = f":{urlsplit(self._uri).password}@"
            raise TransientError(
                f"MLflow does not answer: {first_line(error).replace(secret, ':***@')}",
                where=self._uri.replace(secret, ":***@"),
                fix="check that it is running and that nothing locks its database, then run this again",
            ) from None


@contextmanager
def ignore_absent() -> Iterator[None]:
    """Continues after the block if MLflow has no such run, model, version or alias."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code not in ABSENT_CODES:
            raise
