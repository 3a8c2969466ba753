"""Examines an installation and its data: each finding is one line with the command that heals it.

A check is a function of an `Examination` that yields its findings, each an error that says what, where and how to heal
it. It changes nothing, except that it writes and removes probe files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from nightshift.doctor.airflow import check_airflow
from nightshift.doctor.alerts import check_alerts
from nightshift.doctor.clock import check_clock
from nightshift.doctor.examination import Examination
from nightshift.doctor.leftovers import check_leftovers
from nightshift.doctor.locks import check_locks
from nightshift.doctor.registry import check_registry
from nightshift.doctor.storage import check_storage
from nightshift.doctor.tables import check_tables
from nightshift.errors import NightshiftError, TerminalError, first_line
from nightshift.service_errors import explain

Check = Callable[[Examination], Iterable[NightshiftError]]

# In the order in which one rests on another: what is wrong with the first is seen by those after it too.
CHECKS: dict[str, Check] = {
    "storage": check_storage,
    "clock": check_clock,
    "tables": check_tables,
    "registry": check_registry,
    "locks": check_locks,
    "alerts": check_alerts,
    "leftovers": check_leftovers,
    "airflow": check_airflow,
}


def examine(examination: Examination) -> Iterator[tuple[str, list[NightshiftError]]]:
    """Runs every check.

    Returns:
        The name of each check, once it has ended, with its findings; a finding is listed where it is first seen.
    """
    listed: set[str] = set()
    for name, check in CHECKS.items():
        examination.progress(f"examining the {name}")
        findings = [finding for finding in _findings(check, examination) if str(finding) not in listed]
        listed |= {str(finding) for finding in findings}
        yield name, findings


def _findings(check: Check, examination: Examination) -> Iterator[NightshiftError]:
    """The findings of a check; that it cannot go on is one of them."""
    try:
        yield from check(examination)
    except Exception as error:  # of any kind: whatever is broken keeps no other check from its work
        yield explain(error) or TerminalError(f"not examined: {type(error).__name__}: {first_line(error)}")
