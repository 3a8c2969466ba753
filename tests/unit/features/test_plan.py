from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import combinations, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import strategies as st

from nightshift.definition.model import ModelDefinition
from nightshift.definition.source import Availability
from nightshift.features.plan import SPANS, FeaturePlan, Tile, VisibleTile, cover, plan_features
from unit.examples import examples

DAY = timedelta(days=1)
FIRST = date(2013, 3, 8)  # the clocks of New York change two days later
ZONES = ["America/New_York", "Asia/Tokyo", "Australia/Lord_Howe", "Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"]
# When the clocks of New York and of Lord Howe Island (by half an hour) change; of the last, when an old year ends.
CHANGES = [date(2013, 3, 10), date(2013, 11, 3), date(2013, 4, 7), date(2013, 10, 6), date(2013, 1, 1)]

some_days = st.dates(date(2012, 1, 1), date(2014, 12, 31))
some_nights = st.one_of(
    some_days, st.sampled_from(CHANGES).flatmap(lambda d: st.integers(-2, 2).map(lambda n: d + n * DAY))
)
some_delays = st.integers(-48 * 4, 72 * 4).map(lambda quarters: timedelta(minutes=15 * quarters))
some_times = st.integers(0, 95).map(lambda quarters: f"{quarters // 4:02d}:{quarters % 4 * 15:02d}")
some_lengths = st.sets(st.integers(1, 200), min_size=1, max_size=3)
shared = examples(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


# ---- tiles


def fewest(first: date, last: date) -> int:
    """How few tiles can make up some days, found by trying every way."""
    least = {first.toordinal(): 0}
    for day in range(first.toordinal(), last.toordinal() + 1):
        if day in least:
            for span in SPANS:
                if day % span == 0 and day + span - 1 <= last.toordinal():
                    least[day + span] = min(least[day] + 1, least.get(day + span, 10**9))
    return least[last.toordinal() + 1]


@examples(max_examples=200)
@given(some_days, st.integers(0, 400))
def test_a_cover_has_the_fewest_tiles_and_every_day_once(first: date, more: int) -> None:
    last = first + timedelta(days=more)
    tiles = list(cover(first, last))
    assert [day for tile in tiles for day in tile.dates] == [first + timedelta(days=n) for n in range(more + 1)]
    assert all(tile.start.toordinal() % tile.days == 0 for tile in tiles)
    assert len(tiles) == fewest(first, last)


@given(some_days)
def test_a_cover_that_ends_before_it_begins_is_empty(first: date) -> None:
    assert list(cover(first, first - DAY)) == []


@given(some_days, st.integers(0, 200), some_days, st.integers(0, 200))
def test_tiles_of_two_windows_are_equal_disjoint_or_nested(
    first: date, first_days: int, second: date, second_days: int
) -> None:
    tiles = {*cover(first, first + first_days * DAY), *cover(second, second + second_days * DAY)}
    for left, right in combinations(tiles, 2):
        apart = left.last < right.start or right.last < left.start
        within = left.days != right.days and (
            set(left.dates) <= set(right.dates) or set(right.dates) <= set(left.dates)
        )
        assert apart or within


def test_each_span_is_a_whole_number_of_the_one_before_and_the_first_is_a_day() -> None:
    assert SPANS[0] == 1
    assert all(longer > shorter and longer % shorter == 0 for shorter, longer in pairwise(SPANS))


@pytest.mark.parametrize("span", SPANS)
def test_the_parts_of_a_tile_are_tiles_of_the_next_shorter_span_that_make_it_up(span: int) -> None:
    start = date.fromordinal(FIRST.toordinal() // span * span)
    tile = Tile(start, span)
    assert tile.last == start + timedelta(days=span - 1)
    assert list(tile.dates) == [start + timedelta(days=n) for n in range(span)]
    if span == 1:
        assert tile.parts == ()
        return
    shorter = SPANS[SPANS.index(span) - 1]
    assert {part.days for part in tile.parts} == {shorter}
    assert [day for part in tile.parts for day in part.dates] == list(tile.dates)
    assert all(part in cover(part.start, part.last) for part in tile.parts)


# ---- windows


def changed(
    definition: ModelDefinition,
    source: str,
    *,
    after: timedelta | None = None,
    zone: str | None = None,
    schedule: str | None = None,
    at: str | None = None,
    windows: set[int] | None = None,
) -> ModelDefinition:
    """The definition with a source that comes at another time, another clock or other windows."""
    old, features, timing = definition.sources[source], definition.features, definition.schedule
    available = old.available if after is None else Availability(after=after)
    revised = old.model_copy(update={"available": available, "timezone": zone})
    aggregates = dict(features.aggregates)
    if windows:
        # Each window in an aggregate of its own, so that the plan has to gather them.
        [(name, like), *_] = [(n, a) for n, a in aggregates.items() if a.source == source]
        aggregates = {n: a for n, a in aggregates.items() if a.source != source}
        for days in windows:
            aggregates[f"{name}_{days}"] = like.model_copy(update={"windows": (timedelta(days=days),)})
    return definition.model_copy(
        update={
            "sources": {**definition.sources, source: revised},
            "schedule": timing.model_copy(
                update={"timezone": schedule or timing.timezone, "at": at or timing.at},
            ),
            "features": features.model_copy(update={"aggregates": aggregates}),
        }
    )


def instant(zone: str, day: date, after: timedelta) -> datetime:
    """What a clock shows so long after a midnight, on the real time line."""
    shown = datetime.combine(day, time()) + after
    local = shown.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    # A time that the clocks skip has no place there.
    assume(local.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == shown)
    return local


def available(definition: ModelDefinition, source: str, night: date) -> list[date]:
    """The days around a night whose partitions were there at its cutoff, newest first."""
    schedule, declared = definition.schedule, definition.sources[source]
    hour, minute = map(int, schedule.at.split(":"))
    limit = instant(schedule.timezone, night, timedelta(hours=hour, minutes=minute))
    around = [night + timedelta(days=offset) for offset in range(8, -210, -1)]
    zone = declared.timezone or schedule.timezone
    return [day for day in around if instant(zone, day, declared.available.after) <= limit]


def seen_days(plan: FeaturePlan, source: str, night: date, window: int) -> list[date]:
    """Every day that a night sees in a window, as often as it is seen."""
    tiles = [visible.tile for visible in plan.windows[source] if visible.night == night and window in visible.windows]
    return sorted(day for tile in tiles for day in tile.dates)


def plan(definition: ModelDefinition, days: int, planes: list[date]) -> FeaturePlan:
    return plan_features(definition, FIRST, FIRST + timedelta(days=days - 1), {"planes": planes})


@shared
@given(
    some_nights,
    some_delays,
    some_times,
    st.sampled_from(ZONES),
    st.sampled_from([None, *ZONES]),
    some_lengths,
    st.integers(1, 3),
)
def test_a_window_is_exactly_the_newest_days_that_were_available_each_once(
    tiny: ModelDefinition,
    night: date,
    after: timedelta,
    at: str,
    zone: str,
    source_zone: str | None,
    lengths: set[int],
    nights: int,
) -> None:
    definition = changed(tiny, "failures", after=after, zone=source_zone, schedule=zone, at=at, windows=lengths)
    last = night + (nights - 1) * DAY
    feature_plan = plan_features(definition, night, last, {})
    for score_date in (night + n * DAY for n in range(nights)):
        newest = available(definition, "failures", score_date)
        for days in lengths:
            assert seen_days(feature_plan, "failures", score_date, days) == sorted(newest[:days])
        of_night = [visible for visible in feature_plan.windows["failures"] if visible.night == score_date]
        assert len({visible.tile for visible in of_night}) == len(of_night)
        assert all(visible.tile.last <= newest[0] for visible in of_night)
        assert all(visible.windows and set(visible.windows) <= lengths for visible in of_night)
    assert {visible.night for visible in feature_plan.windows["failures"]} == {night + n * DAY for n in range(nights)}
    assert feature_plan.tiles("failures") == {visible.tile for visible in feature_plan.windows["failures"]}


@shared
@given(some_nights, some_lengths)
def test_a_window_has_the_fewest_possible_tiles(tiny: ModelDefinition, night: date, lengths: set[int]) -> None:
    definition = changed(tiny, "failures", windows=lengths)
    visible_tiles = plan_features(definition, night, night, {}).windows["failures"]
    for days in lengths:
        newest = night - DAY  # after 24 hours
        tiles = [visible.tile for visible in visible_tiles if days in visible.windows]
        assert len(tiles) == fewest(newest - (days - 1) * DAY, newest)


def test_the_newest_day_of_a_source_depends_on_its_time_zone(tiny: ModelDefinition) -> None:
    """At midnight in New York it is early afternoon in Tokyo, an hour later of the day in winter than in summer."""
    summer, winter = date(2013, 7, 4), date(2013, 12, 4)
    for night, hours, newest in [
        (summer, 13, summer),
        (summer, 14, summer - DAY),
        (winter, 14, winter),
        (winter, 15, winter - DAY),
    ]:
        after = timedelta(hours=hours)
        away = changed(tiny, "failures", after=after, zone="Asia/Tokyo", schedule="America/New_York", at="00:00")
        feature_plan = plan_features(away, night, night, {})
        assert seen_days(feature_plan, "failures", night, 3) == [newest - 2 * DAY, newest - DAY, newest]


def test_a_window_across_a_clock_change_has_all_its_days(flight_delay: ModelDefinition) -> None:
    feature_plan = plan_features(flight_delay, date(2013, 3, 12), date(2013, 3, 12), {"planes": []})
    assert seen_days(feature_plan, "arrivals", date(2013, 3, 12), 7) == [date(2013, 3, 4) + n * DAY for n in range(7)]


def test_the_example_reads_arrivals_up_to_the_day_before_yesterday(flight_delay: ModelDefinition) -> None:
    feature_plan = plan(flight_delay, 1, [])
    for days in (1, 7, 28):
        assert seen_days(feature_plan, "arrivals", FIRST, days) == [
            date(2013, 3, 7) - n * DAY for n in range(days, 0, -1)
        ]
    assert seen_days(feature_plan, "weather", FIRST, 28) == []
    assert seen_days(feature_plan, "schedule", FIRST, 1) == [FIRST]


def test_only_sources_that_are_aggregated_or_looked_up_are_planned(flight_delay: ModelDefinition) -> None:
    feature_plan = plan(flight_delay, 1, [FIRST])
    assert set(feature_plan.windows) == {"arrivals", "schedule", "weather"}
    assert set(feature_plan.versions) == {"planes"}


def test_a_night_has_the_same_plan_alone_and_in_a_range(flight_delay: ModelDefinition) -> None:
    alone, among = plan(flight_delay, 1, [FIRST]), plan(flight_delay, 4, [FIRST])
    for name, visible_tiles in alone.windows.items():
        assert visible_tiles == tuple(visible for visible in among.windows[name] if visible.night == FIRST)
    assert alone.versions["planes"] == tuple(visible for visible in among.versions["planes"] if visible.night == FIRST)


def test_the_night_after_shares_every_long_tile_that_lies_in_both_windows(tiny: ModelDefinition) -> None:
    feature_plan = plan_features(changed(tiny, "failures", windows={200}), FIRST, FIRST + DAY, {})
    first, second = ({s.tile for s in feature_plan.windows["failures"] if s.night == n} for n in (FIRST, FIRST + DAY))
    assert {tile for tile in first | second if tile.days == 64} == {tile for tile in first & second if tile.days == 64}


def test_a_long_range_reads_short_windows_day_by_day_and_needs_no_longer_tiles(tiny: ModelDefinition) -> None:
    definition = changed(tiny, "failures", windows={7, 28, 32, 33})
    feature_plan = plan_features(definition, FIRST, FIRST + 39 * DAY, {})
    spans = {
        days: {visible.tile.days for visible in feature_plan.windows["failures"] if days in visible.windows}
        for days in (7, 28, 32, 33)
    }
    assert spans == {7: {1}, 28: {1}, 32: {1}, 33: {1, 8}}
    in_week = plan_features(definition, FIRST, FIRST + 6 * DAY, {})
    assert {v.tile.days for v in in_week.windows["failures"] if 7 in v.windows} == {1}
    assert {v.tile.days for v in in_week.windows["failures"] if 28 in v.windows} == {1, 8}


@shared
@given(some_lengths, st.integers(1, 70), st.integers(0, 69), st.integers(0, 69))
def test_some_nights_of_a_plan_read_what_they_read_in_it(
    flight_delay: ModelDefinition, lengths: set[int], nights: int, begin: int, end: int
) -> None:
    definition = changed(flight_delay, "arrivals", windows=lengths)
    whole = plan(definition, nights, [FIRST - DAY, FIRST + 3 * DAY])
    first, last = FIRST + min(begin, end) * DAY, FIRST + max(begin, end) * DAY
    some = whole.of_nights(first, last)
    assert (some.first, some.last, some.windows.keys()) == (first, last, whole.windows.keys())
    for name, visible_tiles in (whole.windows | whole.versions).items():
        expected = [visible for visible in visible_tiles if first <= visible.night <= last]
        assert list((some.windows | some.versions)[name]) == expected


# ---- look-ups


@shared
@given(
    some_nights,
    some_delays,
    st.sampled_from(ZONES),
    st.sampled_from([None, *ZONES]),
    st.sets(st.integers(-9, 9)),
    st.integers(1, 5),
)
def test_a_look_up_reads_the_newest_available_version(
    flight_delay: ModelDefinition,
    night: date,
    after: timedelta,
    zone: str,
    source_zone: str | None,
    offsets: set[int],
    nights: int,
) -> None:
    definition = changed(flight_delay, "planes", after=after, zone=source_zone, schedule=zone)
    published = [night + timedelta(days=offset) for offset in offsets]
    expected = []
    for score_date in (night + n * DAY for n in range(nights)):
        available_days = set(available(definition, "planes", score_date))
        if versions := [day for day in published if day in available_days]:
            expected.append(VisibleTile(score_date, Tile(max(versions), 1)))
    feature_plan = plan_features(definition, night, night + (nights - 1) * DAY, {"planes": published})
    assert feature_plan.versions["planes"] == tuple(expected)


@pytest.mark.parametrize("published", [[], [FIRST + timedelta(days=1)]])
def test_a_night_before_the_first_version_has_no_version(flight_delay: ModelDefinition, published: list[date]) -> None:
    assert plan(flight_delay, 1, published).versions["planes"] == ()


def test_a_version_of_any_age_is_read_in_any_order_of_versions(
    flight_delay: ModelDefinition,
) -> None:
    old, older = date(1999, 12, 31), date(1990, 1, 1)
    [version] = plan(flight_delay, 1, [old, FIRST + DAY, older]).versions["planes"]
    assert version == VisibleTile(FIRST, Tile(old, 1))
