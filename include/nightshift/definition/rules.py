"""Rules between the parts of a definition: one function each, with messages that state the repair."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta

from nightshift.definition import (
    check_rules,
    feature_rules,
    gate_rules,
    label_rules,
    lookup_rules,
    monitoring_rules,
    promotion_rules,
    schedule_rules,
    source_rules,
    training_rules,
)
from nightshift.definition.duration import format_duration
from nightshift.definition.model import ModelDefinition
from nightshift.definition.prediction import is_scored_column
from nightshift.definition.problem import RESERVED, KeyPath, Problem

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
    """`monitoring.<model>` is the table of one model, `monitoring.registry_events` that of all models."""
    if definition.name == "registry_events":
        yield Problem(("name",), "reserved name", definition.name, None, "rename the model and its folder")


def sources_exist(definition: ModelDefinition) -> Iterator[Problem]:
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
        if source not in definition.sources:
            fix = "name a source of this definition"
            yield Problem(path, "unknown source", source, list(definition.sources), fix)


def columns_exist(definition: ModelDefinition) -> Iterator[Problem]:
    """Keys that identify rows must have landed; those that look up or group may be derived."""
    observed, features = definition.observations.source, definition.features
    within = definition.observations.within is not None
    required: list[tuple[KeyPath, str, tuple[str, ...], bool]] = [
        (("observations", "key"), observed, definition.observations.key, False),
        (("label", "by" if definition.label.by else "source"), definition.label.source, definition.label_key, False),
    ]
    required += [(("sources", name, "key"), name, source.key, False) for name, source in definition.sources.items()]
    for name, lookup in features.lookups.items():
        required += [
            (("features", "lookups", name, "key"), side, lookup.key, True) for side in (observed, lookup.source)
        ]
    for name, aggregate in features.aggregates.items():
        sides = (observed, aggregate.source)
        required += [(("features", "aggregates", name, "by"), side, aggregate.by, True) for side in sides]
    for path, name, columns, derived in required:
        source = definition.sources.get(name)
        declared = list(source.types if derived else source.columns) if source else list(columns)
        message, fix = f"source '{name}' has no such column", "name one of its columns"
        if within and path[0] == "features" and name == observed:
            declared = list(definition.observed_types)
            message = "is no column of the observations, which have their key alone `within` some days"
            fix = "name one of these, or look it up"
        for column in columns:
            if column not in declared:
                yield Problem(path, message, column, declared, fix)


def cadence_fits_use(definition: ModelDefinition) -> Iterator[Problem]:
    for name, lookup in definition.features.lookups.items():
        source = definition.sources.get(lookup.source)
        if source:
            yield from lookup_rules.unique_key(("features", "lookups", name, "key"), lookup.source, lookup.key, source)
    users: list[tuple[KeyPath, str]] = [(("label", "source"), definition.label.source)]
    if definition.observations.within:
        users.append((("observations", "within"), definition.observations.source))
    users += [
        (("features", "aggregates", name, "source"), part.source)
        for name, part in definition.features.aggregates.items()
    ]
    for path, name in users:
        source = definition.sources.get(name)
        if source and source.cadence != "daily":
            yield Problem(path, "needs a daily source", source.cadence, "cadence: daily", "use a daily source")


def observations_are_available_in_time(definition: ModelDefinition) -> Iterator[Problem]:
    from nightshift.definition.calendar import is_available, nights

    source = definition.sources.get(definition.observations.source)
    if source and (source.cadence == "irregular" or definition.observations.within):
        return
    start = definition.schedule.start
    # A year of nights, because two time zones may change their clocks on different days or not at all.
    year = nights(definition.schedule, start, min(start + timedelta(days=366), definition.schedule.end or date.max))
    if source and not all(is_available(definition.schedule, source, night, night) for night in year):
        yield Problem(
            ("sources", definition.observations.source, "available", "after"),
            "the observations of a night are not available at its cutoff",
            None,
            f"at most the time from midnight to the cutoff, {definition.schedule.time_of_day:%H:%M}",
            "score later, or use a source that is available earlier",
        )


def names_are_free(definition: ModelDefinition) -> Iterator[Problem]:
    rows, key = definition.features.rows, set(definition.observations.key)
    for name in rows:
        if name in RESERVED - key:
            yield Problem(("features", "rows", name), "reserved name", name, None, "choose another name")
    for name in sorted(set(rows) & key):
        yield Problem(("features", "rows", name), "is the name of a key column", name, None, "choose another name")
    if not definition.feature_types:
        yield Problem(("features",), "no feature", None, "at least one under rows, aggregates or computed", "add one")
    for name in definition.sources:
        columns = definition.sources[name].columns
        for column in [name for name in columns if name in RESERVED or name.startswith("quarantine_")]:
            yield Problem(("sources", name, "columns", column), "reserved name", column, None, "rename it at landing")


def names_do_not_collide(definition: ModelDefinition) -> Iterator[Problem]:
    used = set(definition.features.rows) | set(definition.observations.key)
    inputs = {*definition.observed_types, *definition.features.lookups}
    for name, aggregate in definition.features.aggregates.items():
        path = ("features", "aggregates", name)
        for feature in aggregate.features(name):
            if feature in used:
                yield Problem(path, f"the name '{feature}' is already used", None, None, "rename one of the two")
            if feature in inputs:
                message = f"'{feature}' is a column or a look-up of the observations"
                yield Problem(path, message, None, None, "rename the aggregate")
            used.add(feature)
    for name in sorted(RESERVED & set(definition.features.lookups)):
        yield Problem(("features", "lookups", name), "reserved name", name, None, "choose another name")
    for name in definition.features.lookups:
        if name in definition.observed_types:
            yield Problem(("features", "lookups", name), "is a column of the observations", name, None, "rename it")
    for column in definition.observations.key:
        if is_scored_column(column):
            yield Problem(
                ("observations", "key"), "is a column of every scored table", column, None, "rename it at landing"
            )


def alert_precedes_timeout(definition: ModelDefinition) -> Iterator[Problem]:
    wait = definition.wait
    if wait.alert is not None and wait.alert >= wait.timeout:
        received, allowed = format_duration(wait.alert), f"less than the timeout, {format_duration(wait.timeout)}"
        yield Problem(
            ("wait", "alert"), "comes after the night has failed", received, allowed, "alert earlier, or wait longer"
        )


def training_has_data_and_parameters(definition: ModelDefinition) -> Iterator[Problem]:
    training = definition.training
    if training.calibration is not None and training.calibration.period >= training.period:
        received, allowed = format_duration(training.calibration.period), "less than the training period"
        path = ("training", "calibration", "period")
        yield Problem(path, "leaves nothing to learn from", received, allowed, "calibrate on fewer days")
    for name, values in training.search.grid.items() if training.search else ():
        if not values:
            yield Problem(
                ("training", "search", "grid", name), "no value to try", None, None, "list values, or remove it"
            )


def watched_features_exist(definition: ModelDefinition) -> Iterator[Problem]:
    features = list(definition.feature_types)
    for name in definition.monitoring.features:
        if name not in features:
            yield Problem(("monitoring", "features"), "no such feature", name, features, "name a feature")
    columns = [*features, *definition.observations.key]
    for name in definition.monitoring.slices:
        if name not in columns:
            yield Problem(("monitoring", "slices"), "no such column", name, columns, "name a feature or a key")


RULES: tuple[Rule, ...] = (
    folder_is_the_name,
    model_name_is_free,
    sources_exist,
    columns_exist,
    cadence_fits_use,
    observations_are_available_in_time,
    names_are_free,
    names_do_not_collide,
    alert_precedes_timeout,
    training_has_data_and_parameters,
    watched_features_exist,
    *check_rules.RULES,
    *feature_rules.RULES,
    *gate_rules.RULES,
    *label_rules.RULES,
    *lookup_rules.RULES,
    *monitoring_rules.RULES,
    *promotion_rules.RULES,
    *schedule_rules.RULES,
    *source_rules.RULES,
    *training_rules.RULES,
)
