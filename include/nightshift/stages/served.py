"""The rows that the API kept on a day, measured as a night is: their drift from what the version learned, and their
skew from the nights that their features were computed of.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import reduce

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.errors import NotYetAvailable, shown
from nightshift.lake.parquet import read_files
from nightshift.lake.read import published_partitions
from nightshift.lake.tables import features_table, key_within_night, serving_table
from nightshift.monitoring.drift import ScoredNight
from nightshift.monitoring.drift import measure_drift as drift_of_night
from nightshift.monitoring.night_profile import SCORED_COLUMNS, NightProfile, Profiler
from nightshift.project import Project
from nightshift.registry.reference import ModelReference
from nightshift.stages.baseline import drift_baseline, importance_of
from nightshift.types import Measurement

DRIFT, SKEW = "served_drift", "served_skew"  # monitors of `monitoring.<model>`
SERVED = "served_"  # how the names of an answer's columns begin in `serving.<model>`
NAMED = 3  # features that differ, in a sentence
OF_NIGHT = "@night"  # how the names of a night's columns end beside those that were served


@dataclass
class ServedSkew:
    """How the features of served observations compare with those of the same observations in published nights.

    Attributes:
        observations: How many were compared.
        differing: How many have another value, by feature.
        examples: The first of them in words, by feature.
    """

    observations: int = 0
    differing: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)


def measure_served(project: Project, day: date, run_id: str) -> list[Measurement]:
    """Measures the rows that the API kept on a day, in UTC, and records what it finds under that date.

    Drift is that of the rows which the version scored that scored most of them, for the weekday of the night that
    most of them are of; skew is that of all observations.

    Raises:
        NotYetAvailable: If no rows were kept on that day.
    """
    definition = project.definition
    versions, nights = Counter[int](), dict[int, Counter[date]]()
    files = served_files(project, day)
    for rows in _rows(project, files, ("served_version", "served_night")):
        for version, night in zip(rows["served_version"].to_pylist(), rows["served_night"].to_pylist(), strict=True):
            versions[version] += 1
            nights.setdefault(version, Counter())[night or day] += 1
    if not versions:
        fix = f"set NIGHTSHIFT_SERVING__KEEP=true where `nightshift serve {definition.name}` runs, or name another day"
        raise NotYetAvailable(f"the API published no rows on {day}", where=definition.name, fix=fix)
    [(number, _)] = versions.most_common(1)
    [(night, _)] = nights[number].most_common(1)
    version = project.registry.version(number)
    reference, baseline = drift_baseline(project, version)
    profile = _profile(project, files, number, reference)
    served = ScoredNight(night, profile, definition.watched_features, number, importance_of(project, version))
    drift = drift_of_night(served, baseline)
    skew = _as_measurements(measure_skew(project, files))
    project.record(DRIFT, day, drift, run_id)
    project.record(SKEW, day, skew, run_id)
    return [*drift, *skew]


def served_files(project: Project, day: date) -> Sequence[str]:
    """The files of the rows that the API kept on a day: one has those of an hour."""
    partition = published_partitions(project.lake, serving_table(project.definition), within=(day, day)).get(day)
    return partition.files if partition else ()


def measure_skew(project: Project, files: Sequence[str]) -> ServedSkew:
    """Compares the features of served observations with those of the nights that they are of.

    Args:
        project: The model.
        files: The files of the rows that the API kept.
    """
    features, key = list(project.definition.feature_types), list(key_within_night(project.definition))
    nights: dict[date, pa.Table] = {}
    skew = ServedSkew()
    for rows in _rows(project, files, (*key, *features, "served_night")):
        for night in filter(None, pc.unique(rows["served_night"]).to_pylist()):
            if night not in nights:
                nights[night] = project.read(
                    features_table(project.definition), night, night, columns=(*key, *features)
                )
            served = rows.filter(pc.equal(rows["served_night"], pa.scalar(night))).select([*key, *features])
            both = served.join(nights[night], key, join_type="inner", right_suffix=OF_NIGHT)
            skew.observations += both.num_rows
            for name in features:
                places = _differing(both[name], both[f"{name}{OF_NIGHT}"])
                if len(places):
                    skew.differing[name] += len(places)
                    skew.examples.setdefault(name, _example(both.slice(int(places[0]), 1), key, name))
    return skew


def _rows(project: Project, files: Sequence[str], columns: Sequence[str]) -> Iterator[pa.Table]:
    """Rows that the API kept, file by file."""
    return (read_files([file], serving_table(project.definition), columns) for file in files)


def _profile(project: Project, files: Sequence[str], version: int, reference: ModelReference) -> NightProfile:
    """The profile of the rows that a version scored, over the bins of its reference."""
    columns, profiler = serving_table(project.definition).columns, Profiler.of(reference)
    scores = {f"{SERVED}{name}": name for name in SCORED_COLUMNS.values() if f"{SERVED}{name}" in columns}
    features = tuple(name for name in (profiler.columns if profiler else ()) if name in columns)

    def profile(rows: pa.Table) -> NightProfile:
        of_version = rows.filter(pc.equal(rows["served_version"], version))
        if profiler is None:
            return NightProfile.empty(of_version.num_rows)
        return profiler(of_version.select(features), of_version.select(list(scores)).rename_columns(scores))

    return reduce(operator.add, map(profile, _rows(project, files, (*features, *scores, "served_version"))))


def _differing(served: pa.ChunkedArray, published: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Where values differ; a missing one equals a missing one."""
    missing = pc.and_(pc.is_null(served, nan_is_null=True), pc.is_null(published, nan_is_null=True))
    equal = pc.fill_null(pc.equal(served, published), False)
    return np.flatnonzero(pc.invert(pc.or_(equal, missing)).to_numpy())


def _example(row: pa.Table, key: Sequence[str], name: str) -> str:
    """An observation with a feature's value as served and as published."""
    [values] = row.to_pylist()
    observation = ", ".join(f"{column}={values[column]}" for column in key)
    return shown(f"{observation}: served {values[name]!r}, published {values[f'{name}{OF_NIGHT}']!r}")


def _as_measurements(skew: ServedSkew) -> list[Measurement]:
    count = skew.observations
    if not count:
        detail = "no observation was served whose night is published with its key"
        return [Measurement("night", SKEW, sample_size=0, verdict="unknown", detail=detail)]
    named = ", ".join(f"{name} in {cells}" for name, cells in skew.differing.most_common(NAMED))
    overall = f"served otherwise than published: {named}" if named else "every value is the published one"
    return [
        Measurement("night", SKEW, float(skew.differing.total()), 0.0, count, "warn" if named else "pass", overall),
        *(
            Measurement(name, SKEW, float(cells), 0.0, count, "warn", f"{cells} of {count}; {skew.examples[name]}")
            for name, cells in skew.differing.items()
        ),
    ]
