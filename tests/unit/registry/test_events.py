"""Events: kept once, for good, whoever writes at the same time; and what follows from them."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.lake.catalog import Lake
from nightshift.lake.commit import Replacement
from nightshift.lake.maintenance import maintain_tables
from nightshift.lake.sql import run_sql
from nightshift.lake.tables import registry_events_table
from nightshift.registry.events import (
    RegistryEvent,
    append_event,
    current_champion,
    previous_champion,
    read_events,
    reigns,
)
from nightshift.settings import Settings
from unit.registry.trainings import at_once
from unit.tables import day

AT = datetime(2026, 3, 4, 5, 6, 7, 89, UTC)


def event(number: int, **changed: Any) -> RegistryEvent:
    """The n-th version of a model is promoted by the n-th run, a second after the one before."""
    values = {"model": "tiny", "event": "promoted", "effective": day(number), "actor": f"run {number}"}
    values |= {"from_version": number - 1 or None, "to_version": number, "recorded_at": AT + timedelta(seconds=number)}
    return RegistryEvent(**values | changed)


def snapshots(lake: Lake) -> int:
    return len(lake.table("monitoring.registry_events").metadata.snapshots)


# ---- the table


def test_nothing_happened_before_the_first_event(lake: Lake) -> None:
    assert read_events(lake, "tiny") == []


def test_an_event_is_read_as_it_was_written(lake: Lake) -> None:
    full = event(1, mlflow_run="abc", reason='it\'s "late"; ä\n', evidence='{"gate": "…"}', after="0123456789abcdef")
    append_event(lake, full)
    assert read_events(lake, "tiny") == [full]


def test_an_event_that_is_told_again_changes_nothing_not_even_its_time(lake: Lake) -> None:
    append_event(lake, event(1))
    append_event(lake, event(2))
    append_event(lake, event(1, recorded_at=AT + timedelta(days=9), reason="told otherwise", evidence='{"a": 1}'))
    assert read_events(lake, "tiny") == [event(1), event(2)]
    assert snapshots(lake) == 2


@pytest.mark.parametrize(
    "changed",
    [{"actor": "b"}, {"event": "rolled_back"}, {"from_version": 7}, {"to_version": 7}, {"model": "other"},
     {"mlflow_run": "abc"}, {"effective": day(9)}, {"after": "0123"}],
    ids=lambda changed: next(iter(changed)),
)  # fmt: skip
def test_whatever_differs_is_another_event(lake: Lake, changed: dict[str, Any]) -> None:
    append_event(lake, event(1))
    append_event(lake, event(1, **changed))
    assert len(read_events(lake, "tiny") + read_events(lake, "other")) == 2


def test_events_are_read_in_the_order_in_which_they_happened_each_model_by_itself(lake: Lake) -> None:
    for number in (3, 1, 2):
        append_event(lake, event(number))
    append_event(lake, event(1, model="other"))
    assert read_events(lake, "tiny") == [event(1), event(2), event(3)]
    assert read_events(lake, "other") == [event(1, model="other")]


def test_analysts_query_the_events(lake: Lake) -> None:
    append_event(lake, event(1))
    query = "select recorded_at, effective, event, actor, from_version, to_version from monitoring.registry_events"
    [row] = run_sql(lake, query)[1]
    assert (row[0].astimezone(UTC), *row[1:]) == (AT + timedelta(seconds=1), day(1), "promoted", "run 1", None, 1)


def test_maintenance_keeps_every_event(lake: Lake) -> None:
    for number in range(1, 4):
        append_event(lake, event(number))
    maintain_tables(lake, lambda line: None, now=datetime.now(UTC) + timedelta(days=3650))
    assert read_events(lake, "tiny") == [event(1), event(2), event(3)]


def tell(settings: Settings, *numbers: int) -> None:
    lake = Lake(settings)
    for number in numbers:
        append_event(lake, event(number, recorded_at=datetime.now(UTC)))


@pytest.mark.slow
def test_processes_that_tell_at_once_lose_nothing_and_tell_nothing_twice(settings: Settings) -> None:
    """Every event is told by two of them; the table itself is made by whoever comes first."""
    at_once((tell, settings, 1, 2, 3, 4), (tell, settings, 4, 3, 5, 6), (tell, settings, 1, 2, 5, 6))
    assert sorted(entry.to_version or 0 for entry in read_events(Lake(settings), "tiny")) == [1, 2, 3, 4, 5, 6]
    assert snapshots(Lake(settings)) == 6


@pytest.mark.parametrize("meanwhile", [1, 2])
@pytest.mark.parametrize("before", [[], [event(3)]])
def test_without_a_lock_what_another_tells_meanwhile_stays_and_is_not_told_twice(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, meanwhile: int, before: list[RegistryEvent]
) -> None:
    """As with a catalog that settles conflicts itself: the other one comes between planning and commit."""
    lake.ensure(registry_events_table())
    for entry in before:
        append_event(lake, entry)
    meanwhile_events, real = [event(meanwhile, recorded_at=AT)], Replacement.commit

    def commit(replacement: Replacement) -> None:
        real(replacement)
        while meanwhile_events:
            append_event(lake, meanwhile_events.pop())

    monkeypatch.setattr(lake, "lock", lambda name: nullcontext())
    monkeypatch.setattr(Replacement, "commit", commit)
    append_event(lake, event(1))
    expected = {entry.to_version: entry for entry in [*before, event(1), event(meanwhile, recorded_at=AT)]}
    assert {entry.to_version: entry for entry in read_events(lake, "tiny")} == expected


# ---- what follows from them

kinds = st.sampled_from(["promoted", "rolled_back", "champion_retired", "changed_elsewhere", "registered", "refused"])
histories = st.lists(st.tuples(kinds, st.integers(1, 12), st.integers(1, 5)), max_size=12)


def history(steps: list[tuple[str, int, int]]) -> list[RegistryEvent]:
    return [
        event(number, event=kind, effective=day(effective), to_version=version)
        for number, (kind, effective, version) in enumerate(steps, 1)
    ]


@given(histories, st.integers(1, 14))
def test_what_happened_last_of_what_is_effective_by_a_date_says_who_is_the_champion_on_it(
    steps: list[tuple[str, int, int]], number: int
) -> None:
    events = history(steps)
    moved = [
        entry for entry in events if entry.event not in ("registered", "refused") and entry.effective <= day(number)
    ]
    current = [
        reign
        for reign in reigns(events)
        if reign.since <= day(number) and not (reign.until and reign.until <= day(number))
    ]
    assert [reign.event for reign in current] == moved[-1:]


@given(histories)
def test_reigns_follow_each_other_and_the_last_one_goes_on(steps: list[tuple[str, int, int]]) -> None:
    all_reigns = reigns(history(steps))
    assert [reign.until for reign in all_reigns[:-1]] == [reign.since for reign in all_reigns[1:]]
    assert all(reign.until is None or reign.since < reign.until for reign in all_reigns)
    if all_reigns:
        assert (all_reigns[-1].until, all_reigns[-1].version) == (None, current_champion(history(steps)))


@pytest.mark.parametrize(
    ("steps", "before"),
    [
        ("", None),
        ("p1", None),
        ("p1 p2", 1),
        ("p1 p2 p3 r2", 1),  # back to 2: going back again goes on to 1, not to 3
        ("p1 p2 p3 r1", None),
        ("p1 p2 p3 r1 p4", 1),
        ("p1 p2 r1 r2", 1),
        ("c3 p4", 3),
        ("p1 p2 c1", None),
        ("p1 p2 c5", 2),
        ("p1 p2 c0", 2),  # nobody is the champion: the last one was
        ("p1 c0", 1),
    ],
)
def test_the_champion_to_go_back_to(steps: str, before: int | None) -> None:
    kinds = {"p": "promoted", "r": "rolled_back", "c": "changed_elsewhere"}
    events = [
        event(number, event=kinds[step[0]], to_version=int(step[1]) or None)
        for number, step in enumerate(steps.split(), 1)
    ]
    registered = [replace(entry, event="registered") for entry in events]
    assert previous_champion([*registered, *events]) == before


def test_dates_are_effective_ones_not_those_of_the_clock() -> None:
    old = event(1, effective=date(2013, 5, 1))
    assert [reign.since for reign in reigns([old])] == [date(2013, 5, 1)]
