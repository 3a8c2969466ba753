"""MLflow's client: an MLflow that does not answer is a transient error, and what it refuses a terminal one, each with
one clear line.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from sqlalchemy.exc import OperationalError

from nightshift.errors import FullDiskError, ReadOnlyError, TerminalError, TransientError, first_line
from nightshift.redaction import redacted
from nightshift.service_errors import explain

# It prints a page of stack trace for a locked database; the error says it in a line.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)

# A connection that is refused and a server's own failure are both an INTERNAL_ERROR.
UNAVAILABLE_CODES = {"TEMPORARILY_UNAVAILABLE", "INTERNAL_ERROR", "DEADLINE_EXCEEDED", "REQUEST_LIMIT_EXCEEDED"}
LOGIN_CODES = {"UNAUTHENTICATED", "PERMISSION_DENIED"}
ABSENT_CODES = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


DELETED = "deleted"  # the stage of a run or an experiment that MLflow keeps until it is purged


class MlflowRefusal(TerminalError):
    """What MLflow answered instead of doing a call.

    Attributes:
        code: MLflow's code of the error.
    """

    def __init__(self, problem: str, code: str, where: str) -> None:
        super().__init__(f"MLflow refused: {problem}", where=where, fix=_repair(problem, code))
        self.code = code


def restore_experiment(experiment_id: str) -> str:
    """The command that restores a deleted experiment, in the environment that names MLflow."""
    return f"restore it: mlflow experiments restore --experiment-id {experiment_id}"


def restore_run(run_id: str) -> str:
    """The command that restores a deleted run."""
    return f"restore it: mlflow runs restore --run-id {run_id}"


def _repair(problem: str, code: str) -> str:
    """The repair of what MLflow says that it refused."""
    if code in LOGIN_CODES or re.search(r"\b40[13]\b", problem):
        return "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD to a user who may edit the model"
    if deleted := re.search(r"[Ee]xperiment (\w+) must be in the 'active' state", problem):
        return restore_experiment(deleted[1])
    if deleted := re.search(r"run (\w+) must be in the 'active' state", problem):
        return restore_run(deleted[1])
    return "look at the model, its versions and its runs in MLflow, and restore what was deleted there"


class Client:
    """An `MlflowClient`.

    Args:
        uri: Where MLflow is, for tracking and registry.

    Attributes:
        mlflow: The client itself, for calls that fail for other reasons than an MLflow that does not answer.
        address: The URI without its password.

    Raises:
        TransientError: If MLflow does not answer; so does every call.
        MlflowRefusal: From a call that MLflow refuses.
    """

    def __init__(self, uri: str) -> None:
        from mlflow import MlflowClient

        self._uri, self.address = uri, redacted(uri)
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
            if isinstance(disk := explain(error), FullDiskError | ReadOnlyError):
                raise type(disk)(disk.problem, where=disk.where or self.address, fix=disk.fix) from None
            where, line = self.address, first_line(error)
            if isinstance(error, MlflowException) and error.error_code not in UNAVAILABLE_CODES:
                raise MlflowRefusal(line, error.error_code, where) from None
            raise TransientError(
                f"MLflow does not answer: {line}",
                where=where,
                fix="check that it is running and that nothing locks its database, then run this again",
            ) from None


@contextmanager
def ignore_absent() -> Iterator[None]:
    """Continues after the block if MLflow has no such run, model, version or alias."""
    try:
        yield
    except MlflowRefusal as error:
        if error.code not in ABSENT_CODES:
            raise
