"""The data dictionary: every feature with its type, its sources, its computation and its meaning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nightshift.definition.duration import format_duration
from nightshift.definition.features import COMPUTED, Aggregate, feature_name
from nightshift.definition.model import ModelDefinition
from nightshift.pages.markdown import table_cell


@dataclass(frozen=True)
class FeatureEntry:
    """One feature in the data dictionary.

    Attributes:
        feature: Its column in `features.<model>`.
        type: number or category.
        sources: The sources it is computed from.
        computation: How it is computed.
        by: The key it is aggregated by; empty if over all rows, or no aggregate.
        window: The days it is aggregated over, if it is an aggregate.
        default: Its value over an empty window; null if not declared.
        description: Its meaning.
    """

    feature: str
    type: str
    sources: str
    computation: str
    by: str
    window: str
    default: str
    description: str

    @property
    def sentence(self) -> str:
        """How it is computed, in one line."""
        if not self.window:
            return self.computation
        by = f" by {self.by}" if self.by else ""
        default = "" if self.default == "null" else f", else {self.default}"
        return f"{self.computation}{by} over {self.window}{default}"


def data_dictionary(definition: ModelDefinition) -> Iterator[FeatureEntry]:
    """Every feature of a definition, in the order of its table's columns; each text on one line."""
    for entry in _entries(definition):
        yield FeatureEntry(**{name: " ".join(text.split()) for name, text in vars(entry).items()})


def _entries(definition: ModelDefinition) -> Iterator[FeatureEntry]:
    features = definition.features
    for name, row in features.rows.items():
        sources = ", ".join(_sources(definition, row.expression))
        yield FeatureEntry(name, row.type, sources, row.expression, "", "", "", row.description)
    for name, aggregate in features.aggregates.items():
        by, default = ", ".join(aggregate.by), "null" if aggregate.default is None else aggregate.default
        for window in aggregate.windows:
            yield FeatureEntry(
                feature_name(name, window.days),
                aggregate.type,
                aggregate.source,
                _computation(aggregate),
                by,
                format_duration(window),
                str(default),
                aggregate.description,
            )
    for name, computed in features.computed.items():
        yield FeatureEntry(name, computed.type, ", ".join(computed.sources), COMPUTED, "", "", "", computed.description)


def dictionary_page(definition: ModelDefinition) -> str:
    """The data dictionary as a Markdown table."""
    lines = [
        f"| `{entry.feature}` | {entry.type} | {entry.sources} | "
        f"{table_cell(entry.sentence)} | {table_cell(entry.description)} |"
        for entry in _entries(definition)
    ]
    return "\n".join(["| feature | type | sources | computation | meaning |", "|---|---|---|---|---|", *lines])


def _computation(aggregate: Aggregate) -> str:
    if aggregate.agg in {"count", "rate"}:
        return f"{aggregate.agg} of {aggregate.where or 'rows'}"
    where = f" where {aggregate.where}" if aggregate.where else ""
    return f"{aggregate.agg} of {aggregate.value}{where}"


def _sources(definition: ModelDefinition, expression: str) -> list[str]:
    """The sources that a row expression reads: the observations' source, and those of the look-ups it names."""
    looked_up = {name: part.source for name, part in definition.features.lookups.items() if name in expression.lower()}
    if not looked_up:
        return [definition.observations.source]
    import sqlglot  # which takes longer than all the rest of the page
    from sqlglot import exp

    columns = sqlglot.parse_one(expression, dialect="spark").find_all(exp.Column)
    names = {column.parts[0].name.lower() for column in columns}
    observed = [definition.observations.source] if names - set(looked_up) or not names else []
    return list(dict.fromkeys([*observed, *(source for name, source in looked_up.items() if name in names)]))
