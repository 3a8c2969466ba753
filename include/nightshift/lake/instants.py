"""Instants from texts, dates and local times, by their own offset or by the clock of a time zone."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

UTC = pa.timestamp("us", "UTC")
OFFSET = r"[T ]\d\d(:\d\d(:\d\d(\.\d+)?)?)?(Z|[+-]\d\d(:?\d\d)?)$"


def instants_of_texts(texts: pa.ChunkedArray, zone: str) -> pa.ChunkedArray:
    """The instants of texts in ISO 8601: by their own offset, or by the clock of a time zone.

    Raises:
        pyarrow.ArrowInvalid: If a text is no instant, or has digits beyond the microsecond that are not zero.
    """
    if pc.any(pc.match_substring_regex(texts, r"\.\d{6}0")).as_py():
        texts = pc.replace_substring_regex(texts, r"(\.\d{6})0+", r"\1")
    offset, null = pc.match_substring_regex(texts, OFFSET), pa.scalar(None, texts.type)
    with_offset = pc.if_else(offset, texts, null).cast(UTC)
    local = pc.if_else(offset, null, texts).cast(pa.timestamp("us"))
    return pc.coalesce(with_offset, instants_of_times(local, zone))


def instants_of_times(times: pa.ChunkedArray, zone: str) -> pa.ChunkedArray:
    """The instants at which a clock shows times.

    Where the clock is put back, a time that occurs twice is the first of the two; a time that the clock skips is the
    instant it skips to.
    """
    return pc.assume_timezone(times, zone, ambiguous="earliest", nonexistent="latest").cast(UTC)


def date_of_instants(instants: pa.ChunkedArray, zone: str) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """The dates that a clock shows at instants, and whether each is the first instant of its date."""
    local = pc.local_timestamp(instants.cast(pa.timestamp("us", zone)))
    midnights = pc.floor_temporal(local, unit="day")
    return midnights.cast(pa.date32()), pc.equal(instants_of_times(midnights, zone), instants.cast(UTC))


def to_microseconds(times: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times in microseconds.

    Raises:
        pyarrow.ArrowInvalid: If a time is finer, or too far away.
    """
    return times.cast(pa.timestamp("us", times.type.tz))
