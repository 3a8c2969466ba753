"""Nightshift's errors as Airflow understands them: terminal ones fail at once, transient ones are retried."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from nightshift.errors import TransientError
from nightshift.service_errors import explain


@contextmanager
def explained() -> Iterator[None]:
    """Ends a task with the error's one line, not with a page of stack trace."""
    try:
        yield
    except Exception as error:
        if (explained_error := explain(error)) is None:
            raise
        kind = AirflowException if isinstance(explained_error, TransientError) else AirflowFailException
        raise kind(str(explained_error)) from None
