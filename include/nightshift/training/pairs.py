"""Nights that the champion and a challenger both scored, with their labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import pyarrow as pa

from nightshift.definition.model import ModelDefinition
from nightshift.definition.prediction import probability_column
from nightshift.lake.catalog import Lake
from nightshift.lake.labels import join_labels, read_labels
from nightshift.lake.parquet import date_of_parquet_file
from nightshift.lake.read import data_files, read_dates
from nightshift.lake.tables import TableSpec, features_table, scores_table, shadow_table

CHAMPION = "champion_"  # how the columns of the champion's scores begin


def paired_nights(
    lake: Lake,
    definition: ModelDefinition,
    challenger: int,
    champion: int,
    first: date,
    last: date,
    columns: tuple[str, ...] = (),
    classes: Sequence[str] = (),
) -> Iterator[pa.Table]:
    """The labelled rows of every night that both versions scored from the same features, oldest night first.

    Args:
        lake: The lake.
        definition: The model definition.
        challenger: The version in shadow.
        champion: The version of the published scores; nights that another version scored are left out.
        first: The first date.
        last: The last date whose outcomes are final.
        columns: Category features to add to the key.
        classes: The classes of either version, of a label that is a class.

    Yields:
        A night's rows: the key, `columns`, `score` (the challenger's), `champion_score` and `label`; of a class, the
        probability of each beside the scores.
    """
    shadow, scores = shadow_table(definition, classes), scores_table(definition, classes)
    scored_columns = ["score", *dict.fromkeys(map(probability_column, classes))]
    if not (lake.table_exists(shadow.name) and lake.table_exists(scores.name)):
        return
    of_challenger = {"model_version": challenger}
    nights = {date_of_parquet_file(file) for file in data_files(lake, shadow, first, last, split=of_challenger)}
    for night in sorted(nights):
        published = _scored(lake, scores, night, {})
        shadowed = _scored(lake, shadow, night, of_challenger)
        if _origin(published) != (champion, _origin(shadowed)[1]):
            continue
        key = [*scores.key]
        renamed = [CHAMPION + name for name in scored_columns]
        champion_scores = published.select([*key, *scored_columns]).rename_columns([*key, *renamed])
        rows = shadowed.select([*key, *scored_columns]).join(champion_scores, key)
        if added := [name for name in columns if name not in key]:
            features = read_dates(lake, features_table(definition), night, night, columns=(*key, *added))
            rows = rows.join(features, key)
        rows = join_labels(rows, read_labels(lake, definition, rows.select(key)), definition.observations.key)
        if rows.num_rows:
            yield rows.combine_chunks()


def _scored(lake: Lake, spec: TableSpec, night: date, split: Mapping[str, str | int]) -> pa.Table:
    rows = read_dates(lake, spec, night, night, split=split)
    return rows.filter(rows["score"].is_valid())


def _origin(rows: pa.Table) -> tuple[int | None, int | None]:
    """The version and the snapshot of the features that a night's scores were computed from."""
    return (rows["model_version"][0].as_py(), rows["features_snapshot"][0].as_py()) if rows.num_rows else (None, None)
