"""What must hold between the parts of a definition: one rule a function, messages that state the repair."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta

from croniter import croniter

from nightshift.definition import (
    check_rules,
    feature_rules,
    gate_rules,
    monitoring_rules,
    promotion_rules,
    training_rules,
)
from nightshift.definition.duration import format_duration
from nightshift.definition.model import ModelDefinition
from nightshift.definition.problem import RESERVED, KeyPath, Problem

PROVENANCE = {"score", "model_version", "features_snapshot", "scored_at"}

Rule = Callable[[ModelDefinition], Iterator[Problem]]


def folder_is_the_name(definition: ModelDefinition) -> Iterator[Problem]:
    if definition.folder.name != definition.name:
        yield Problem(
            ("name",),
            "differs from its folder",
            definition.name,
            definition.folder.name,
            f"write `name: {definition.folder.name}` or rename the folder",
        )


def model_name_is_free(definition: ModelDefinition) -> Iterator[Problem]:
    """`monitoring.<model>` is the model's table; this one is of all models."""
    if definition.name == "registry_events":
        yield Problem(("name",), "reserved name", definition.name, None, "rename the model and its folder")


def sources_exist(definition: ModelDefinition) -> Iterator[Problem]:
    known = list(definition.sources)
    named: list[tuple[KeyPath, str]] = [
        (("observations", "source"), definition.observations.source),
        (("label", "source"), definition.label.source),
    ]
    named += [
        (("features", "lookups", name, "source"), part.source) for name, part in definition.features.lookups.items()
    ]
    named += [
        (("features", "aggregates", name, "source"), part.source)
        for name, part in definition.features.aggregates.items()
    ]
    for path, source in named:
        if source not in known:
            yield Problem(path, "unknown source", source, known, "name a source of this definition")


def columns_exist(definition: ModelDefinition) -> Iterator[Problem]:
    """Keys that identify rows must have landed; those that look up or group may be derived."""
    observed, features = definition.observations.source, definition.features
    wanted: list[tuple[KeyPath, str, tuple[str, ...], bool]] = [
        (("observations", "key"), observed, definition.observations.key, False),
        (("label", "source"), definition.label.source, definition.observations.key, False),
    ]
    wanted += [(("sources", name, "key"), name, source.key, False) for name, source in definition.sources.items()]
    for name, lookup in features.lookups.items():
        wanted += [(("features", "lookups", name, "key"), side, lookup.key, True) for side in (observed, lookup.source)]
    for name, aggregate in features.aggregates.items():
        sides = (observed, aggregate.source)
        wanted += [(("features", "aggregates", name, "by"), side, aggregate.by, True) for side in sides]
    for path, name, columns, derived in wanted:
        source = definition.sources.get(name)
        known = list(source.types if derived else source.columns) if source else columns
        for column in columns:
            if column not in known:
                yield Problem(path, f"source '{name}' has no such column", column, known, "name one of its columns")


def dated_paths(definition: ModelDefinition) -> Iterator[Problem]:
    for name, source in definition.sources.items():
        for problem in path_problems(source.path):
            yield problem._replace(path=("sources", name, "path"))


def path_problems(path: str) -> Iterator[Problem]:
    if path.count("{date}") != 1:
        yield Problem((), "has no date", path, "one `{date}`", "write where the date stands")
    if not path.endswith((".csv", ".csv.gz", ".parquet")):
        yield Problem((), "unknown file format", path, ".csv, .csv.gz, .parquet", "change the ending")


def cadence_fits_use(definition: ModelDefinition) -> Iterator[Problem]:
    for name, lookup in definition.features.lookups.items():
        source = definition.sources.get(lookup.source)
        if source and set(source.key) != set(lookup.key):
            yield Problem(
                ("features", "lookups", name, "key"),
                f"a look-up needs exactly one row a key, and '{lookup.source}' is not declared unique by it",
                list(lookup.key),
                [list(source.key)],
                f"look up by the key of '{lookup.source}'",
            )
    users: list[tuple[KeyPath, str]] = [
        (("observations", "source"), definition.observations.source),
        (("label", "source"), definition.label.source),
    ]
    users += [
        (("features", "aggregates", name, "source"), part.source)
        for name, part in definition.features.aggregates.items()
    ]
    for path, name in users:
        source = definition.sources.get(name)
        if source and source.cadence != "daily":
            yield Problem(path, "needs a daily source", source.cadence, "cadence: daily", "use a daily source")


def observations_are_known_in_time(definition: ModelDefinition) -> Iterator[Problem]:
    from nightshift.definition.calendar import is_available, nights

    source = definition.sources.get(definition.observations.source)
    start = definition.schedule.start
    # A year of nights: two time zones need not change their clocks on the same day, or at all.
    year = nights(start, min(start + timedelta(days=366), definition.schedule.end or date.max))
    if source and not all(is_available(definition.schedule, source, night, night) for night in year):
        yield Problem(
            ("sources", definition.observations.source, "available", "after"),
            "the observations of a night are not available at its cutoff",
            None,
            "at most the time from midnight to `schedule.at`",
            "score later, or use a source that is known earlier",
        )


def names_are_free(definition: ModelDefinition) -> Iterator[Problem]:
    taken = RESERVED | set(definition.observations.key)
    types = list(definition.features.rows)
    for name in types:
        if name in taken - set(definition.observations.key):
            yield Problem(("features", "rows", name), "reserved name", name, None, "choose another name")
    for name in sorted(set(types) & set(definition.observations.key)):
        yield Problem(("features", "rows", name), "is the name of a key column", name, None, "choose another name")
    if not definition.feature_types:
        yield Problem(("features",), "no feature", None, "at least one under rows, aggregates or computed", "add one")
    for name in definition.sources:
        columns = definition.sources[name].columns
        for column in [one for one in columns if one in RESERVED or one.startswith("quarantine_")]:
            yield Problem(("sources", name, "columns", column), "reserved name", column, None, "rename it at landing")


def names_do_not_collide(definition: ModelDefinition) -> Iterator[Problem]:
    known = set(definition.features.rows) | set(definition.observations.key)
    observed = definition.sources.get(definition.observations.source)
    given = {*(observed.types if observed else ()), *definition.features.lookups}
    for name, aggregate in definition.features.aggregates.items():
        path = ("features", "aggregates", name)
        for feature in aggregate.features(name):
            if feature in known:
                yield Problem(path, f"'{feature}' exists already", None, None, "rename one")
            if feature in given:
                what = f"'{feature}' is a column or a look-up of the observations"
                yield Problem(path, what, None, None, "rename one")
            known.add(feature)
    for name in sorted(RESERVED & set(definition.features.lookups)):
        yield Problem(("features", "lookups", name), "reserved name", name, None, "choose another name")
    for name in definition.features.lookups:
        if observed and name in observed.types:
            yield Problem(("features", "lookups", name), "is a column of the observations", name, None, "rename it")
    for column in definition.observations.key:
        if column in PROVENANCE:
            yield Problem(
                ("observations", "key"), "is a column of every scored table", column, None, "rename it at landing"
            )


def one_outcome_an_observation(definition: ModelDefinition) -> Iterator[Problem]:
    source = definition.sources.get(definition.label.source)
    key = definition.observations.key
    if source and not (source.key and set(source.key) <= set(key)):
        yield Problem(
            ("label", "source"),
            "needs at most one row an observation, and is not declared unique by the observations' key",
            list(source.key),
            [list(key)],
            f"declare `key:` of '{definition.label.source}' as columns of the observations' key",
        )


def schedule_makes_sense(definition: ModelDefinition) -> Iterator[Problem]:
    schedule, cadence = definition.schedule, definition.training.cadence
    if schedule.end is not None and schedule.end < schedule.start:
        received = f"{schedule.start} to {schedule.end}"
        yield Problem(("schedule", "end"), "ends before it starts", received, None, "write a later end")
    if not croniter.is_valid(cadence):
        allowed = "five fields: minute hour day month weekday"
        yield Problem(("training", "cadence"), "not a cron expression", cadence, allowed, "such as '0 6 1 * *'")


def alert_comes_before_the_end(definition: ModelDefinition) -> Iterator[Problem]:
    wait = definition.wait
    if wait.alert is not None and wait.alert >= wait.timeout:
        received, allowed = format_duration(wait.alert), f"less than the timeout, {format_duration(wait.timeout)}"
        yield Problem(("wait", "alert"), "comes when the night has given up", received, allowed, "wait longer")


def training_can_be_done(definition: ModelDefinition) -> Iterator[Problem]:
    training = definition.training
    if training.calibration is not None and training.calibration.period >= training.period:
        received, allowed = format_duration(training.calibration.period), "less than the training period"
        path = ("training", "calibration", "period")
        yield Problem(path, "leaves nothing to learn from", received, allowed, "calibrate on fewer days")
    for name, values in training.search.grid.items() if training.search else ():
        if not values:
            yield Problem(
                ("training", "search", "grid", name), "no value to try", None, None, "name some, or remove it"
            )


def watched_features_exist(definition: ModelDefinition) -> Iterator[Problem]:
    known = list(definition.feature_types)
    for name in definition.monitoring.features:
        if name not in known:
            yield Problem(("monitoring", "features"), "no such feature", name, known, "name a feature")
    columns = [*known, *definition.observations.key]
    for name in definition.monitoring.slices:
        if name not in columns:
            yield Problem(("monitoring", "slices"), "no such column", name, columns, "name a feature or a key")


RULES: tuple[Rule, ...] = (
    folder_is_the_name,
    model_name_is_free,
    sources_exist,
    columns_exist,
    dated_paths,
    cadence_fits_use,
    observations_are_known_in_time,
    names_are_free,
    names_do_not_collide,
    one_outcome_an_observation,
    schedule_makes_sense,
    alert_comes_before_the_end,
    training_can_be_done,
    watched_features_exist,
    *check_rules.RULES,
    *feature_rules.RULES,
    *gate_rules.RULES,
    *monitoring_rules.RULES,
    *promotion_rules.RULES,
    *training_rules.RULES,
)
