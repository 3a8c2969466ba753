"""Are the published features what they should be? Two ways to compute them again, compared cell by cell."""

from __future__ import annotations

import logging
import random
import tempfile
from collections.abc import Callable, Sequence
from datetime import date
from itertools import islice
from pathlib import Path

from nightshift.definition.model import ModelDefinition
from nightshift.errors import NotYetAvailable
from nightshift.features.compare import Comparison, compare, tolerances
from nightshift.features.sandbox import has_raw_snapshots, raw_snapshots, sandbox_settings
from nightshift.lake.catalog import Lake
from nightshift.lake.read import published_dates, read_dates
from nightshift.lake.staging import load_staged, new_attempt, read_staged
from nightshift.lake.tables import features_table
from nightshift.spark_submit import SparkSubmit

log = logging.getLogger(__name__)


def sample_nights(lake: Lake, definition: ModelDefinition, count: int, seed: int) -> list[date]:
    """Some published nights, drawn by chance among those whose raw rows are still kept, sorted.

    Raises:
        NotYetAvailable: If there is none.
    """
    published = sorted(published_dates(lake, features_table(definition)))
    if not published:
        raise NotYetAvailable(
            "no features are published", where=features_table(definition).name, fix="run or build some nights first"
        )
    random.Random(seed).shuffle(published)
    drawn = list(islice((night for night in published if has_raw_snapshots(lake, definition, night)), count))
    if not drawn:
        raise NotYetAvailable(
            "of no published night the raw rows it was made from are still kept",
            where=features_table(definition).name,
            fix="run or build a night, then check that",
        )
    return sorted(drawn)


def check_leaks(
    lake: Lake, definition: ModelDefinition, nights: Sequence[date], progress: Callable[[str], None] = log.info
) -> Comparison:
    """Compares published nights, bit by bit, with the same nights computed without anything that arrived later.

    Args:
        lake: The lake.
        definition: The model definition.
        nights: The score dates.
        progress: Takes each line the job prints.

    Raises:
        NotYetAvailable: If a night's features are not published.
        TerminalError: If the computation fails without what arrived later.
    """
    for night in nights:
        raw_snapshots(lake, definition, night)  # every night is there, before a minute is spent on the first
    checked = lake.settings.model_dump_json(exclude={"alerts"})
    with tempfile.TemporaryDirectory(prefix="nightshift-leakcheck-") as folder:
        arguments = ["--model", definition.name, *(word for night in nights for word in ("--night", str(night)))]
        world = sandbox_settings(lake.settings, Path(folder))
        environment = {"NIGHTSHIFT_CHECKED": checked}
        job = SparkSubmit(world, "leakcheck", arguments, long=len(nights) > 4, environment=environment)
        return _compare(lake, definition, job.run(progress), {})


def check_skew(
    lake: Lake, definition: ModelDefinition, night: date, progress: Callable[[str], None] = log.info
) -> Comparison:
    """Compares a published night with the same night computed by brute force from the same raw rows.

    Numbers that are sums in another order may differ by one part in a thousand million, estimated distinct counts by
    five standard errors from the exact ones; everything else is compared bit by bit.

    Raises:
        NotYetAvailable: If the night's features are not published.
    """
    raw_snapshots(lake, definition, night)
    arguments = ["--model", definition.name, "--night", str(night), "--attempt", f"skew-{new_attempt(night, night)}"]
    staged = SparkSubmit(lake.settings, "skew", arguments).run(progress)
    return _compare(lake, definition, staged, tolerances(definition))


def _compare(
    lake: Lake, definition: ModelDefinition, locations: Sequence[str], tolerance: dict[str, float]
) -> Comparison:
    spec, total = features_table(definition), Comparison(0, ())
    for staged in map(load_staged, locations):
        published = read_dates(lake, spec, staged.first, staged.last)
        total += compare(published, read_staged(staged, spec), spec.key, tolerance)
    return total
