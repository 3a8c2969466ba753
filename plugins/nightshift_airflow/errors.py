"""Nightshift's errors as Airflow understands them: terminal ones fail at once, transient ones are retried."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from nightshift.errors import NightshiftError, TransientError


@contextmanager
def explained() -> Iterator[None]:
    """Ends a task with the error's one line, not with a page of stack trace."""
    try:
        yield
    except TransientError as error:
        raise AirflowException(str(error)) from None
    except NightshiftError as error:
        raise AirflowFailException(str(error)) from None
