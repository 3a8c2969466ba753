"""Sends a published night through a running API, and compares every feature and score with the tables."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import httpx
import pyarrow as pa

from nightshift.definition.calendar import newest_available
from nightshift.errors import TerminalError, TransientError, shown
from nightshift.lake.parquet import read_files
from nightshift.lake.read import published_partitions
from nightshift.lake.tables import features_table, raw_table
from nightshift.project import Project
from nightshift.registry.classes import LabelClasses
from nightshift.serving.observation_rows import needed_columns
from nightshift.stages.scored import read_scored

BATCH = 1_000  # rows of a request
TIMEOUT = 120.0  # seconds of a request
MOST_EXAMPLES = 5

Row = Mapping[str, Any]
Key = tuple[Any, ...]


@dataclass(frozen=True)
class DifferingCell:
    """A value that the API gives otherwise than the night.

    Attributes:
        key: The observation.
        column: The feature, or the column of the score.
        published: The night's value.
        answered: The API's.
    """

    key: Key
    column: str
    published: Any
    answered: Any


@dataclass
class Parity:
    """How an API's answers compare with a published night.

    Attributes:
        version: The version that answered.
        scored_by: The version that scored the night; its scores are compared if it is the same.
        observations: How many observations were compared.
        cells: How many values were compared.
        differing: How many of them differ, by column.
        examples: The first of these.
        refused: Why observations were not answered, with their number.
    """

    version: int | None = None
    scored_by: int | None = None
    observations: int = 0
    cells: int = 0
    differing: Counter[str] = field(default_factory=Counter)
    examples: list[DifferingCell] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def is_equal(self) -> bool:
        """Whether every observation was answered, and no value differs."""
        return not self.differing and not self.refused

    def add(self, key: Key, published: Row, answered: Row) -> None:
        """Compares the values of an observation, bit for bit."""
        for column, value in published.items():
            self.cells += 1
            if _bits(value) != _bits(answered.get(column)):
                self.differing[column] += 1
                if len(self.examples) < MOST_EXAMPLES:
                    self.examples.append(DifferingCell(key, column, value, answered.get(column)))


def compare_with_night(
    project: Project, night: date, url: str, token: str | None, progress: Callable[[int, int], None]
) -> Parity:
    """Sends the observations of a published night to an API, and compares what it answers.

    Args:
        project: The model.
        night: The night.
        url: The address of the API.
        token: The caller's token; None if it needs none.
        progress: Takes how many observations were sent, and of how many.

    Raises:
        TerminalError: If the night has no published features, or the API refuses.
        TransientError: If the API does not answer.
    """
    features, scores, scored_by = _published(project, night)
    rows = _observations(project, night)
    parity = Parity(scored_by=scored_by)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    model, key_names = project.definition.name, project.definition.observations.key
    with httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT) as client:
        for first in range(0, len(rows), BATCH):
            batch = rows[first : first + BATCH]
            answer = _ask(client, model, night, batch)
            parity.version = answer["version"]
            reasons = {error["row"]: error["problem"] for error in reversed(answer["errors"])}
            for place, row in enumerate(batch):
                key = tuple(row[name] for name in key_names)
                if key not in features:  # a night scores only those that satisfy `where`
                    if answer["predictions"][place] is not None:
                        parity.refused["answered, and not published"] += 1
                    continue
                parity.observations += 1
                if answer["predictions"][place] is None:
                    parity.refused[reasons.get(place, "no answer")] += 1
                    continue
                parity.add(key, features[key], answer["features"][place])
                if parity.version == scored_by:
                    parity.add(key, scores[key], answer["predictions"][place])
            progress(min(first + BATCH, len(rows)), len(rows))
    return parity


def _published(project: Project, night: date) -> tuple[dict[Key, Row], dict[Key, Row], int | None]:
    """The features and the scores of a night by key, and the version that scored it."""
    definition = project.definition
    names = list(definition.feature_types)
    table = project.read(features_table(definition), night, night)
    if not table.num_rows:
        fix = f"nightshift build {definition.name}, or name a night that is published"
        raise TerminalError("the night has no published features", where=definition.name, received=str(night), fix=fix)
    scored = read_scored(project, night)
    scores: dict[Key, Row] = {}
    if scored.count:
        scores = _by_key(project, scored.read(), [*definition.scored_columns, *_class_columns(scored.classes)])
    return _by_key(project, table, names), scores, scored.version


def _class_columns(classes: LabelClasses | None) -> Sequence[str]:
    return classes.columns if classes else ()


def _by_key(project: Project, table: pa.Table, names: Sequence[str]) -> dict[Key, Row]:
    key = project.definition.observations.key
    return {
        tuple(_as_json(row[name]) for name in key): {name: row[name] for name in dict.fromkeys(names)}
        for row in table.to_pylist()
    }


def _observations(project: Project, night: date) -> list[dict[str, Any]]:
    """The landed columns of a night's observations, as a caller would send them."""
    definition = project.definition
    source, needed = definition.observations.source, list(needed_columns(definition))
    if definition.observations.within is not None:
        table = project.read(features_table(definition), night, night, columns=tuple(needed))
    else:
        spec = raw_table(definition, source)
        partitions = published_partitions(project.lake, spec)
        day = night if definition.has_observation_files else newest_available(definition, source, night, partitions)
        table = read_files(partitions[day].files if day in partitions else (), spec, needed)
    return [{name: _as_json(value) for name, value in row.items()} for row in table.to_pylist()]


def _ask(client: httpx.Client, model: str, night: date, rows: Sequence[Row]) -> dict[str, Any]:
    where = f"{str(client.base_url).rstrip('/')}/models/{model}/score"
    parameters = {"night": str(night), "features": "true", "partial": "true"}
    try:
        answer = client.post(f"/models/{model}/score", params=parameters, json={"dataframe_records": list(rows)})
        content = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        fix = f"start it: nightshift serve {model}, or name its address by --url"
        raise TransientError(f"the API does not answer: {error}", where=where, fix=fix) from None
    if answer.status_code != httpx.codes.OK:
        raise TerminalError(f"the API refuses: {shown(str(content.get('message')))}", where=where)
    return dict(content)


def _as_json(value: Any) -> Any:
    """A value as it is sent: instants and dates as text."""
    return value.isoformat() if isinstance(value, date | datetime) else value


def _bits(value: Any) -> Any:
    return struct.pack("<d", value) if isinstance(value, float) else value


def parity_lines(parity: Parity) -> Iterator[str]:
    """A parity in words."""
    differing = sum(parity.differing.values())
    yield f"{differing} of {parity.cells} values of {parity.observations} observations differ"
    if parity.scored_by is None:
        yield "the night is not scored: only features were compared"
    elif parity.version != parity.scored_by:
        yield f"version {parity.version} answers, and version {parity.scored_by} scored: only features were compared"
    for reason, count in parity.refused.most_common():
        yield f"{count} observations were not answered: {reason}"
    for column, count in parity.differing.most_common():
        yield f"{column}: {count} differ"
    for cell in parity.examples:
        where = f"for example {cell.column} of {', '.join(map(str, cell.key))}"
        yield f"{where}: {cell.published!r} was published, the API gives {cell.answered!r}"
