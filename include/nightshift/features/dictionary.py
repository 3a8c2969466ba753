"""The data dictionary: every feature with its type, its meaning and where it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nightshift.definition.duration import format_duration
from nightshift.definition.feature_rules import COMPUTED
from nightshift.definition.features import Aggregate, feature_name
from nightshift.definition.model import ModelDefinition


@dataclass(frozen=True)
class Entry:
    """A feature as people read about it.

    Attributes:
        feature: Its column in `features.<model>`.
        type: number or category.
        sources: The sources it is made from.
        made: How it is made.
        by: The key it is aggregated by; empty if over all rows, or no aggregate.
        window: The days it is aggregated over, if it is an aggregate.
        default: What it is over an empty window; null if not declared.
        description: What it means.
    """

    feature: str
    type: str
    sources: str
    made: str
    by: str
    window: str
    default: str
    description: str

    @property
    def sentence(self) -> str:
        """How it is made, in one line."""
        if not self.window:
            return self.made
        by = f" by {self.by}" if self.by else ""
        default = "" if self.default == "null" else f", else {self.default}"
        return f"{self.made}{by} over {self.window}{default}"


def data_dictionary(definition: ModelDefinition) -> Iterator[Entry]:
    """Every feature of a definition, in the order of its table's columns; each text on one line."""
    for entry in _entries(definition):
        yield Entry(**{name: " ".join(text.split()) for name, text in vars(entry).items()})


def _entries(definition: ModelDefinition) -> Iterator[Entry]:
    features = definition.features
    for name, row in features.rows.items():
        sources = ", ".join(_sources(definition, row.expression))
        yield Entry(name, row.type, sources, row.expression, "", "", "", row.description)
    for name, aggregate in features.aggregates.items():
        by, default = ", ".join(aggregate.by), "null" if aggregate.default is None else aggregate.default
        for window in aggregate.windows:
            yield Entry(
                feature_name(name, window.days),
                aggregate.type,
                aggregate.source,
                _made(aggregate),
                by,
                format_duration(window),
                str(default),
                aggregate.description,
            )
    for name, computed in features.computed.items():
        yield Entry(name, computed.type, ", ".join(computed.sources), COMPUTED, "", "", "", computed.description)


def dictionary_page(definition: ModelDefinition) -> str:
    """The data dictionary as a Markdown table."""
    lines = [
        f"| `{entry.feature}` | {entry.type} | {entry.sources} | {_cell(entry.sentence)} | {_cell(entry.description)} |"
        for entry in data_dictionary(definition)
    ]
    return "\n".join(["| feature | type | sources | how it is made | what it means |", "|---|---|---|---|---|", *lines])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _made(aggregate: Aggregate) -> str:
    if aggregate.agg in {"count", "rate"}:
        return f"{aggregate.agg} of {aggregate.where or 'rows'}"
    where = f" where {aggregate.where}" if aggregate.where else ""
    return f"{aggregate.agg} of {aggregate.value}{where}"


def _sources(definition: ModelDefinition, expression: str) -> list[str]:
    """The sources a row expression looks at: the observations', and those of the look-ups it names."""
    import sqlglot
    from sqlglot import exp

    columns = sqlglot.parse_one(expression, dialect="spark").find_all(exp.Column)
    names = {column.parts[0].name.lower() for column in columns}
    looked_up = {name: lookup.source for name, lookup in definition.features.lookups.items()}
    observed = [definition.observations.source] if names - set(looked_up) or not names else []
    return list(dict.fromkeys([*observed, *(source for name, source in looked_up.items() if name in names)]))
