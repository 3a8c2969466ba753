"""Rules for features and their expressions: one function each."""

from __future__ import annotations

from collections.abc import Iterator

from nightshift.definition.features import COMPUTED
from nightshift.definition.model import ModelDefinition
from nightshift.definition.problem import DATED, RESERVED, KeyPath, Problem, expression_problems


def expressions_are_valid(definition: ModelDefinition) -> Iterator[Problem]:
    sources, features = definition.sources, definition.features
    for name, source in sources.items():
        for column, derived in source.derived.items():
            path: KeyPath = ("sources", name, "derived", column, "expression")
            yield from expression_problems(path, derived.expression, "spark", source.landed | DATED)
        if source.event_time is not None:
            yield from expression_problems(
                ("sources", name, "event_time"), source.event_time, "spark", source.types | DATED
            )
    for name, aggregate in features.aggregates.items():
        for part in ("value", "where"):
            expression, source_ = getattr(aggregate, part), sources.get(aggregate.source)
            if expression is not None and source_ is not None:
                yield from expression_problems(
                    ("features", "aggregates", name, part), expression, "spark", source_.types | DATED
                )
    if definition.observations.source not in sources:
        return
    columns = definition.observed_types | {"score_date": "date"}
    looked_up = {name: sources[part.source].types for name, part in features.lookups.items() if part.source in sources}
    over_rows: dict[KeyPath, str | None] = {("observations", "where"): definition.observations.where}
    over_rows |= {("features", "rows", name, "expression"): row.expression for name, row in features.rows.items()}
    for path, expression in over_rows.items():
        if expression is not None:
            yield from expression_problems(path, expression, "spark", columns, looked_up)


def derived_names_are_free(definition: ModelDefinition) -> Iterator[Problem]:
    for name, source in definition.sources.items():
        for column in source.derived:
            path = ("sources", name, "derived", column)
            if column in source.columns:
                yield Problem(path, "is already a landed column", column, None, "choose another name")
            if column in RESERVED:
                yield Problem(path, "reserved name", column, None, "choose another name")


def last_needs_an_order(definition: ModelDefinition) -> Iterator[Problem]:
    for name, aggregate in definition.features.aggregates.items():
        source = definition.sources.get(aggregate.source)
        if aggregate.agg == "last" and source is not None and source.event_time is None:
            yield Problem(
                ("features", "aggregates", name, "agg"),
                f"the last row is undefined: '{aggregate.source}' has no event_time",
                "last",
                None,
                f"declare `event_time:` of '{aggregate.source}'",
            )


def keys_are_of_one_type(definition: ModelDefinition) -> Iterator[Problem]:
    features, observed = definition.features, definition.sources.get(definition.observations.source)
    joined: list[tuple[KeyPath, str, tuple[str, ...]]] = [
        (("features", "aggregates", name, "by"), part.source, part.by) for name, part in features.aggregates.items()
    ]
    joined += [(("features", "lookups", name, "key"), part.source, part.key) for name, part in features.lookups.items()]
    joined += [(("label", "by" if definition.label.by else "source"), definition.label.source, definition.label_key)]
    reported: set[tuple[str, str]] = set()
    for path, name, columns in joined:
        if len(set(columns)) < len(columns):
            yield Problem(path, "a column is listed twice", list(columns), None, "remove one")
        source = definition.sources.get(name)
        for column in columns:
            observed_type, source_type = (part.types.get(column) if part else None for part in (observed, source))
            if observed_type and source_type and observed_type != source_type and (name, column) not in reported:
                reported.add((name, column))
                received = f"{source_type} in '{name}', {observed_type} in '{definition.observations.source}'"
                message = f"'{column}' has another type in the observations"
                yield Problem(path, message, received, None, "declare the same type in both")


def only_daily_sources_restate(definition: ModelDefinition) -> Iterator[Problem]:
    for name, source in definition.sources.items():
        if source.restates is not None and source.cadence != "daily":
            path = ("sources", name, "restates")
            yield Problem(path, "an irregular source lands new versions instead", None, None, "remove it")


def windows_are_unique(definition: ModelDefinition) -> Iterator[Problem]:
    for name, aggregate in definition.features.aggregates.items():
        if len(set(aggregate.windows)) < len(aggregate.windows):
            listed = [f"{window.days}d" for window in aggregate.windows]
            yield Problem(
                ("features", "aggregates", name, "windows"), "a window is listed twice", listed, None, "remove one"
            )


def computed_features_have_their_code(definition: ModelDefinition) -> Iterator[Problem]:
    file, computed = definition.folder / COMPUTED, definition.features.computed
    if computed and not file.exists():
        fix = f"write transform(frame, cutoff) in {file}"
        yield Problem(("features", "computed"), f"the definition has no {COMPUTED}", None, None, fix)
    if file.exists() and not computed:
        yield Problem(
            ("features",),
            f"{COMPUTED} adds features that are not declared",
            None,
            "name: {type: …, description: …, sources: […]}",
            "declare them under `computed:`",
        )
    for name, feature in computed.items():
        for source in feature.sources:
            if source not in definition.sources:
                path = ("features", "computed", name, "sources")
                yield Problem(path, "unknown source", source, list(definition.sources), "name a source")


def computed_names_are_free(definition: ModelDefinition) -> Iterator[Problem]:
    features = definition.features
    taken = {*RESERVED, *definition.observations.key, *features.rows, *definition.aggregate_features}
    for name in features.computed:
        if name in taken:
            yield Problem(("features", "computed", name), "the name is already used", name, None, "choose another name")


RULES = (
    expressions_are_valid,
    derived_names_are_free,
    last_needs_an_order,
    keys_are_of_one_type,
    only_daily_sources_restate,
    windows_are_unique,
    computed_features_have_their_code,
    computed_names_are_free,
)
